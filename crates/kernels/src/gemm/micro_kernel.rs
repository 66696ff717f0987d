//! The innermost loop: one tile of C in registers.
//!
//! Rows of A are read in place through pointers, one scalar at a time (each is broadcast to all lanes);
//! columns come from a packed panel of B, `NV` vectors at a time. Reading A in place costs nothing, because
//! consecutive scalars of a row share cache lines, and it is what lets a convolution multiply image patches
//! that are never copied: a row of A is a list of segments, one a kernel tap, each with its own pointer.

use crate::simd::Simd;

/// What a tile multiplies.
pub(crate) struct Operands {
    /// Pointers to segments: entry `segment * table_stride + row`.
    pub rows: *const *const f32,
    /// Distance in the table between segments.
    pub table_stride: usize,
    /// Number of segments.
    pub segments: usize,
    /// Floats to read of each segment, from `segment_offset` on.
    pub segment_len: usize,
    /// Where in each segment to start.
    pub segment_offset: usize,
    /// Panel of B: `segments * segment_len` rows of `NV * LANES` floats.
    pub panel: *const f32,
}

/// Where a tile goes and what happens to it on the way.
pub(crate) struct Destination {
    /// Column 0 of the tile in C and in the tensor to add; row `i` lies at `row_offsets[i]` from it.
    pub c: *mut f32,
    /// Offset in floats of each row.
    pub row_offsets: *const usize,
    /// Rows to write, at most `MR`.
    pub rows: usize,
    /// Columns to write, at most `NV * LANES`.
    pub columns: usize,
    /// Add what C holds.
    pub accumulate: bool,
    /// Bias of column 0, or null.
    pub bias: *const f32,
    /// Column 0 of a tensor to add, laid out as C is, or null.
    pub add: *const f32,
    /// Clamp at zero, after everything is added.
    pub relu: bool,
}

/// Computes a tile of `MR` rows and `NV` vectors of columns and writes the part that exists.
///
/// # Safety
/// All of the table's `MR` pointers a segment must be readable for the segment, existing rows or not; the
/// rest as the fields say. The processor has the instruction set of `S`.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, const MR: usize, const NV: usize>(x: &Operands, to: &Destination) {
    // SAFETY: the caller's guarantees.
    unsafe {
        let acc = multiply::<S, MR, NV>(x);
        finish::<S, MR, NV>(acc, to);
    }
}

#[inline(always)]
unsafe fn multiply<S: Simd, const MR: usize, const NV: usize>(x: &Operands) -> [[S::V; NV]; MR] {
    // SAFETY: pointers stay within the segments and the panel, as the caller guarantees.
    unsafe {
        let mut acc = [[S::zero(); NV]; MR];
        let mut b = x.panel;
        for segment in 0..x.segments {
            let table = x.rows.add(segment * x.table_stride);
            let mut a = [std::ptr::null(); MR];
            for (i, a) in a.iter_mut().enumerate() {
                *a = (*table.add(i)).add(x.segment_offset);
            }
            for p in 0..x.segment_len {
                let mut bv = [S::zero(); NV];
                for (j, bv) in bv.iter_mut().enumerate() {
                    *bv = S::load(b.add(j * S::LANES));
                }
                b = b.add(NV * S::LANES);
                for i in 0..MR {
                    let av = S::splat(*a[i].add(p));
                    for j in 0..NV {
                        acc[i][j] = S::fma(av, bv[j], acc[i][j]);
                    }
                }
            }
        }
        acc
    }
}

#[inline(always)]
unsafe fn finish<S: Simd, const MR: usize, const NV: usize>(acc: [[S::V; NV]; MR], to: &Destination) {
    let whole = to.rows == MR && to.columns >= NV * S::LANES;
    let plain = to.bias.is_null() && to.add.is_null() && !to.relu;
    // SAFETY: the caller's guarantees.
    unsafe {
        // Most tiles are whole and only stored or added: a short way for them, for products with a short
        // common dimension. Loops have constant bounds so that the accumulators stay in registers.
        match (whole && plain, to.accumulate) {
            (true, false) => {
                for (i, acc) in acc.into_iter().enumerate() {
                    let c = to.c.add(*to.row_offsets.add(i));
                    for (j, v) in acc.into_iter().enumerate() {
                        S::store(c.add(j * S::LANES), v);
                    }
                }
            }
            (true, true) => {
                for (i, acc) in acc.into_iter().enumerate() {
                    let c = to.c.add(*to.row_offsets.add(i));
                    for (j, v) in acc.into_iter().enumerate() {
                        let c = c.add(j * S::LANES);
                        S::store(c, S::add(v, S::load(c)));
                    }
                }
            }
            _ => {
                for (i, acc) in acc.into_iter().enumerate() {
                    if i >= to.rows {
                        break;
                    }
                    let offset = *to.row_offsets.add(i);
                    for (j, v) in acc.into_iter().enumerate() {
                        let column = j * S::LANES;
                        if column >= to.columns {
                            break;
                        }
                        finish_vector::<S>(v, to, offset, column);
                    }
                }
            }
        }
    }
}

/// The epilogue of one vector.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn finish_vector<S: Simd>(mut v: S::V, to: &Destination, offset: usize, column: usize) {
    let n = (to.columns - column).min(S::LANES);
    // SAFETY: `n` columns from `column` on exist in C, the bias and the tensor to add.
    unsafe {
        let c = to.c.add(offset + column);
        if to.accumulate {
            v = S::add(v, load_columns::<S>(c, n));
        }
        if !to.bias.is_null() {
            v = S::add(v, load_columns::<S>(to.bias.add(column), n));
        }
        if !to.add.is_null() {
            v = S::add(v, load_columns::<S>(to.add.add(offset + column), n));
        }
        if to.relu {
            v = S::max(S::zero(), v);
        }
        if n == S::LANES { S::store(c, v) } else { S::store_partial(c, v, n) }
    }
}

/// # Safety
/// `n` floats are readable; the processor has the instruction set.
#[inline(always)]
unsafe fn load_columns<S: Simd>(p: *const f32, n: usize) -> S::V {
    // SAFETY: the caller's guarantees.
    unsafe { if n == S::LANES { S::load(p) } else { S::load_partial(p, n) } }
}
