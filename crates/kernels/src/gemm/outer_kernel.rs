//! The innermost loop of weight gradients: a tile of sums of outer products.
//!
//! `C[i][j] = sum over points p of A[p][i] * B[p][j]`: both operands lie point by point, as images do. A comes
//! packed, `MR` floats a point; B is read in place through one pointer a point, `NV` vectors at a time.

use crate::simd::Simd;

/// What a tile multiplies and where it goes.
pub(crate) struct OuterTile {
    /// Packed A: `points` times `MR` floats.
    pub a: *const f32,
    /// A pointer to the columns of B for each point.
    pub b: *const *const f32,
    /// First column, added to each pointer.
    pub b_offset: usize,
    /// Points to add up.
    pub points: usize,
    /// Row 0, column 0 of the tile.
    pub c: *mut f32,
    /// Distance between rows of C.
    pub c_stride: usize,
    /// Rows to write.
    pub rows: usize,
    /// Columns to read and write.
    pub columns: usize,
    /// Add what C holds.
    pub accumulate: bool,
}

/// Computes one tile of `MR` rows and `NV` vectors.
///
/// # Safety
/// The fields describe valid memory; the processor has the instruction set of `S`.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, const MR: usize, const NV: usize>(t: &OuterTile) {
    // SAFETY: the caller's guarantees; a vector is read whole only if all its columns exist.
    unsafe {
        let full = t.columns >= NV * S::LANES;
        let acc = if full { multiply::<S, MR, NV, true>(t) } else { multiply::<S, MR, NV, false>(t) };
        for (i, acc) in acc.into_iter().enumerate() {
            if i >= t.rows {
                break;
            }
            for (j, mut v) in acc.into_iter().enumerate() {
                let c = t.c.add(i * t.c_stride + j * S::LANES);
                let n = t.columns.saturating_sub(j * S::LANES).min(S::LANES);
                if t.accumulate {
                    v = S::add(v, S::load_partial(c, n));
                }
                S::store_partial(c, v, n);
            }
        }
    }
}

/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn multiply<S: Simd, const MR: usize, const NV: usize, const FULL: bool>(
    t: &OuterTile,
) -> [[S::V; NV]; MR] {
    // SAFETY: the caller's guarantees.
    unsafe {
        let mut acc = [[S::zero(); NV]; MR];
        let mut a = t.a;
        for p in 0..t.points {
            let b = (*t.b.add(p)).add(t.b_offset);
            let mut bv = [S::zero(); NV];
            for (j, bv) in bv.iter_mut().enumerate() {
                *bv = if FULL || j + 1 < NV {
                    S::load(b.add(j * S::LANES))
                } else {
                    S::load_partial(b.add(j * S::LANES), t.columns - j * S::LANES)
                };
            }
            for (i, acc) in acc.iter_mut().enumerate() {
                let av = S::splat(*a.add(i));
                for j in 0..NV {
                    acc[j] = S::fma(av, bv[j], acc[j]);
                }
            }
            a = a.add(MR);
        }
        acc
    }
}

/// Packs columns `first..first + columns` of `points` rows of `stride` floats, `MR` columns at a time: tile
/// after tile, in each point after point. `packed` has `MR * points` floats a tile and one vector to spare.
///
/// # Safety
/// `a` is readable for `points` rows; the processor has the instruction set of `S`.
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
    assert!(packed.len() >= tiles * points * MR + S::LANES);
    assert!(points == 0 || (points - 1) * stride + first + columns <= a.len());
    for tile in 0..tiles {
        let n = MR.min(columns - tile * MR);
        // SAFETY: within both slices; a vector that is written over the end of a point is overwritten by the
        // next point or lies in the spare vector. The next tile starts after all of it.
        unsafe {
            let mut from = a.as_ptr().add(first + tile * MR);
            let mut to = packed.as_mut_ptr().add(tile * points * MR);
            for _ in 0..points {
                for j in (0..MR).step_by(S::LANES) {
                    let v = S::load_partial(from.wrapping_add(j), n.saturating_sub(j).min(S::LANES));
                    S::store(to.add(j), v);
                }
                from = from.wrapping_add(stride);
                to = to.add(MR);
            }
        }
    }
}
