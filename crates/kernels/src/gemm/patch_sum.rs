//! Sums of outer products of patches with few channels.
//!
//! `C[t][j] = sum over points p of A[p][t] * B[p][j]`, where t runs over all terms of a patch: the transpose of what `points`
//! computes, for patches whose segments are too short to fill lines.

use super::outer_kernel::{Ahead, LINE, Lines, PointTerms, columns_at_once, pack_lines};
use super::points::{MAX_PARTS, TASK_WORK, add_parts};
use super::rows::{self, Grid, Patches};
use super::segment_kernel::{self, Segment};
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd};
use crate::{Element, scratch};
use std::marker::PhantomData;
use std::ops::Range;

/// Points of a block.
const BLOCK_POINTS: usize = 256;

/// What is added up.
pub(crate) struct PatchSum<'a, E> {
    /// The points.
    pub grid: Grid,
    /// Patches, none of which reads outside of the image. Whole vectors can be read from the first number of each segment.
    pub a: Patches<'a, E>,
    /// One row of `columns` numbers a point.
    pub b: &'a [E],
    /// Columns of B and C.
    pub columns: usize,
}

impl<E: Element> PatchSum<'_, E> {
    /// Terms of a patch: rows of C.
    fn terms(&self) -> usize {
        self.a.taps.len() * self.a.len
    }

    /// Floats between packed patches: a line for what is written beyond the terms, and an odd number of lines.
    fn stride(&self) -> usize {
        ((self.terms().div_ceil(LINE) + 1) | 1) * LINE
    }

    /// Overwrites C, dense.
    pub fn run<T: PointTerms<E>>(&self, c: &mut [f32]) {
        let points = self.grid.len();
        assert!(self.b.len() == points * self.columns && c.len() == self.terms() * self.columns);
        if points == 0 {
            c.fill(0.0);
            return;
        }
        let parts = (points * c.len() / TASK_WORK).clamp(1, MAX_PARTS);
        let part = points.div_ceil(parts).next_multiple_of(BLOCK_POINTS);
        let parts = points.div_ceil(part);
        let len = c.len();
        scratch::with(parts * len, |sums: &mut [f32]| {
            let writer = DisjointMut::new(sums);
            parallel::for_each_index(parts, |i| {
                // SAFETY: each part has its own sums.
                let sums = unsafe { writer.slice(i * len..(i + 1) * len) };
                self.part::<T>(i * part..points.min((i + 1) * part), sums);
            });
            add_parts(sums, c);
        });
    }

    fn part<T: PointTerms<E>>(&self, points: Range<usize>, c: &mut [f32]) {
        let element = self.stride() + self.columns.next_multiple_of(LINE);
        scratch::with(self.a.taps.len() * BLOCK_POINTS, |table: &mut [usize]| {
            scratch::with(element * BLOCK_POINTS, |packed: &mut [f32]| {
                let table = rows::pointer_table(table);
                for start in points.clone().step_by(BLOCK_POINTS) {
                    let block = start..points.end.min(start + BLOCK_POINTS);
                    self.a.locate(&self.grid, block.clone(), table, BLOCK_POINTS);
                    let accumulate = start > points.start;
                    T::dispatch(Block::<E, T> {
                        sum: self,
                        block,
                        table,
                        packed,
                        c,
                        accumulate,
                        terms: PhantomData,
                    });
                }
            });
        });
    }
}

/// Adds one block of points.
struct Block<'a, E, T> {
    sum: &'a PatchSum<'a, E>,
    block: Range<usize>,
    table: &'a [*const E],
    packed: &'a mut [f32],
    c: &'a mut [f32],
    accumulate: bool,
    terms: PhantomData<T>,
}

