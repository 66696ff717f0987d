//! The innermost loop of weight gradients: sums of outer products.
//!
//! `C[i][j] = sum over points p of A[p][i] * B[p][j]`. Both operands are read as lines: 16 columns of point after point, or
//! pair of points after pair. A line is a cache line a point, so packing copies whole ones, and a tile of two lines
//! leaves nothing over.

use super::micro_kernel::{Pairs, Singles, Terms};
use crate::Element;
use crate::simd::{MAX_LANES, Simd};
use half::bf16;

/// Columns of a line.
pub(crate) const LINE: usize = 16;

/// How points of numbers of type `E` become elements of lines.
pub(crate) trait PointTerms<E>: Terms {
    /// Points of an element.
    const POINTS: usize;

    /// Elements of `points` points, the last filled up with zeros.
    fn elements_of(points: usize) -> usize {
        points.div_ceil(Self::POINTS)
    }

    /// The elements of the first `n` of a vector of columns, from there on in a point and, if it takes part, the next.
    ///
    /// # Safety
    /// Both points are readable for `n` numbers, at most a vector; the processor has the instruction set of `S`.
    unsafe fn load<S: Simd>(points: [*const E; 2], n: usize) -> S::V;
}

impl<E: Element> PointTerms<E> for Singles {
    const POINTS: usize = 1;

    #[inline(always)]
    unsafe fn load<S: Simd>(points: [*const E; 2], n: usize) -> S::V {
        // SAFETY: the caller's guarantees.
        unsafe { E::load::<S>(points[0], n) }
    }
}

impl PointTerms<bf16> for Pairs {
    const POINTS: usize = 2;

    #[inline(always)]
    unsafe fn load<S: Simd>(points: [*const bf16; 2], n: usize) -> S::V {
        // SAFETY: the caller's guarantees.
        unsafe {
            if n == S::LANES {
                return S::load_pairs(points[0], points[1]);
            }
            let mut lanes = [[bf16::ZERO; MAX_LANES]; 2];
            for (lanes, point) in lanes.iter_mut().zip(points) {
                point.copy_to_nonoverlapping(lanes.as_mut_ptr(), n);
            }
            S::load_pairs(lanes[0].as_ptr(), lanes[1].as_ptr())
        }
    }
}

/// Columns that are computed together, for all rows before the next: their lines stay in L1, where two lines of pairs are as
/// long as one of floats.
pub(crate) const fn columns_at_once<T: Terms>() -> usize {
    LINE * T::NUMBERS
}

/// Elements between two times that something is asked for.
pub(super) const AT_ONCE: usize = 4;

/// The sums of a line of A and neighbouring lines of B.
pub(crate) struct Lines<'a, E> {
    /// Elements of each column to add up.
    pub elements: usize,
    /// The first element of A's line.
    pub a: *const f32,
    /// Floats from one element of A to the next: `LINE` where it is packed.
    pub a_step: usize,
    /// The first element of B's first line.
    pub b: *const f32,
    /// Floats from one element of B to the next.
    pub b_step: usize,
    /// Floats from one line of B to the next.
    pub b_stride: usize,
    /// Row 0, column 0.
    pub c: *mut f32,
    /// Distance between rows of C.
    pub c_stride: usize,
    /// Rows to write, at most `LINE`.
    pub rows: usize,
    /// Columns to write, at most [`columns_at_once`].
    pub columns: usize,
    /// Add what C holds.
    pub accumulate: bool,
    /// What to ask for meanwhile.
    pub ahead: Ahead<'a, E>,
}

/// Memory that is wanted soon. It comes a few cache lines here and there, which the processor does not see coming; asked for
/// at once it would fill the queue of misses, and loads would wait.
#[derive(Clone, Copy)]
pub(crate) struct Ahead<'a, E> {
    /// A cache line this many numbers behind each of these points.
    pub points: &'a [*const E],
    pub offset: usize,
    /// And some from here on, so many numbers apart.
    pub rows: *const E,
    pub stride: usize,
    pub count: usize,
}

impl<E> Ahead<'_, E> {
    /// Nothing.
    pub const NONE: Self = Self { points: &[], offset: 0, rows: std::ptr::null(), stride: 0, count: 0 };

    /// How many points and rows a part is, of so many.
    #[inline(always)]
    pub fn share(&self, parts: usize) -> [usize; 2] {
        [self.points.len().div_ceil(parts), self.count.div_ceil(parts)]
    }

    /// Asks for part `i`, if parts are a `share`.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`.
    #[inline(always)]
    pub unsafe fn ask<S: Simd>(&self, i: usize, share: [usize; 2]) {
        for &point in self.points.iter().skip(i * share[0]).take(share[0]) {
            // SAFETY: the caller's promise.
            unsafe { S::prefetch(point.wrapping_add(self.offset).cast()) }
        }
        for k in i * share[1]..self.count.min((i + 1) * share[1]) {
            // SAFETY: the caller's promise.
            unsafe { S::prefetch(self.rows.wrapping_add(k * self.stride).cast()) }
        }
    }
}

