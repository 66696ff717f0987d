//! One level of Strassen's algorithm: seven products of halves where the plain way takes eight.
//!
//! In Winograd's variant (Winograd, "On multiplication of 2 x 2 matrices", 1971), with additions inside of the kernel
//! (Huang, Smith, Henry and van de Geijn, "Strassen's Algorithm Reloaded", 2016):
//!
//! ```text
//! C11 = A11 B11 + A12 B21
//! U   = A11 B11 + (S1 - A11)(B22 - T1)      S1 = A21 + A22      T1 = B12 - B11
//! V   = U + (A11 - A21)(B22 - B12)
//! C21 = V + A22 (B21 - B22 + T1)
//! C22 = V + S1 T1
//! C12 = U + S1 T1 + (A12 + A11 - S1) B22
//! ```
//!
//! The halves of the columns are those of B and C, the halves of the summed dimension those of each chunk, and the rows come
//! in [`pairs`] of the same image, so that no image's result depends on the others of its batch. All seven products of a
//! tile run one after the other on registers, so C is touched as often as without Strassen. Sums of B are made when it is
//! packed, sums of A once for a block of rows.
//!
//! Accuracy: against float64, operands uniform in [-1, 1), the largest error is below 4e-6 of the square root of the number
//! of terms, about twice that of plain products.

mod pack;
mod pairs;
mod tile;

pub(super) use pack::{pack, packed_len};

use super::blocking::{self, Chunk};
use super::driver::{Product, TASKS, at};
use super::epilogue::Epilogue;
use super::micro_kernel::Destination;
use super::rows;
use super::statistics::{self, BlockStatistics};
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};
use pairs::{Pairs, Run};
use std::ops::Range;
use tile::{Quarters, SUMS, Strip, tile};

/// Products of halves.
const PRODUCTS: usize = 7;
/// Rows of a tile: 12 or 24 accumulators.
const MR: usize = 6;
/// Pairs of rows of a block: their sums and a group of panels share L2.
const BLOCK_PAIRS: usize = 24;
/// Terms that are summed up before C is written.
const DEPTH: usize = 512;
/// Columns and terms come in multiples of this, so that halves are whole panels on every instruction set.
const GRANULE: usize = 128;
/// Floats of B in L2.
const GROUP_FLOATS: usize = 96 * 1024;
/// Columns of a task at least, so that sums of A are spread over enough of them.
const TASK_COLUMNS: usize = 256;

/// Whether products of segments of `len` floats with this many columns can be halved.
pub(crate) fn applies(len: usize, columns: usize) -> bool {
    len > 0 && columns > 0 && len.is_multiple_of(GRANULE) && columns.is_multiple_of(GRANULE)
}

/// Terms of a chunk of segments of `len` floats.
fn depth(len: usize) -> usize {
    [DEPTH, DEPTH / 2].into_iter().find(|&depth| len.is_multiple_of(depth)).unwrap_or(GRANULE)
}

/// The chunks of `segments` segments of `len` floats.
pub(super) fn chunks(segments: usize, len: usize) -> impl Iterator<Item = Chunk> + Clone {
    let depth = depth(len);
    (0..segments).flat_map(move |segment| {
        (0..len).step_by(depth).map(move |offset| Chunk { segment, segments: 1, offset, len: depth })
    })
}

/// Computes C, with B as [`pack`] leaves it.
pub(super) fn run(product: &Product, b: &[f32], c: &mut [f32], epilogue: Epilogue) {
    let (columns, taps, len) = (product.columns, product.a.taps.len(), product.a.len);
    if product.grid.len() == 0 || columns == 0 {
        return;
    }
    product.check(c.len(), &epilogue);
    assert!(product.a.zeros.len() >= len, "too few zeros");
    assert!(applies(len, columns) && b.len() >= packed_len(taps * len, columns));
    let pairs = Pairs { rows: product.grid.width * product.grid.height, images: product.grid.images };
    // Even blocks of whole tiles.
    let blocks = pairs.count().div_ceil(BLOCK_PAIRS);
    let block_pairs = pairs.count().div_ceil(blocks).next_multiple_of(MR);
    let blocks = pairs.count().div_ceil(block_pairs);
    // Few rows: give the columns to several tasks too. The cut changes no result.
    let column_groups = (TASKS / blocks).min(columns / TASK_COLUMNS).max(1);
    let Epilogue { bias, add, relu, statistics } = epilogue;
    let plan = Plan { product, b, pairs, block_pairs, column_groups, bias, add, relu };
    let c = DisjointMut::new(c);
    let rows = |block| 2 * plan.pairs_of(block).len() - plan.without_second(block);
    statistics::by_blocks(statistics, columns, blocks, rows, |statistics| {
        parallel::for_each_index(blocks * column_groups, |task| {
            plan.block(task / column_groups, task % column_groups, &c, statistics);
        });
    });
}

