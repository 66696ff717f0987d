//! The innermost loop: one tile of C in registers.
//!
//! Rows of A are read in place through pointers, one scalar at a time (each is broadcast to all lanes);
//! columns come from a packed panel of B, `NV` vectors at a time. Reading A in place costs nothing, because
//! consecutive scalars of a row share cache lines, and it is what lets a convolution multiply image patches
//! that are never copied: a row of A is a list of segments, one a kernel tap, each with its own pointer.

use crate::Element;
use crate::simd::{Kernel, Simd, dispatch, dispatch_pairs};
use half::bf16;
use std::ops::Range;

/// What the 32 bits of an operand's element are.
pub(crate) trait Terms: Copy + Send + Sync + 'static {
    /// The numbers that operands are made of, and that results are stored as.
    type Number: Element;
    /// How many of them an element holds: neighbours along the dimension that is summed over.
    const NUMBERS: usize;

    /// Elements that hold `len` numbers, the last filled up with zeros.
    fn elements(len: usize) -> usize {
        len.div_ceil(Self::NUMBERS)
    }

    /// `c` plus the product of two elements, or the sum of their products.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`.
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, c: S::V) -> S::V;

    /// Runs a kernel that multiplies such elements.
    fn dispatch<K: Kernel>(kernel: K) -> K::Out;
}

/// One float32.
#[derive(Clone, Copy)]
pub(crate) struct Singles;

impl Terms for Singles {
    type Number = f32;
    const NUMBERS: usize = 1;

    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, c: S::V) -> S::V {
        // SAFETY: the caller's guarantee.
        unsafe { S::fma(a, b, c) }
    }

    #[inline(always)]
    fn dispatch<K: Kernel>(kernel: K) -> K::Out {
        dispatch(kernel)
    }
}

/// Two bfloat16 numbers.
#[derive(Clone, Copy)]
pub(crate) struct Pairs;

impl Terms for Pairs {
    type Number = bf16;
    const NUMBERS: usize = 2;

    #[inline(always)]
    unsafe fn multiply_add<S: Simd>(a: S::V, b: S::V, c: S::V) -> S::V {
        // SAFETY: the caller's guarantee.
        unsafe { S::dot_pairs(a, b, c) }
    }

    #[inline(always)]
    fn dispatch<K: Kernel>(kernel: K) -> K::Out {
        dispatch_pairs(kernel)
    }
}

/// What a tile multiplies.
pub(crate) struct Operands {
    /// Pointers to segments: entry `segment * table_stride + row`.
    pub rows: *const *const f32,
    /// Distance in the table between segments.
    pub table_stride: usize,
    /// Number of segments.
    pub segments: usize,
    /// Elements to read of each segment, from `segment_offset` on.
    pub segment_len: usize,
    /// Where in each segment to start.
    pub segment_offset: usize,
    /// Panel of B: `segments * segment_len` rows of `NV * LANES` floats.
    pub panel: *const f32,
    /// Distance between the panel's rows.
    pub panel_stride: usize,
    /// Sums to go on from, of whole tiles, or null.
    pub start: *const f32,
    /// Distance between their rows.
    pub start_stride: usize,
}

/// Floats of a cache line.
pub(crate) const LINE: usize = 16;

/// Where a tile goes and what happens to it on the way.
pub(crate) struct Destination<E = f32> {
    /// Column 0 of the tile in C and in the tensor to add; row `i` lies at `row_offsets[i]` from it.
    pub c: *mut E,
    /// Offset of each row.
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
    pub add: *const E,
    /// Clamp at zero, after everything is added.
    pub relu: bool,
}

/// Computes a tile of `MR` rows and `NV` vectors of columns and writes the part that exists.
///
/// # Safety
/// All of the table's `MR` pointers a segment must be readable for the segment, existing rows or not; the
/// rest as the fields say. The processor has the instruction set of `S`.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, T: Terms, E: Element, const MR: usize, const NV: usize>(
    x: &Operands,
    to: &Destination<E>,
    next: &NextTile<E>,
) {
    // SAFETY: the caller's guarantees.
    unsafe { finish::<S, E, MR, NV>(multiply::<S, T, E, MR, NV>(x, next), to) }
}

