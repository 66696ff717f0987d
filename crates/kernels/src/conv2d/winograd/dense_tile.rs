//! The innermost loop of the products over channels: like the micro-kernel of `gemm`, but rows lie at a fixed
//! distance and nothing happens to the result, which matters when there are only 64 channels.

use super::GROUP;
use crate::gemm::micro_kernel::{Singles, multiply_rows};
use crate::simd::Simd;

/// One panel of weights and groups of tiles: `C = A B` or `C += A B` for `GROUP` rows each.
pub(super) struct Run {
    /// Number of groups.
    pub count: usize,
    /// Terms.
    pub depth: usize,
    /// The first group's rows of `depth` floats.
    pub a: *const f32,
    /// Floats from group to group.
    pub a_group: usize,
    /// Floats from row to row.
    pub a_stride: usize,
    /// `depth` rows of the panel's width.
    pub b: *const f32,
    /// The first group's rows of the panel's width.
    pub c: *mut f32,
    /// Floats from group to group.
    pub c_group: usize,
    /// Floats from row to row.
    pub c_stride: usize,
    /// Add to what is there.
    pub accumulate: bool,
}

impl Run {
    /// Multiplies with a panel of `NV` vectors.
    ///
    /// # Safety
    /// All rows are there. The processor has the instruction set of `S`.
    #[inline(always)]
    pub unsafe fn multiply<S: Simd, const NV: usize>(&self) {
        for group in 0..self.count {
            // SAFETY: the caller's guarantees.
            unsafe {
                let (a, c) = (self.a.add(group * self.a_group), self.c.add(group * self.c_group));
                let mut rows = [a; GROUP];
                for (i, row) in rows.iter_mut().enumerate() {
                    *row = a.add(i * self.a_stride);
                }
                let zero = [[S::zero(); NV]; GROUP];
                let stride = NV * S::LANES;
                let acc = multiply_rows::<S, Singles, GROUP, NV>(zero, self.depth, &rows, self.b, stride);
                for (i, acc) in acc.into_iter().enumerate() {
                    for (j, v) in acc.into_iter().enumerate() {
                        let c = c.add(i * self.c_stride + j * S::LANES);
                        S::store(c, if self.accumulate { S::add(v, S::load(c)) } else { v });
                    }
                }
            }
        }
    }
}