struct Plan<'a> {
    product: &'a Product<'a>,
    b: &'a [f32],
    pairs: Pairs,
    block_pairs: usize,
    column_groups: usize,
    bias: Option<&'a [f32]>,
    add: Option<&'a [f32]>,
    relu: bool,
}

impl Plan<'_> {
    fn pairs_of(&self, block: usize) -> Range<usize> {
        block * self.block_pairs..self.pairs.count().min((block + 1) * self.block_pairs)
    }

    /// Pairs of a block that lack the second row.
    fn without_second(&self, block: usize) -> usize {
        let pairs = self.pairs_of(block);
        pairs.end - self.pairs.complete().clamp(pairs.start, pairs.end)
    }

    /// Fills the tables of a block of pairs, then computes its part of C.
    fn block(&self, block: usize, group: usize, c: &DisjointMut<f32>, statistics: Option<&BlockStatistics>) {
        let Product { grid, a, place, .. } = self.product;
        let pairs = self.pairs_of(block);
        let stride = 2 * self.block_pairs;
        scratch::with((a.taps.len() + 1) * stride, |memory: &mut [usize]| {
            let (offsets, table) = memory.split_at_mut(stride);
            let table = rows::pointer_table(table);
            // Rows that are missing are zeros, and their results are not written.
            table.fill(a.zeros.as_ptr());
            offsets.fill(0);
            let mut locate = |first: usize, run: Run| {
                let rows = run.row..run.row + run.len;
                a.locate_run(grid, rows.clone(), &mut table[first + run.at..], stride);
                place.locate(grid, rows, &mut offsets[first + run.at..]);
            };
            self.pairs.first_rows(pairs.clone(), |run| locate(0, run));
            self.pairs.second_rows(pairs.clone(), |run| locate(self.block_pairs, run));
            let counts = [pairs.len(), pairs.len() - self.without_second(block)];
            let sums = pairs.len().next_multiple_of(MR) * SUMS * depth(a.len) / 2;
            scratch::with(sums, |sums: &mut [f32]| {
                dispatch(BlockTask { plan: self, block, group, table, offsets, counts, sums, c, statistics });
            });
        });
    }
}

/// One block of pairs times one group of columns.
struct BlockTask<'a> {
    plan: &'a Plan<'a>,
    block: usize,
    group: usize,
    /// Pointers to the segments of the first rows, then of the second rows, so many a segment.
    table: &'a [*const f32],
    /// Where each row of C starts, in the same order.
    offsets: &'a mut [usize],
    /// Numbers of first and of second rows.
    counts: [usize; 2],
    /// For the sums of A of a chunk.
    sums: &'a mut [f32],
    c: &'a DisjointMut<'a, f32>,
    statistics: Option<&'a BlockStatistics<'a>>,
}

impl Kernel for BlockTask<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's guarantee.
        unsafe {
            match blocking::tile_vectors::<S>() {
                2 => self.run_wide::<S, 2>(),
                4 => self.run_wide::<S, 4>(),
                _ => unreachable!("tiles are two or four vectors wide"),
            }
        }
    }
}

