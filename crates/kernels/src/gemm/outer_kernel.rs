//! The innermost loop of weight gradients: a tile of sums of outer products.
//!
//! `C[i][j] = sum over points p of A[p][i] * B[p][j]`: both operands lie point by point, as images do:
//! `MR` floats of A and `NV` vectors of B a point, packed or in place.

use crate::simd::Simd;
use std::ops::Range;

/// Where the floats of a point lie.
pub(crate) trait Points: Copy {
    /// Those of point `p`.
    ///
    /// # Safety
    /// The point exists.
    unsafe fn at(self, p: usize) -> *const f32;
}

/// Points at a fixed distance.
#[derive(Clone, Copy)]
pub(crate) struct Strided {
    /// The first point.
    pub start: *const f32,
    /// Floats between points.
    pub stride: usize,
}

impl Points for Strided {
    #[inline(always)]
    unsafe fn at(self, p: usize) -> *const f32 {
        // SAFETY: the point exists.
        unsafe { self.start.add(p * self.stride) }
    }
}

/// Points anywhere.
#[derive(Clone, Copy)]
pub(crate) struct Scattered {
    /// A pointer for each point.
    pub table: *const *const f32,
    /// Added to each pointer.
    pub offset: usize,
}

impl Points for Scattered {
    #[inline(always)]
    unsafe fn at(self, p: usize) -> *const f32 {
        // SAFETY: the point exists.
        unsafe { (*self.table.add(p)).add(self.offset) }
    }
}

/// What a tile multiplies and where it goes.
pub(crate) struct OuterTile<A, B> {
    /// Points to add up.
    pub points: usize,
    /// `MR` floats a point.
    pub a: A,
    /// `NV` vectors a point.
    pub b: B,
    /// Row 0, column 0 of the tile.
    pub c: *mut f32,
    /// Distance between rows of C.
    pub c_stride: usize,
    /// Rows to write, within `MR`.
    pub rows: Range<usize>,
    /// Columns to write, at most `NV` vectors.
    pub columns: usize,
    /// Add what C holds.
    pub accumulate: bool,
}

/// Computes one tile of `MR` rows and `vectors` vectors.
///
/// # Safety
/// The fields describe valid memory; the processor has the instruction set of `S`.
#[inline(always)]
pub(crate) unsafe fn outer_tile<S: Simd, A: Points, B: Points, const MR: usize>(
    vectors: usize,
    t: &OuterTile<A, B>,
) {
    // SAFETY: the caller's guarantees.
    unsafe {
        match (vectors, S::REGISTERS >= 32) {
            (1, _) => tile::<S, A, B, MR, 1>(t),
            (2, _) => tile::<S, A, B, MR, 2>(t),
            (3, true) => tile::<S, A, B, MR, 3>(t),
            (4, true) => tile::<S, A, B, MR, 4>(t),
            _ => unreachable!("a tile has 1 to {} vectors", super::blocking::tile_vectors::<S>()),
        }
    }
}

/// # Safety
/// As [`outer_tile`].
#[inline(always)]
unsafe fn tile<S: Simd, A: Points, B: Points, const MR: usize, const NV: usize>(t: &OuterTile<A, B>) {
    // SAFETY: the caller's guarantees.
    unsafe {
        let mut acc = [[S::zero(); NV]; MR];
        for p in 0..t.points {
            let (a, b) = (t.a.at(p), t.b.at(p));
            let mut bv = [S::zero(); NV];
            for (j, bv) in bv.iter_mut().enumerate() {
                *bv = S::load(b.add(j * S::LANES));
            }
            for (i, acc) in acc.iter_mut().enumerate() {
                let av = S::splat(*a.add(i));
                for j in 0..NV {
                    acc[j] = S::fma(av, bv[j], acc[j]);
                }
            }
        }
        // Whole tiles take a short way, in which the accumulators stay in registers.
        let whole = t.rows == (0..MR) && t.columns == NV * S::LANES;
        match (whole, t.accumulate) {
            (true, false) => {
                for (i, acc) in acc.into_iter().enumerate() {
                    for (j, v) in acc.into_iter().enumerate() {
                        S::store(t.c.add(i * t.c_stride + j * S::LANES), v);
                    }
                }
            }
            (true, true) => {
                for (i, acc) in acc.into_iter().enumerate() {
                    for (j, v) in acc.into_iter().enumerate() {
                        let c = t.c.add(i * t.c_stride + j * S::LANES);
                        S::store(c, S::add(v, S::load(c)));
                    }
                }
            }
            _ => {
                for (i, acc) in acc.into_iter().enumerate() {
                    if !t.rows.contains(&i) {
                        continue;
                    }
                    for (j, v) in acc.into_iter().enumerate() {
                        let n = t.columns.saturating_sub(j * S::LANES).min(S::LANES);
                        if n == 0 {
                            break;
                        }
                        let c = t.c.add(i * t.c_stride + j * S::LANES);
                        let v = if t.accumulate { S::add(v, S::load_partial(c, n)) } else { v };
                        if n == S::LANES { S::store(c, v) } else { S::store_partial(c, v, n) }
                    }
                }
            }
        }
    }
}

