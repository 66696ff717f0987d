//! Sums of outer products over the points of a grid: the product of weight gradients.
//!
//! `C[i][t][j] = sum over points p of A[p][i] * B[p + tap t][j]`. The points are cut twice: into parts, by
//! size, whose sums are kept apart so that several threads can work and are then added in order; and into
//! blocks that fit in cache.

use super::MatrixRef;
use super::micro_kernel::Singles;
use super::outer_kernel::{Ahead, LINE, Lines, PointTerms, columns_at_once, pack_lines};
use super::rows::{self, Grid, Patches};
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd, dispatch};
use crate::{Element, scratch};
use std::marker::PhantomData;
use std::ops::Range;

/// Most points of a block: a line of B stays in L1, the others and those of A in L2.
const BLOCK_POINTS: usize = 256;
/// Rows of A of a task.
const BLOCK_ROWS: usize = 256;
/// Of a task that is one block, about: finer, because nothing is packed often.
const ROWS_OF_ONE_BLOCK: usize = 3 * LINE;
/// Rows that a task does not divide.
const ROWS_AT_ONCE: usize = LINE / 2;
/// Columns of B that are packed together.
const PANEL: usize = 64;
/// Floats that the sums of all parts may take.
const PARTS_FLOATS: usize = 2 << 20;
/// Parts at most: enough to keep many threads busy.
pub(super) const MAX_PARTS: usize = 32;
/// Multiply-adds that are worth a task of their own.
pub(super) const TASK_WORK: usize = 256 * 1024;

/// What is added up.
pub(crate) struct PointSum<'a, E> {
    /// The points.
    pub grid: Grid,
    /// One row of `a_stride` numbers a point.
    pub a: &'a [E],
    /// Distance between points of A.
    pub a_stride: usize,
    /// First column of A.
    pub a_first: usize,
    /// Columns of A: rows of C.
    pub rows: usize,
    /// The other operand; its taps and numbers a tap are the columns of C.
    pub b: Patches<'a, E>,
}

/// Numbers of a point up to which whole lines of floats are read in place: with more, a line of a block of points falls into
/// few sets of the L1 cache, unless points are an odd number of lines apart. Short vectors read each line several times.
const fn widest_in_place<S: Simd>() -> usize {
    if S::LANES == LINE { 512 } else { 128 }
}

