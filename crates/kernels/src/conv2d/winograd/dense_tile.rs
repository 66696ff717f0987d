//! The innermost loop of the products over channels: like the micro-kernel of `gemm`, but rows lie at a fixed
//! distance and nothing happens to the result, which matters when there are only 64 channels.

use crate::gemm::micro_kernel::{Singles, multiply_rows};
use crate::simd::Simd;

/// `C = A B` or `C += A B` for `MR` rows and `NV` vectors of columns, `depth` deep.
///
/// # Safety
/// `a` has `MR` rows of `depth` floats, `a_stride` apart; `b` has `depth` rows of `NV` vectors; `c` has `MR`
/// rows of `NV` vectors, `c_stride` apart. The processor has the instruction set of `S`.
#[inline(always)]
pub(super) unsafe fn dense_tile<S: Simd, const MR: usize, const NV: usize>(
    depth: usize,
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    c: *mut f32,
    c_stride: usize,
    accumulate: bool,
) {
    // SAFETY: the caller's guarantees.
    unsafe {
        let mut rows = [a; MR];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = a.add(i * a_stride);
        }
        let zero = [[S::zero(); NV]; MR];
        let acc = multiply_rows::<S, Singles, MR, NV>(zero, depth, &rows, b, NV * S::LANES);
        for (i, acc) in acc.into_iter().enumerate() {
            for (j, v) in acc.into_iter().enumerate() {
                let c = c.add(i * c_stride + j * S::LANES);
                S::store(c, if accumulate { S::add(v, S::load(c)) } else { v });
            }
        }
    }
}
