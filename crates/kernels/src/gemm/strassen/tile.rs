//! The sums of A, and the seven products of a tile.

use super::{MR, PRODUCTS};
use crate::gemm::micro_kernel::{Destination, LINE, Singles, finish, multiply_rows, prefetch_destination};
use crate::simd::Simd;

/// Factors of A that are sums; the other three are read where they lie.
pub(super) const SUMS: usize = 4;

/// `MR` pairs of rows of A, of which a chunk is multiplied.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    /// Pointers to the first rows of the pairs.
    pub first: *const *const f32,
    /// Pointers to the second rows.
    pub second: *const *const f32,
    /// Floats before the chunk.
    pub offset: usize,
    /// Terms of half a chunk.
    pub terms: usize,
    /// Place for `SUMS * MR * terms` floats.
    pub sums: *mut f32,
}

impl Strip {
    /// Adds up the halves of the rows.
    ///
    /// # Safety
    /// All pointers can be read for two times `terms` floats, a multiple of `LANES`, from `offset` on, and the sums written.
    /// The processor has the instruction set of `S`.
    #[inline(always)]
    pub unsafe fn add_up<S: Simd>(&self) {
        let &Strip { terms, .. } = self;
        for i in 0..MR {
            // SAFETY: the caller's guarantees.
            unsafe {
                let first = (*self.first.add(i)).add(self.offset);
                let second = (*self.second.add(i)).add(self.offset);
                for p in (0..terms).step_by(S::LANES) {
                    let (a11, a12) = (S::load(first.add(p)), S::load(first.add(terms + p)));
                    let (a21, a22) = (S::load(second.add(p)), S::load(second.add(terms + p)));
                    let s1 = S::add(a21, a22);
                    let s2 = S::sub(s1, a11);
                    for (k, sum) in [s2, S::sub(a11, a21), s1, S::sub(a12, s2)].into_iter().enumerate() {
                        S::store(self.sums.add((k * MR + i) * terms + p), sum);
                    }
                }
            }
        }
    }

    /// Asks for a part of the next strip's rows: number `part` of `parts`.
    ///
    /// # Safety
    /// The tables of pointers go on for another strip.
    #[inline(always)]
    pub unsafe fn prefetch_next<S: Simd>(&self, [part, parts]: [usize; 2]) {
        let len = 2 * self.terms;
        let share = len.div_ceil(parts).next_multiple_of(LINE);
        for p in (len.min(part * share)..len.min((part + 1) * share)).step_by(LINE) {
            for i in MR..2 * MR {
                // SAFETY: the pointers exist; prefetching reads nothing.
                unsafe {
                    S::prefetch((*self.first.add(i)).wrapping_add(self.offset + p));
                    S::prefetch((*self.second.add(i)).wrapping_add(self.offset + p));
                }
            }
        }
    }

    /// The rows of all factors, in the order of the products.
    ///
    /// # Safety
    /// As [`add_up`](Self::add_up).
    #[inline(always)]
    unsafe fn factors(&self) -> [[*const f32; MR]; PRODUCTS] {
        let mut rows = [[std::ptr::null(); MR]; PRODUCTS];
        let mut set = |product: usize, i: usize, row| rows[product][i] = row;
        for i in 0..MR {
            // SAFETY: the caller's guarantees.
            unsafe {
                let first = (*self.first.add(i)).add(self.offset);
                let second = (*self.second.add(i)).add(self.offset);
                set(0, i, first);
                set(1, i, first.add(self.terms));
                set(4, i, second.add(self.terms));
                for (k, product) in [2, 3, 5, 6].into_iter().enumerate() {
                    set(product, i, self.sums.add((k * MR + i) * self.terms));
                }
            }
        }
        rows
    }
}

/// Where the tiles of the four quarters of C go.
pub(super) struct Quarters {
    pub c11: Destination,
    pub c12: Destination,
    pub c21: Destination,
    pub c22: Destination,
}

/// Multiplies a strip, whose sums are made, with a panel `b` of each half of the columns.
///
/// # Safety
/// As [`Strip::add_up`]; `b` holds the seven factors as `pack` leaves them, and all quarters can be written.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, const NV: usize>(strip: &Strip, b: *const f32, to: &Quarters) {
    // SAFETY: the caller's guarantees.
    unsafe {
        let a = strip.factors();
        // One at a time: the processor does not wait for many at once.
        let soon = |to: &Destination| {
            for row in 0..MR {
                prefetch_destination::<S, f32, NV>(to.c, to.add, *to.row_offsets.add(row));
            }
        };
        soon(&to.c11);
        let width = NV * S::LANES;
        let product = |acc: [[S::V; NV]; MR], i: usize| {
            multiply_rows::<S, Singles, MR, NV>(
                acc,
                strip.terms,
                &a[i],
                b.add(i * strip.terms * width),
                width,
            )
        };
        let zero = [[S::zero(); NV]; MR];
        let m1 = product(zero, 0);
        soon(&to.c21);
        finish::<S, f32, MR, NV>(product(m1, 1), &to.c11);
        soon(&to.c22);
        let u = product(m1, 2);
        soon(&to.c12);
        let v = product(u, 3);
        finish::<S, f32, MR, NV>(product(v, 4), &to.c21);
        let m5 = product(zero, 5);
        finish::<S, f32, MR, NV>(add::<S, NV>(m5, v), &to.c22);
        finish::<S, f32, MR, NV>(product(add::<S, NV>(m5, u), 6), &to.c12);
    }
}

/// # Safety
/// The processor has the instruction set of `S`.
#[inline(always)]
unsafe fn add<S: Simd, const NV: usize>(mut a: [[S::V; NV]; MR], b: [[S::V; NV]; MR]) -> [[S::V; NV]; MR] {
    for (a, b) in a.as_flattened_mut().iter_mut().zip(b.as_flattened()) {
        // SAFETY: the caller's guarantee.
        *a = unsafe { S::add(*a, *b) };
    }
    a
}