impl<E: Element> PointSum<'_, E> {
    /// Whether A and B are read where they lie: B only if its points are neighbours, as those of 1x1 convolutions are.
    fn in_place<S: Simd>(&self) -> [bool; 2] {
        let fits = |numbers: usize| {
            !E::IS_BFLOAT16 && (numbers <= widest_in_place::<S>() || (numbers / LINE) % 2 == 1)
        };
        let (grid, b) = (&self.grid, &self.b);
        let neighbours = b.taps == [[0, 0]]
            && b.step == [1, 1]
            && [b.height, b.width, b.channels] == [grid.height, grid.width, b.len];
        let (rows, len) = (self.rows.is_multiple_of(LINE), b.len.is_multiple_of(LINE));
        [rows && fits(self.a_stride), len && neighbours && fits(b.len)]
    }

    /// Overwrites C: `rows` times taps times numbers a tap, dense.
    pub fn run<T: PointTerms<E>>(&self, c: &mut [f32]) {
        let (points, taps) = (self.grid.len(), self.b.taps.len());
        let columns = taps * self.b.len;
        assert_eq!(c.len(), self.rows * columns);
        if points == 0 || c.is_empty() {
            c.fill(0.0);
            return;
        }
        let work = points * c.len();
        let parts = (PARTS_FLOATS / c.len()).min(points.div_ceil(BLOCK_POINTS)).min(work / TASK_WORK);
        let parts = parts.clamp(1, MAX_PARTS);
        let part = points.div_ceil(parts).next_multiple_of(8);
        let parts = points.div_ceil(part);
        let block_rows = if points <= BLOCK_POINTS && taps == 1 {
            // An even number of them, so that two threads have equal shares, which they update later too.
            let pairs = (self.rows / (2 * ROWS_OF_ONE_BLOCK)).max(1);
            self.rows.div_ceil(2 * pairs).next_multiple_of(ROWS_AT_ONCE)
        } else {
            BLOCK_ROWS
        };
        let row_blocks = self.rows.div_ceil(block_rows);
        // Too few tasks: let several share the taps too.
        let wanted = MAX_PARTS.min(work / TASK_WORK).div_ceil(parts * row_blocks);
        let tap_group = taps.div_ceil(wanted.clamp(1, taps));
        let tap_groups = taps.div_ceil(tap_group);
        let launch = |sums: &mut [f32]| {
            let sums = DisjointMut::new(sums);
            parallel::for_each_index(parts * row_blocks * tap_groups, |task| {
                let (rest, group) = (task / tap_groups, task % tap_groups);
                let (index, row_block) = (rest / row_blocks, rest % row_blocks);
                self.task::<T>(
                    index * part..points.min((index + 1) * part),
                    row_block * block_rows..self.rows.min((row_block + 1) * block_rows),
                    group * tap_group..taps.min((group + 1) * tap_group),
                    // Tasks of a part write disjoint rows and columns of its sum.
                    sums.as_mut_ptr().wrapping_add(index * self.rows * columns),
                );
            });
        };
        if parts == 1 {
            launch(c);
        } else {
            scratch::with(parts * c.len(), |sums: &mut [f32]| {
                launch(sums);
                add_parts(sums, c);
            });
        }
    }

    /// Some rows and taps of the sum over some points.
    fn task<T: PointTerms<E>>(
        &self,
        points: Range<usize>,
        rows: Range<usize>,
        taps: Range<usize>,
        sum: *mut f32,
    ) {
        let b = Patches { taps: &self.b.taps[taps.clone()], ..self.b };
        let panel_len = BLOCK_POINTS * PANEL;
        scratch::with(
            panel_len + rows.len().next_multiple_of(LINE) * BLOCK_POINTS,
            |memory: &mut [f32]| {
                let (panel, packed) = memory.split_at_mut(panel_len);
                scratch::with(taps.len() * BLOCK_POINTS, |table: &mut [usize]| {
                    let table = rows::pointer_table(table);
                    // Even blocks: a short last one would pay the full cost of packing and of adding to C.
                    let block_points = points.len().div_ceil(points.len().div_ceil(BLOCK_POINTS));
                    for start in points.clone().step_by(block_points) {
                        let block = start..points.end.min(start + block_points);
                        b.locate(&self.grid, block.clone(), table, BLOCK_POINTS);
                        let accumulate = start > points.start;
                        let rows = rows.clone();
                        T::dispatch(Block::<E, T> {
                            sum: self,
                            taps: &taps,
                            block,
                            rows,
                            packed,
                            panel,
                            table,
                            c: sum,
                            accumulate,
                            terms: PhantomData,
                        });
                    }
                });
            },
        );
    }
}

/// Fewest points that are worth a product of [two matrices](multiply), and the columns of B that are too many: each task of few
/// rows would pack them.
const FEWEST_POINTS: usize = 32;
const MANY_COLUMNS: usize = 512;

/// Whether a matrix product, m x n of k terms, is one of points: those are the terms, of which both operands have whole lines
/// side by side, and they are one block.
pub(super) fn multiplies([m, n, k]: [usize; 3], a: MatrixRef, b: MatrixRef) -> bool {
    let lines = m.is_multiple_of(LINE) && n.is_multiple_of(LINE);
    let few = n < MANY_COLUMNS && (FEWEST_POINTS..=BLOCK_POINTS).contains(&k);
    a.row_stride == 1 && b.col_stride == 1 && lines && few
}

/// `C = A B` of such matrices, dense.
pub(super) fn multiply([m, n, k]: [usize; 3], a: MatrixRef, b: MatrixRef, c: &mut [f32]) {
    let b = Patches::matrix(b.data, [k, n], b.row_stride);
    let sum = PointSum { grid: Grid::matrix(k), a: a.data, a_stride: a.col_stride, a_first: 0, rows: m, b };
    sum.run::<Singles>(c);
}

/// Adds one block of points to some rows and taps.
struct Block<'a, E, T> {
    sum: &'a PointSum<'a, E>,
    taps: &'a Range<usize>,
    block: Range<usize>,
    rows: Range<usize>,
    packed: &'a mut [f32],
    panel: &'a mut [f32],
    table: &'a [*const E],
    c: *mut f32,
    accumulate: bool,
    terms: PhantomData<T>,
}

