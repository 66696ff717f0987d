//! Sums of outer products over the points of a grid: the product of weight gradients.
//!
//! `C[i][t][j] = sum over points p of A[p][i] * B[p + tap t][j]`. The points are cut twice: into parts, by
//! size, whose sums are kept apart so that several threads can work and are then added in order; and into
//! blocks that fit in cache.

use super::outer_kernel::{LINE, Lines, pack_lines};
use super::rows::{self, Grid, Patches};
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};
use std::ops::Range;

/// Most points of a block: a line of B stays in L1, the others and those of A in L2.
const BLOCK_POINTS: usize = 256;
/// Rows of A of a task.
const BLOCK_ROWS: usize = 256;
/// Columns of B that are packed together.
const PANEL: usize = 64;
/// Floats that the sums of all parts may take.
const PARTS_FLOATS: usize = 2 << 20;
/// Parts at most: enough to keep many threads busy.
pub(super) const MAX_PARTS: usize = 32;
/// Multiply-adds that are worth a task of their own.
pub(super) const TASK_WORK: usize = 256 * 1024;

/// What is added up.
pub(crate) struct PointSum<'a> {
    /// The points.
    pub grid: Grid,
    /// One row of `a_stride` floats a point.
    pub a: &'a [f32],
    /// Distance between points of A.
    pub a_stride: usize,
    /// First column of A.
    pub a_first: usize,
    /// Columns of A: rows of C.
    pub rows: usize,
    /// The other operand; its taps and floats a tap are the columns of C.
    pub b: Patches<'a>,
}

impl PointSum<'_> {
    /// Overwrites C: `rows` times taps times floats a tap, dense.
    pub fn run(&self, c: &mut [f32]) {
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
        let row_blocks = self.rows.div_ceil(BLOCK_ROWS);
        // Too few tasks: let several share the taps too.
        let wanted = MAX_PARTS.min(work / TASK_WORK).div_ceil(parts * row_blocks);
        let tap_group = taps.div_ceil(wanted.clamp(1, taps));
        let tap_groups = taps.div_ceil(tap_group);
        let launch = |sums: &mut [f32]| {
            let sums = DisjointMut::new(sums);
            parallel::for_each_index(parts * row_blocks * tap_groups, |task| {
                let (rest, group) = (task / tap_groups, task % tap_groups);
                let (index, row_block) = (rest / row_blocks, rest % row_blocks);
                self.task(
                    index * part..points.min((index + 1) * part),
                    row_block * BLOCK_ROWS..self.rows.min((row_block + 1) * BLOCK_ROWS),
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
    fn task(&self, points: Range<usize>, rows: Range<usize>, taps: Range<usize>, sum: *mut f32) {
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
                        dispatch(Block {
                            sum: self,
                            taps: &taps,
                            block,
                            rows,
                            packed,
                            panel,
                            table,
                            c: sum,
                            accumulate,
                        });
                    }
                });
            },
        );
    }
}

/// Adds one block of points to some rows and taps.
struct Block<'a> {
    sum: &'a PointSum<'a>,
    taps: &'a Range<usize>,
    block: Range<usize>,
    rows: Range<usize>,
    packed: &'a mut [f32],
    panel: &'a mut [f32],
    table: &'a [*const f32],
    c: *mut f32,
    accumulate: bool,
}

impl Kernel for Block<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let PointSum { a, a_stride, a_first, .. } = *self.sum;
        let (points, len) = (self.block.len(), self.sum.b.len);
        let c_stride = self.sum.b.taps.len() * len;
        let line = points * LINE;
        let a = &a[self.block.start * a_stride..][..(points - 1) * a_stride + a_first + self.rows.end];
        // SAFETY: A holds all points of the grid; `table` was filled for this block; C has all rows and columns.
        unsafe {
            let first = a_first + self.rows.start;
            let rows = (0..points).map(|p| a.as_ptr().add(p * a_stride));
            pack_lines::<S>(rows, first, self.rows.len(), self.packed.as_mut_ptr(), line);
            // B comes from memory a few cache lines here and there, which the processor does not see coming. So each
            // line of A asks for a share of the next panel.
            let share = points.div_ceil(self.rows.len().div_ceil(LINE));
            for (tap, table) in self.table.chunks_exact(BLOCK_POINTS).enumerate() {
                let table = &table[..points];
                for panel in (0..len).step_by(PANEL) {
                    let end = len.min(panel + PANEL);
                    pack_lines::<S>(table.iter().copied(), panel, end - panel, self.panel.as_mut_ptr(), line);
                    // After the last panel comes the first of the next block, which mostly lies there.
                    let next = if end < len { end } else { points * self.sum.b.channels };
                    for column in (panel..end).step_by(LINE) {
                        let b = self.panel.as_ptr().add((column - panel) / LINE * line);
                        let next = next + column - panel;
                        for (i, row) in (0..self.rows.len()).step_by(LINE).enumerate() {
                            for &point in &table[points.min(i * share)..points.min((i + 1) * share)] {
                                S::prefetch(point.wrapping_add(next));
                            }
                            let columns = tap * len + column;
                            let share = (LINE * points).div_ceil(c_stride);
                            let p0 = columns / LINE * share;
                            for p in p0..p0 + share {
                                S::prefetch(a.as_ptr().wrapping_add((points + p) * a_stride + first + row));
                            }
                            let c =
                                (self.rows.start + row) * c_stride + (self.taps.start + tap) * len + column;
                            let lines = Lines {
                                points,
                                a: self.packed.as_ptr().add(row / LINE * line),
                                b,
                                c: self.c.add(c),
                                c_stride,
                                rows: LINE.min(self.rows.len() - row),
                                columns: LINE.min(end - column),
                                accumulate: self.accumulate,
                            };
                            lines.run::<S>();
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