impl<E> Lines<'_, E> {
    /// # Safety
    /// The fields describe valid memory; the processor has the instruction set of `S`.
    #[inline(always)]
    pub unsafe fn run<S: Simd, T: Terms>(&self) {
        // SAFETY: the caller's guarantees.
        unsafe {
            match (S::LANES, T::NUMBERS, self.rows) {
                (16, 1, 13..) => self.tiles::<S, T, 16, 1>(),
                (16, 1, 9..) => self.tiles::<S, T, 12, 1>(),
                (16, 1, 5..) => self.tiles::<S, T, 8, 1>(),
                (16, 1, _) => self.tiles::<S, T, 4, 1>(),
                // Dot products run at 73% of their peak (Zen 4) if each has a broadcast of its own.
                (16, _, _) if self.columns > LINE => self.tiles::<S, T, 8, 2>(),
                (16, _, _) => self.tiles::<S, T, 8, 1>(),
                (4, ..) => self.tiles::<S, T, 4, 4>(),
                _ => self.tiles::<S, T, 4, 2>(),
            }
        }
    }

    /// # Safety
    /// As [`run`](Self::run).
    #[inline(always)]
    unsafe fn tiles<S: Simd, T: Terms, const MR: usize, const NV: usize>(&self) {
        for column in (0..self.columns).step_by(NV * S::LANES) {
            for row in (0..self.rows).step_by(MR) {
                // SAFETY: the caller's guarantees.
                unsafe { self.tile::<S, T, MR, NV>(row, column) };
            }
        }
    }

    /// # Safety
    /// As [`run`](Self::run).
    #[inline(always)]
    unsafe fn tile<S: Simd, T: Terms, const MR: usize, const NV: usize>(&self, row: usize, column: usize) {
        let first = row == 0 && column == 0;
        // SAFETY: the caller's guarantees.
        unsafe {
            let mut a = self.a.add(row);
            let mut b = [self.b; NV];
            for (j, b) in b.iter_mut().enumerate() {
                let column = column + j * S::LANES;
                *b = b.add(column / LINE * self.b_stride + column % LINE);
            }
            let mut acc = [[S::zero(); NV]; MR];
            let parts = self.elements.div_ceil(AT_ONCE);
            let share = self.ahead.share(parts);
            for part in 0..parts {
                if first {
                    self.ahead.ask::<S>(part, share);
                }
                for _ in part * AT_ONCE..self.elements.min((part + 1) * AT_ONCE) {
                    let mut bv = [S::zero(); NV];
                    for (b, bv) in b.iter_mut().zip(&mut bv) {
                        *bv = S::load(*b);
                        *b = b.wrapping_add(self.b_step);
                    }
                    for (i, acc) in acc.iter_mut().enumerate() {
                        let av = S::splat(*a.add(i));
                        for j in 0..NV {
                            acc[j] = T::multiply_add::<S>(av, bv[j], acc[j]);
                        }
                    }
                    a = a.wrapping_add(self.a_step);
                }
            }
            let c = self.c.add(row * self.c_stride + column);
            let (rows, columns) = (MR.min(self.rows - row), (NV * S::LANES).min(self.columns - column));
            // Whole tiles take a short way, in which the accumulators stay in registers.
            match (rows == MR && columns == NV * S::LANES, self.accumulate) {
                (true, false) => {
                    for (i, acc) in acc.into_iter().enumerate() {
                        for (j, v) in acc.into_iter().enumerate() {
                            S::store(c.add(i * self.c_stride + j * S::LANES), v);
                        }
                    }
                }
                (true, true) => {
                    for (i, acc) in acc.into_iter().enumerate() {
                        for (j, v) in acc.into_iter().enumerate() {
                            let c = c.add(i * self.c_stride + j * S::LANES);
                            S::store(c, S::add(v, S::load(c)));
                        }
                    }
                }
                _ => {
                    for (i, acc) in acc.into_iter().enumerate().take(rows) {
                        for (j, v) in acc.into_iter().enumerate() {
                            let n = columns.saturating_sub(j * S::LANES).min(S::LANES);
                            if n == 0 {
                                break;
                            }
                            let c = c.add(i * self.c_stride + j * S::LANES);
                            let v = if self.accumulate { S::add(v, S::load_partial(c, n)) } else { v };
                            S::store_partial(c, v, n);
                        }
                    }
                }
            }
        }
    }
}

/// Zeros in place of the second point of a pair that lacks one.
static ZEROS: [f32; LINE] = [0.0; LINE];

/// Packs `columns` numbers of each of `points` points, the first of which `at` finds, as lines, `line_stride` floats apart;
/// the last line is filled up with zeros.
///
/// # Safety
/// The numbers are readable, and `packed` has a line an element in each of them. The processor has the instruction set of `S`.
#[inline(always)]
pub(crate) unsafe fn pack_lines<S: Simd, E: Element, T: PointTerms<E>>(
    points: usize,
    at: impl Fn(usize) -> *const E,
    columns: usize,
    packed: *mut f32,
    line_stride: usize,
) {
    for (element, p) in (0..points).step_by(T::POINTS).enumerate() {
        let first = at(p);
        let alone = p + 1 >= points;
        let second =
            if T::POINTS == 1 || !alone { at((p + 1).min(points - 1)) } else { ZEROS.as_ptr().cast() };
        let mut to = packed.wrapping_add(element * LINE);
        for column in (0..columns / LINE * LINE).step_by(LINE) {
            // SAFETY: the caller's guarantees; a line of zeros has as many numbers.
            unsafe {
                let second = if alone { second } else { second.add(column) };
                for j in (0..LINE).step_by(S::LANES) {
                    let v = T::load::<S>([first.add(column + j), second.wrapping_add(j)], S::LANES);
                    S::store(to.add(j), v);
                }
            }
            to = to.wrapping_add(line_stride);
        }
        let (column, rest) = (columns / LINE * LINE, columns % LINE);
        if rest > 0 {
            for j in (0..LINE).step_by(S::LANES) {
                let n = rest.saturating_sub(j).min(S::LANES);
                // SAFETY: as above.
                unsafe {
                    let second = if alone { second } else { second.add(column) };
                    let points = [first.wrapping_add(column + j), second.wrapping_add(j)];
                    S::store(to.add(j), T::load::<S>(points, n));
                }
            }
        }
    }
}