impl BlockTask<'_> {
    /// # Safety
    /// The processor has the instruction set; tiles are `NV` vectors wide.
    #[inline(always)]
    unsafe fn run_wide<S: Simd, const NV: usize>(mut self) {
        let Product { columns, a, .. } = self.plan.product;
        let (width, half) = (NV * S::LANES, columns / 2);
        let per_group = (half / width).div_ceil(self.plan.column_groups);
        let panels = self.group * per_group..(half / width).min((self.group + 1) * per_group);
        if panels.is_empty() {
            return;
        }
        let chunks = chunks(a.taps.len(), a.len);
        let last = chunks.clone().count() - 1;
        let mut first_factor = 0;
        for (i, chunk) in chunks.enumerate() {
            // SAFETY: the caller's guarantees.
            unsafe { self.chunk::<S, NV>(&chunk, [i == 0, i == last], first_factor, panels.clone()) };
            first_factor += PRODUCTS * chunk.len / 2 * half;
        }
        if let Some(statistics) = self.statistics {
            let [first, second] = self.counts;
            self.offsets.copy_within(self.plan.block_pairs..self.plan.block_pairs + second, first);
            let offsets = &self.offsets[..first + second];
            for start in [0, half] {
                let columns = start + panels.start * width..start + panels.end * width;
                // SAFETY: this task wrote these rows and columns, and no other task does.
                unsafe { statistics.of_block::<S, f32>(self.block, self.c.as_mut_ptr(), offsets, columns) };
            }
        }
    }

    /// Multiplies one chunk, whose factors start at `first_factor` of B, and adds it to C.
    ///
    /// # Safety
    /// As [`run_wide`](Self::run_wide).
    #[inline(always)]
    unsafe fn chunk<S: Simd, const NV: usize>(
        &mut self,
        chunk: &Chunk,
        [is_first, is_last]: [bool; 2],
        first_factor: usize,
        panels: Range<usize>,
    ) {
        let &mut Self { plan, table, ref offsets, counts, .. } = self;
        let (width, half, terms) = (NV * S::LANES, plan.product.columns / 2, chunk.len / 2);
        let panel_len = PRODUCTS * terms * width;
        let groups = panels.len().div_ceil((GROUP_FLOATS / panel_len).max(1));
        let at_once = panels.len().div_ceil(groups);
        let (bias, add) = if is_last { (plan.bias, plan.add) } else { (None, None) };
        let to = |row: usize, column: usize, rows: usize| Destination {
            c: self.c.as_mut_ptr().wrapping_add(column),
            row_offsets: offsets[row..].as_ptr(),
            rows,
            columns: width,
            accumulate: plan.product.accumulate || !is_first,
            bias: at(bias, column),
            add: at(add, column),
            relu: is_last && plan.relu,
        };
        let table = &table[chunk.segment * 2 * plan.block_pairs..][..2 * plan.block_pairs];
        for start in panels.clone().step_by(at_once) {
            let group = start..panels.end.min(start + at_once);
            for row in (0..counts[0]).step_by(MR) {
                let second_row = plan.block_pairs + row;
                let rows = counts.map(|count| MR.min(count.saturating_sub(row)));
                let strip = Strip {
                    first: table[row..].as_ptr(),
                    second: table[second_row..].as_ptr(),
                    offset: chunk.offset,
                    terms,
                    sums: self.sums[row * SUMS * terms..][..MR * SUMS * terms].as_mut_ptr(),
                };
                let is_new = start == panels.start;
                if is_new {
                    // SAFETY: the tables hold whole tiles of pointers to rows that have the chunk.
                    unsafe { strip.add_up::<S>() };
                }
                for panel in group.clone() {
                    if is_new && row + MR < counts[0] {
                        let part = [panel - group.start, group.len()];
                        // SAFETY: there is another strip in the tables.
                        unsafe { strip.prefetch_next::<S>(part) };
                    }
                    let (left, right) = (panel * width, half + panel * width);
                    let to = Quarters {
                        c11: to(row, left, rows[0]),
                        c12: to(row, right, rows[0]),
                        c21: to(second_row, left, rows[1]),
                        c22: to(second_row, right, rows[1]),
                    };
                    let b = plan.b[first_factor + panel * panel_len..][..panel_len].as_ptr();
                    // SAFETY: as above; B holds the panel, and C, which was checked, all columns of the rows that exist.
                    unsafe { tile::<S, NV>(&strip, b, &to) };
                }
            }
        }
    }
}
