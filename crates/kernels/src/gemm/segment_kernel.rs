//! The innermost loop of the weight gradients of stems: sums of outer products of whole segments, read where they lie.
//!
//! A patch of a picture in three colours consists of segments of 9, 15 or 21 numbers, one a row of a kernel of 3, 5 or 7. As
//! many accumulators leave nothing over, and no patch has to be copied.

use super::outer_kernel::{AT_ONCE, Ahead, LINE};
use crate::simd::Simd;

/// The sums of a segment of A and all columns of B.
pub(super) struct Segment<'a> {
    /// The segment of each point.
    pub a: &'a [*const f32],
    /// A row of columns for each point, dense.
    pub b: *const f32,
    /// Columns of B and of C: whole lines.
    pub columns: usize,
    /// As many rows as the segment has numbers, dense.
    pub c: *mut f32,
    /// Add what C holds.
    pub accumulate: bool,
    /// What to ask for meanwhile.
    pub ahead: Ahead<'a, f32>,
}

/// Whether there is a kernel for segments of `len` numbers.
#[inline(always)]
pub(super) fn applies<S: Simd>(len: usize, columns: usize) -> bool {
    S::LANES == LINE && matches!(len, 9 | 15 | 21) && columns.is_multiple_of(LINE)
}

impl Segment<'_> {
    /// # Safety
    /// The fields describe valid memory, with `len` numbers in each segment; [`applies`] says so of `len` and the columns, and
    /// the processor has the instruction set of `S`.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(&self, len: usize) {
        for column in (0..self.columns).step_by(LINE) {
            // SAFETY: the caller's guarantees.
            unsafe {
                match len {
                    9 => self.line::<S, 9>(column),
                    15 => self.line::<S, 15>(column),
                    _ => self.line::<S, 21>(column),
                }
            }
        }
    }

    /// # Safety
    /// As [`run`](Self::run).
    #[inline(always)]
    unsafe fn line<S: Simd, const LEN: usize>(&self, column: usize) {
        // SAFETY: the caller's guarantees.
        unsafe {
            let mut b = self.b.add(column);
            let parts = self.a.len().div_ceil(AT_ONCE);
            let (lines, before) = (self.columns / LINE, column / LINE * parts);
            let share = self.ahead.share(parts * lines);
            let mut sums = [S::zero(); LEN];
            for (i, points) in self.a.chunks(AT_ONCE).enumerate() {
                self.ahead.ask::<S>(before + i, share);
                for &a in points {
                    let bv = S::load(b);
                    b = b.wrapping_add(self.columns);
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(S::splat(*a.add(i)), bv, *sum);
                    }
                }
            }
            let mut c = self.c.add(column);
            for sum in sums {
                S::store(c, if self.accumulate { S::add(sum, S::load(c)) } else { sum });
                c = c.wrapping_add(self.columns);
            }
        }
    }
}