impl<E: Element, T: PointTerms<E>> Kernel for Block<'_, E, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if !E::IS_BFLOAT16 && segment_kernel::applies::<S>(self.sum.a.len, self.sum.columns) {
            // SAFETY: the caller guarantees the instruction set.
            return unsafe { self.segments::<S>() };
        }
        let Block { sum, block, table, packed, c, accumulate, terms: _ } = self;
        let (terms, columns) = (sum.terms(), sum.columns);
        let (points, elements) = (block.len(), T::elements_of(block.len()));
        let line = elements * LINE;
        let (a, b) = packed.split_at_mut(sum.stride() * elements);
        // SAFETY: B and C have all rows and columns, and `packed` has lines for all of them; the table is that of this block.
        unsafe {
            let row = |p: usize| sum.b[(block.start + p) * columns..].as_ptr();
            pack_lines::<S, E, T>(points, row, columns, b.as_mut_ptr(), line);
            sum.pack_patches::<S, T>(table, points, a);
            // The next block's rows of B lie behind: each tile asks for a share of them.
            let share = (points * columns * size_of::<E>() / 64)
                .div_ceil(columns.div_ceil(columns_at_once::<T>()) * terms.div_ceil(LINE));
            let mut next = sum.b.as_ptr().wrapping_add(block.end * columns);
            let floats = LINE * size_of::<f32>() / size_of::<E>();
            for column in (0..columns).step_by(columns_at_once::<T>()) {
                for row in (0..terms).step_by(LINE) {
                    let ahead = Ahead { points: &[], offset: 0, rows: next, stride: floats, count: share };
                    next = next.wrapping_add(share * floats);
                    let lines = Lines {
                        elements,
                        a: a[row..].as_ptr(),
                        a_step: sum.stride(),
                        b: b[column * elements..].as_ptr(),
                        b_step: LINE,
                        b_stride: line,
                        c: c[row * columns + column..].as_mut_ptr(),
                        c_stride: columns,
                        rows: LINE.min(terms - row),
                        columns: columns_at_once::<T>().min(columns - column),
                        accumulate,
                        ahead,
                    };
                    lines.run::<S, T>();
                }
            }
        }
    }
}

impl<E: Element, T> Block<'_, E, T> {
    /// Segment by segment, with nothing packed.
    ///
    /// # Safety
    /// Elements are floats, `segment_kernel` applies, and the processor has the instruction set of `S`.
    #[inline(always)]
    unsafe fn segments<S: Simd>(self) {
        let PatchSum { a: Patches { taps, len, .. }, b, columns, .. } = *self.sum;
        let (start, points) = (self.block.start, self.block.len());
        // The next block's rows of B lie behind: each segment asks for a share of their lines.
        let share = (points * columns / LINE).div_ceil(taps.len());
        let next = b.as_ptr().wrapping_add((start + points) * columns).cast::<f32>();
        let b = b[start * columns..][..points * columns].as_ptr().cast();
        for (i, (table, c)) in
            self.table.chunks_exact(BLOCK_POINTS).zip(self.c.chunks_exact_mut(len * columns)).enumerate()
        {
            // SAFETY: the table has a segment of `len` floats for each of the points, of which B has a row each.
            unsafe {
                Segment {
                    a: std::slice::from_raw_parts(table.as_ptr().cast(), points),
                    b,
                    columns,
                    c: c.as_mut_ptr(),
                    accumulate: self.accumulate,
                    ahead: Ahead {
                        points: &[],
                        offset: 0,
                        rows: next.wrapping_add(i * share * LINE),
                        stride: LINE,
                        count: share,
                    },
                }
                .run::<S>(len);
            }
        }
    }
}

impl<E: Element> PatchSum<'_, E> {
    /// Puts the terms of `points` patches side by side, `stride` floats an element.
    ///
    /// # Safety
    /// The table has the segments of all points, from the start of which whole vectors can be read. The processor has the
    /// instruction set of `S`.
    #[inline(always)]
    unsafe fn pack_patches<S: Simd, T: PointTerms<E>>(
        &self,
        table: &[*const E],
        points: usize,
        packed: &mut [f32],
    ) {
        let (len, stride) = (self.a.len, self.stride());
        assert!(packed.len() >= T::elements_of(points) * stride);
        for (packed, p) in packed.chunks_exact_mut(stride).zip((0..points).step_by(T::POINTS)) {
            for (segment, table) in table.chunks_exact(BLOCK_POINTS).enumerate() {
                let second = if p + 1 < points { table[p + 1] } else { self.a.zeros.as_ptr() };
                let points = [table[p], second];
                for j in (0..len).step_by(S::LANES) {
                    // SAFETY: readable, as the caller guarantees; what is written beyond the segment, by less than a
                    // vector, is overwritten by the next one, or lies in the line behind the last term.
                    unsafe {
                        let v = T::load::<S>([points[0].add(j), points[1].add(j)], S::LANES);
                        S::store(packed.as_mut_ptr().add(segment * len + j), v);
                    }
                }
            }
        }
    }
}