impl<E: Element, T: PointTerms<E>> Kernel for Block<'_, E, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let PointSum { a, a_stride, a_first, .. } = *self.sum;
        let (points, len) = (self.block.len(), self.sum.b.len);
        let c_stride = self.sum.b.taps.len() * len;
        let elements = T::elements_of(points);
        let line = elements * LINE;
        let first = a_first + self.rows.start;
        let a = &a[self.block.start * a_stride..][..(points - 1) * a_stride + a_first + self.rows.end];
        // SAFETY: A holds all points of the grid; `table` was filled for this block; C has all rows and columns.
        unsafe {
            let row = |p: usize| a.as_ptr().add(p * a_stride + first);
            let [a_in_place, b_in_place] = self.sum.in_place::<S>();
            if !a_in_place {
                pack_lines::<S, E, T>(points, row, self.rows.len(), self.packed.as_mut_ptr(), line);
            }
            // Each tile asks for a share of the next panel of B, and of the next block of A.
            let panel_share = points.div_ceil(self.rows.len().div_ceil(LINE));
            let block_share = (columns_at_once::<T>() * points).div_ceil(c_stride);
            for (tap, table) in self.table.chunks_exact(BLOCK_POINTS).enumerate() {
                let table = &table[..points];
                for panel in (0..len).step_by(PANEL) {
                    let end = len.min(panel + PANEL);
                    if !b_in_place {
                        let point = |p: usize| table[p].add(panel);
                        pack_lines::<S, E, T>(points, point, end - panel, self.panel.as_mut_ptr(), line);
                    }
                    // After the last panel comes the first of the next block, which mostly lies there.
                    let next = if end < len { end } else { points * self.sum.b.channels };
                    for column in (panel..end).step_by(columns_at_once::<T>()) {
                        let (b, b_step, b_stride) = if b_in_place {
                            (table[0].add(column).cast(), len, LINE)
                        } else {
                            (self.panel.as_ptr().add((column - panel) * elements), LINE, line)
                        };
                        let next = next + column - panel;
                        for (i, row) in (0..self.rows.len()).step_by(LINE).enumerate() {
                            let share = points.min(i * panel_share)..points.min((i + 1) * panel_share);
                            let behind = points + (tap * len + column) / columns_at_once::<T>() * block_share;
                            let ahead = Ahead {
                                points: &table[share],
                                offset: next,
                                rows: a.as_ptr().wrapping_add(behind * a_stride + first + row),
                                stride: a_stride,
                                count: block_share,
                            };
                            let c =
                                (self.rows.start + row) * c_stride + (self.taps.start + tap) * len + column;
                            let (a, a_step) = if a_in_place {
                                (a.as_ptr().add(first + row).cast(), a_stride)
                            } else {
                                (self.packed.as_ptr().add(row * elements), LINE)
                            };
                            let lines = Lines {
                                elements,
                                a,
                                a_step,
                                b,
                                b_step,
                                b_stride,
                                c: self.c.add(c),
                                c_stride,
                                rows: LINE.min(self.rows.len() - row),
                                columns: columns_at_once::<T>().min(end - column),
                                accumulate: self.accumulate,
                                ahead,
                            };
                            lines.run::<S, T>();
                        }
                    }
                }
            }
        }
    }
}

/// `c` becomes the sum of the parts, added in order.
pub(super) fn add_parts(parts: &[f32], c: &mut [f32]) {
    let len = c.len();
    parallel::for_each_chunk(c, 1, |start, c| dispatch(AddParts { parts, len, start, c }));
}

struct AddParts<'a> {
    parts: &'a [f32],
    len: usize,
    start: usize,
    c: &'a mut [f32],
}

impl Kernel for AddParts<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (i, c) in self.c.chunks_mut(S::LANES).enumerate() {
            let n = c.len();
            // SAFETY: each part has n floats from there on.
            unsafe {
                let mut sum = S::zero();
                for part in self.parts.chunks_exact(self.len) {
                    let part = part.as_ptr().add(self.start + i * S::LANES);
                    sum = S::add(sum, if n == S::LANES { S::load(part) } else { S::load_partial(part, n) });
                }
                S::store_partial(c.as_mut_ptr(), sum, n);
            }
        }
    }
}