/// Floats of a line: operands are packed line by line, in each point after point.
pub(crate) const LINE: usize = 16;

/// The sums of two packed lines: `rows` times `columns` of them, `LINE` at most.
pub(crate) struct Lines {
    /// Points to add up.
    pub points: usize,
    /// A line a point.
    pub a: *const f32,
    /// A line a point.
    pub b: *const f32,
    /// Row 0, column 0.
    pub c: *mut f32,
    /// Distance between rows of C.
    pub c_stride: usize,
    /// Rows to write.
    pub rows: usize,
    /// Columns to write.
    pub columns: usize,
    /// Add what C holds.
    pub accumulate: bool,
}

impl Lines {
    /// # Safety
    /// The fields describe valid memory; the processor has the instruction set of `S`.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(&self) {
        // SAFETY: the caller's guarantees.
        unsafe {
            match S::LANES {
                16 => self.tiles::<S, 16, 1>(),
                8 => self.tiles::<S, 4, 2>(),
                4 => self.tiles::<S, 4, 4>(),
                _ => self.tiles::<S, 4, 2>(),
            }
        }
    }

    /// # Safety
    /// As [`run`](Self::run).
    #[inline(always)]
    unsafe fn tiles<S: Simd, const MR: usize, const NV: usize>(&self) {
        for row in (0..self.rows).step_by(MR) {
            for column in (0..self.columns).step_by(NV * S::LANES) {
                // SAFETY: the caller's guarantees.
                unsafe {
                    tile::<S, _, _, MR, NV>(&OuterTile {
                        points: self.points,
                        a: Strided { start: self.a.add(row), stride: LINE },
                        b: Strided { start: self.b.add(column), stride: LINE },
                        c: self.c.add(row * self.c_stride + column),
                        c_stride: self.c_stride,
                        rows: 0..MR.min(self.rows - row),
                        columns: (NV * S::LANES).min(self.columns - column),
                        accumulate: self.accumulate,
                    });
                }
            }
        }
    }
}

/// Packs `columns` floats from `offset` on of each point as lines, `line_stride` floats apart, the last filled up with zeros.
///
/// # Safety
/// Each pointer is readable for `offset + columns` floats; `packed` has a line a point in each of them. The processor has the
/// instruction set of `S`.
#[inline(always)]
pub(crate) unsafe fn pack_lines<S: Simd>(
    points: impl Iterator<Item = *const f32>,
    offset: usize,
    columns: usize,
    packed: *mut f32,
    line_stride: usize,
) {
    for (p, point) in points.enumerate() {
        // SAFETY: the caller's guarantees.
        unsafe {
            let (mut from, mut to) = (point.add(offset), packed.add(p * LINE));
            for _ in 0..columns / LINE {
                for j in (0..LINE).step_by(S::LANES) {
                    S::store(to.add(j), S::load(from.add(j)));
                }
                (from, to) = (from.add(LINE), to.wrapping_add(line_stride));
            }
            let rest = columns % LINE;
            if rest > 0 {
                for j in (0..LINE).step_by(S::LANES) {
                    let n = rest.saturating_sub(j).min(S::LANES);
                    S::store(to.add(j), S::load_partial(from.wrapping_add(j), n));
                }
            }
        }
    }
}
