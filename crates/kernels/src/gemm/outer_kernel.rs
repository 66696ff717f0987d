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
                        let c = t.c.add(i * t.c_stride + j * S::LANES);
                        let n = (t.columns - j * S::LANES).min(S::LANES);
                        let v = if t.accumulate { S::add(v, S::load_partial(c, n)) } else { v };
                        if n == S::LANES { S::store(c, v) } else { S::store_partial(c, v, n) }
                    }
                }
            }
        }
    }
}

/// Packs `columns` floats from `offset` on of each point, followed by zeros up to `vectors` vectors.
///
/// # Safety
/// Each pointer is readable for `offset + columns` floats; `packed` has `vectors` vectors a pointer. The
/// processor has the instruction set of `S`.
#[inline(always)]
pub(crate) unsafe fn pack_pointers<S: Simd>(
    points: &[*const f32],
    offset: usize,
    columns: usize,
    vectors: usize,
    packed: *mut f32,
) {
    let mut to = packed;
    for &point in points {
        for j in 0..vectors {
            // SAFETY: the caller's guarantees.
            unsafe {
                let from = point.add(offset + j * S::LANES);
                let n = columns - j * S::LANES;
                S::store(to, if n >= S::LANES { S::load(from) } else { S::load_partial(from, n) });
                to = to.add(S::LANES);
            }
        }
    }
}

/// Points that [`pack_points`] takes at a time: it reads whole cache lines of a few points, and writes whole lines
/// of each tile.
const PACK_GROUP: usize = 8;

/// Packs columns `first..first + columns` of `points` rows of `stride` floats, `MR` columns at a time: tile
/// after tile, in each point after point. `packed` has `MR * points` floats a tile; what lies beyond the last
/// column holds anything.
///
/// # Safety
/// The processor has the instruction set of `S`.
#[inline(always)]
pub(crate) unsafe fn pack_points<S: Simd, const MR: usize>(
    a: &[f32],
    stride: usize,
    first: usize,
    columns: usize,
    points: usize,
    packed: &mut [f32],
) {
    let tiles = columns.div_ceil(MR);
    assert!(packed.len() >= tiles * points * MR);
    assert!(points == 0 || (points - 1) * stride + first + columns <= a.len());
    let vectors = MR.div_ceil(S::LANES);
    for group in (0..points).step_by(PACK_GROUP) {
        let group = group..points.min(group + PACK_GROUP);
        for tile in 0..tiles {
            let from = first + tile * MR;
            // Whole vectors may reach beyond the tile's columns, and into points that are written later.
            let readable = (group.end - 1) * stride + from + vectors * S::LANES <= a.len();
            let writable = (points - group.end) * MR + MR >= vectors * S::LANES;
            for p in group.clone() {
                for j in (0..MR).step_by(S::LANES) {
                    // SAFETY: within both slices.
                    unsafe {
                        let from = a.as_ptr().add(p * stride + from).wrapping_add(j);
                        let to = packed.as_mut_ptr().add(tile * points * MR + p * MR + j);
                        if readable && writable {
                            S::store(to, S::load(from));
                        } else {
                            let exist = columns - tile * MR;
                            let v = S::load_partial(from, exist.saturating_sub(j).min(S::LANES));
                            S::store_partial(to, v, S::LANES.min(MR - j));
                        }
                    }
                }
            }
        }
    }
}
