//! Mean and variance of the columns of C, a block of rows at a time.
//!
//! Sums are taken around the block's first row, which is near the mean as seen from the standard deviation,
//! and blocks are combined with the formulas of Chan, Golub and LeVeque (1979): neither loses digits when
//! the mean is much larger than the deviation, as the textbook sum of squares does.

use super::epilogue::ColumnStatistics;
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd, dispatch};
use crate::{Element, scratch};
use std::ops::Range;

/// Mean and sum of squared deviations of each block of rows and column.
pub(crate) struct BlockStatistics<'a> {
    /// A row of means and a row of sums of squared deviations for each block.
    parts: DisjointMut<'a, f32>,
    columns: usize,
}

impl<'a> BlockStatistics<'a> {
    /// Uses `memory`, two floats a block and column, whatever it holds.
    pub fn new(memory: &'a mut [f32], columns: usize) -> Self {
        assert!(columns > 0 && memory.len().is_multiple_of(2 * columns));
        Self { parts: DisjointMut::new(memory), columns }
    }

    /// Computes the part of `block`, whose rows start at `offsets` in `c`, for a range of columns.
    ///
    /// # Safety
    /// The rows must be readable; calls that run at the same time differ in block or columns.
    #[inline(always)]
    pub unsafe fn of_block<S: Simd, E: Element>(
        &self,
        block: usize,
        c: *const E,
        offsets: &[usize],
        columns: Range<usize>,
    ) {
        let start = 2 * block * self.columns;
        // SAFETY: in bounds, and disjoint from what other calls take.
        let (mean, deviation) = unsafe {
            let first = start + columns.start;
            (
                self.parts.slice(first..start + columns.end),
                self.parts.slice(first + self.columns..start + self.columns + columns.end),
            )
        };
        let scale = 1.0 / offsets.len() as f32;
        for j in (0..columns.len()).step_by(S::LANES) {
            let n = S::LANES.min(columns.len() - j);
            // SAFETY: n columns from j on exist in each row.
            unsafe {
                let column = c.add(columns.start + j);
                let shift = E::load::<S>(column.add(offsets[0]), n);
                let (mut sum, mut squares) = (S::zero(), S::zero());
                for &offset in offsets {
                    let d = S::sub(E::load::<S>(column.add(offset), n), shift);
                    sum = S::add(sum, d);
                    squares = S::fma(d, d, squares);
                }
                let offset = S::mul(sum, S::splat(scale));
                S::store_partial(mean.as_mut_ptr().add(j), S::add(shift, offset), n);
                let rest = S::max(S::zero(), S::fnma(sum, offset, squares));
                S::store_partial(deviation.as_mut_ptr().add(j), rest, n);
            }
        }
    }
}

/// Calls `launch`, with a place for the statistics of `blocks` blocks if they are wanted, and combines these then; `rows` tells
/// how many rows a block has.
pub(crate) fn by_blocks(
    out: Option<ColumnStatistics>,
    columns: usize,
    blocks: usize,
    rows: impl Fn(usize) -> usize,
    launch: impl FnOnce(Option<&BlockStatistics>),
) {
    let Some(out) = out else {
        return launch(None);
    };
    scratch::with(2 * blocks * columns, |parts: &mut [f32]| {
        let parts = BlockStatistics::new(parts, columns);
        launch(Some(&parts));
        combine(&parts, (0..blocks).map(rows), out);
    });
}

/// Combines the blocks in order; `rows` are the numbers of rows of each.
fn combine(parts: &BlockStatistics, rows: impl Iterator<Item = usize>, out: ColumnStatistics) {
    let columns = parts.columns;
    assert!(out.mean.len() == columns && out.variance.len() == columns, "one mean and variance a column");
    // SAFETY: the only reference now.
    let parts = unsafe { parts.parts.slice(0..parts.parts.len()) };
    let mut count = 0;
    for (part, block) in parts.chunks_exact(2 * columns).zip(rows) {
        let (means, deviations) = part.split_at(columns);
        if count == 0 {
            out.mean.copy_from_slice(means);
            out.variance.copy_from_slice(deviations);
        } else {
            let total = (count + block) as f32;
            let (weight, cross) = (block as f32 / total, count as f32 / total * block as f32);
            for j in 0..columns {
                let delta = means[j] - out.mean[j];
                out.mean[j] += delta * weight;
                out.variance[j] += deviations[j] + delta * delta * cross;
            }
        }
        count += block;
    }
    let scale = 1.0 / count as f32;
    out.variance.iter_mut().for_each(|v| *v *= scale);
}

/// Rows of a block of [`column_statistics`].
const BLOCK: usize = 512;

/// The statistics of a dense matrix that is already in memory.
pub(crate) fn column_statistics<E: Element>(matrix: &[E], out: ColumnStatistics) {
    let columns = out.mean.len();
    let rows = matrix.len() / columns;
    let blocks = rows.div_ceil(BLOCK);
    scratch::with(2 * blocks * columns, |memory: &mut [f32]| {
        let parts = BlockStatistics::new(memory, columns);
        let count = |block: usize| BLOCK.min(rows - block * BLOCK);
        parallel::for_each_index(blocks, |block| {
            let offsets: Vec<usize> = (0..count(block)).map(|i| (block * BLOCK + i) * columns).collect();
            dispatch(OfBlock { parts: &parts, block, c: matrix, offsets: &offsets });
        });
        combine(&parts, (0..blocks).map(count), out);
    });
}

/// One block of all columns.
struct OfBlock<'a, E> {
    parts: &'a BlockStatistics<'a>,
    block: usize,
    c: &'a [E],
    offsets: &'a [usize],
}

impl<E: Element> Kernel for OfBlock<'_, E> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let columns = self.parts.columns;
        assert!(self.offsets.iter().all(|offset| offset + columns <= self.c.len()));
        // SAFETY: rows are in bounds; each block is computed once.
        unsafe { self.parts.of_block::<S, E>(self.block, self.c.as_ptr(), self.offsets, 0..columns) }
    }
}