/// Elements of a segment that are multiplied before another part of the [next tile](NextTile) is asked for.
const AT_ONCE: usize = 16;

/// What another tile will write and add, and some cache lines of its rows of A. That memory is asked for a
/// little at a time: in a burst it would fill the queue of misses, and the tile's own loads would wait.
pub(crate) struct NextTile<E> {
    /// As of a [`Destination`].
    pub c: *mut E,
    /// As of a [`Destination`].
    pub add: *const E,
    /// As of a [`Destination`].
    pub row_offsets: *const usize,
    /// Pointers to segments as those of [`Operands`], or null.
    pub rows: *const *const f32,
    /// Which lines of each segment.
    pub lines: Range<usize>,
}

impl<E: Element> NextTile<E> {
    /// Asks for what belongs to some rows.
    ///
    /// # Safety
    /// As [`tile`], for the other tile.
    #[inline(always)]
    unsafe fn ask<S: Simd, const NV: usize>(&self, x: &Operands, rows: Range<usize>) {
        // SAFETY: pointers and offsets exist; prefetching reads nothing.
        unsafe {
            for row in rows {
                prefetch_destination::<S, E, NV>(self.c, self.add, *self.row_offsets.add(row));
                if self.rows.is_null() {
                    continue;
                }
                for segment in 0..x.segments {
                    let p = *self.rows.add(segment * x.table_stride + row);
                    for line in self.lines.clone() {
                        S::prefetch(p.wrapping_add(x.segment_offset + line * LINE));
                    }
                }
            }
        }
    }
}

/// Asks for a row of what another tile will write and add.
///
/// # Safety
/// The processor has the instruction set of `S`.
#[inline(always)]
pub(crate) unsafe fn prefetch_destination<S: Simd, E: Element, const NV: usize>(
    c: *mut E,
    add: *const E,
    offset: usize,
) {
    for column in (0..NV * S::LANES).step_by(LINE * size_of::<f32>() / size_of::<E>()) {
        // SAFETY: prefetching reads nothing.
        unsafe {
            S::prefetch(c.wrapping_add(offset + column).cast());
            if !add.is_null() {
                S::prefetch(add.wrapping_add(offset + column).cast());
            }
        }
    }
}

#[inline(always)]
unsafe fn multiply<S: Simd, T: Terms, E: Element, const MR: usize, const NV: usize>(
    x: &Operands,
    next: &NextTile<E>,
) -> [[S::V; NV]; MR] {
    // SAFETY: pointers stay within the segments and the panel, as the caller guarantees.
    unsafe {
        let mut acc = [[S::zero(); NV]; MR];
        if !x.start.is_null() {
            for (i, acc) in acc.iter_mut().enumerate() {
                for (j, acc) in acc.iter_mut().enumerate() {
                    *acc = S::load(x.start.add(i * x.start_stride + j * S::LANES));
                }
            }
        }
        let mut b = x.panel;
        let parts = x.segments * x.segment_len.div_ceil(AT_ONCE);
        let share = MR.div_ceil(parts.max(1));
        let mut asked = 0;
        for segment in 0..x.segments {
            let table = x.rows.add(segment * x.table_stride);
            let mut a = [std::ptr::null(); MR];
            for (i, a) in a.iter_mut().enumerate() {
                *a = (*table.add(i)).add(x.segment_offset);
            }
            for start in (0..x.segment_len).step_by(AT_ONCE) {
                let end = MR.min(asked + share);
                next.ask::<S, NV>(x, asked..end);
                asked = end;
                let depth = AT_ONCE.min(x.segment_len - start);
                acc = multiply_rows::<S, T, MR, NV>(acc, depth, &a, b, x.panel_stride);
                b = b.wrapping_add(depth * x.panel_stride);
                for a in &mut a {
                    *a = a.wrapping_add(depth);
                }
            }
        }
        acc
    }
}

