use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};

/// Rows that are added up before their sum joins the others: fixed, so that the result is.
const BLOCK: usize = 512;

/// `sums[j]` becomes the sum of column j of a matrix of `sums.len()` columns.
pub(super) fn sum_of_rows(matrix: &[f32], sums: &mut [f32]) {
    let columns = sums.len();
    let blocks = (matrix.len() / columns).div_ceil(BLOCK);
    scratch::with(blocks * columns, |parts: &mut [f32]| {
        let writer = DisjointMut::new(parts);
        let at_once = (parallel::MIN_BLOCK / (BLOCK * columns)).max(1);
        parallel::for_each_range(blocks, at_once, |range| {
            for block in range {
                let rows = &matrix[block * BLOCK * columns..matrix.len().min((block + 1) * BLOCK * columns)];
                // SAFETY: each block has its own part.
                let sums = unsafe { writer.slice(block * columns..(block + 1) * columns) };
                dispatch(AddRows { rows, sums });
            }
        });
        dispatch(AddRows { rows: parts, sums });
    });
}

/// Overwrites `sums` with the sum of the rows.
struct AddRows<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let columns = self.sums.len();
        for (j, sums) in self.sums.chunks_mut(S::LANES).enumerate() {
            let n = sums.len();
            // SAFETY: n columns from j * LANES on exist in each row.
            unsafe {
                // Four sums hide the latency of an addition.
                let mut sum = [S::zero(); 4];
                for (i, row) in self.rows.chunks_exact(columns).enumerate() {
                    let v = S::load_partial(row.as_ptr().add(j * S::LANES), n);
                    sum[i % 4] = S::add(sum[i % 4], v);
                }
                let sum = S::add(S::add(sum[0], sum[1]), S::add(sum[2], sum[3]));
                S::store_partial(sums.as_mut_ptr(), sum, n);
            }
        }
    }
}