/// `acc` plus the product of `MR` rows of `depth` elements with `depth` rows of `NV` vectors, `b_stride` apart.
///
/// # Safety
/// They are readable; the processor has the instruction set of `S`.
#[inline(always)]
pub(crate) unsafe fn multiply_rows<S: Simd, T: Terms, const MR: usize, const NV: usize>(
    mut acc: [[S::V; NV]; MR],
    depth: usize,
    a: &[*const f32; MR],
    mut b: *const f32,
    b_stride: usize,
) -> [[S::V; NV]; MR] {
    // SAFETY: the caller's guarantees.
    unsafe {
        for p in 0..depth {
            let mut bv = [S::zero(); NV];
            for (j, bv) in bv.iter_mut().enumerate() {
                *bv = S::load(b.add(j * S::LANES));
            }
            b = b.wrapping_add(b_stride);
            for i in 0..MR {
                // Pairs lie at any even address.
                let av = S::splat(a[i].add(p).read_unaligned());
                for j in 0..NV {
                    acc[i][j] = T::multiply_add::<S>(av, bv[j], acc[i][j]);
                }
            }
        }
        acc
    }
}

/// Applies the epilogue to a tile and writes the part that exists.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(super) unsafe fn finish<S: Simd, E: Element, const MR: usize, const NV: usize>(
    acc: [[S::V; NV]; MR],
    to: &Destination<E>,
) {
    let whole = to.rows == MR && to.columns >= NV * S::LANES;
    // SAFETY: the caller's guarantees.
    unsafe {
        match (whole, to.accumulate, to.add.is_null()) {
            (true, false, true) => finish_whole::<S, E, MR, NV, false, false>(acc, to),
            (true, false, false) => finish_whole::<S, E, MR, NV, false, true>(acc, to),
            (true, true, true) => finish_whole::<S, E, MR, NV, true, false>(acc, to),
            (true, true, false) => finish_whole::<S, E, MR, NV, true, true>(acc, to),
            (false, ..) => {
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
                        finish_vector::<S, E>(v, to, offset, column);
                    }
                }
            }
        }
    }
}

/// The epilogue of a whole tile, which nearly all are. Constant bounds and no branches keep the accumulators in
/// registers: what is not wanted adds -0, which changes no number, or clamps at minus infinity.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn finish_whole<S, E, const MR: usize, const NV: usize, const ACCUMULATE: bool, const ADD: bool>(
    acc: [[S::V; NV]; MR],
    to: &Destination<E>,
) where
    S: Simd,
    E: Element,
{
    // SAFETY: the caller's guarantees.
    unsafe {
        let floor = S::splat(if to.relu { 0.0 } else { f32::NEG_INFINITY });
        let mut bias = [S::splat(-0.0); NV];
        if !to.bias.is_null() {
            for (j, bias) in bias.iter_mut().enumerate() {
                *bias = S::load(to.bias.add(j * S::LANES));
            }
        }
        for (i, acc) in acc.into_iter().enumerate() {
            let offset = *to.row_offsets.add(i);
            for (j, mut v) in acc.into_iter().enumerate() {
                let c = to.c.add(offset + j * S::LANES);
                v = S::add(v, bias[j]);
                if ACCUMULATE {
                    v = S::add(v, E::load::<S>(c, S::LANES));
                }
                if ADD {
                    v = S::add(v, E::load::<S>(to.add.add(offset + j * S::LANES), S::LANES));
                }
                E::store::<S>(c, S::max(floor, v), S::LANES);
            }
        }
    }
}

/// The epilogue of one vector.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn finish_vector<S: Simd, E: Element>(mut v: S::V, to: &Destination<E>, offset: usize, column: usize) {
    let n = (to.columns - column).min(S::LANES);
    // SAFETY: `n` columns from `column` on exist in C, the bias and the tensor to add.
    unsafe {
        let c = to.c.add(offset + column);
        if !to.bias.is_null() {
            v = S::add(v, f32::load::<S>(to.bias.add(column), n));
        }
        if to.accumulate {
            v = S::add(v, E::load::<S>(c, n));
        }
        if !to.add.is_null() {
            v = S::add(v, E::load::<S>(to.add.add(offset + column), n));
        }
        if to.relu {
            v = S::max(S::zero(), v);
        }
        E::store::<S>(c, v, n);
    }
}
