//! Sums of outer products of patches with few channels, nothing packed.
//!
//! `C[t][i][j] = sum over points p of A[p + tap t][i] * B[p][j]`: the transpose of what `points` computes, for
//! patches whose segments are too short to be vectors. Both operands are read where they lie: a few hundred
//! points of them fit in L1.

use super::blocking;
use super::outer_kernel::{OuterTile, Scattered, Strided, outer_tile};
use super::points::{MAX_PARTS, TASK_WORK, add_parts};
use super::rows::{self, Grid, Patches};
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};
use std::ops::Range;

/// Rows of a tile.
const MR: usize = 6;
/// Points of a block.
const BLOCK_POINTS: usize = 128;
/// Columns come in whole vectors of every instruction set.
const COLUMN_GRANULE: usize = 16;

/// What is added up.
pub(crate) struct PatchSum<'a> {
    /// The points.
    pub grid: Grid,
    /// Patches, none of which reads outside of the image.
    pub a: Patches<'a>,
    /// One row of `columns` floats a point.
    pub b: &'a [f32],
    /// Columns of B and C.
    pub columns: usize,
}

impl PatchSum<'_> {
    /// Whether segments of `len` floats and this many columns can be computed.
    pub fn applies(len: usize, columns: usize) -> bool {
        len >= MR && columns.is_multiple_of(COLUMN_GRANULE)
    }

    /// Overwrites C: taps times floats a tap times columns, dense.
    pub fn run(&self, c: &mut [f32]) {
        let points = self.grid.len();
        assert!(Self::applies(self.a.len, self.columns) && self.b.len() == points * self.columns);
        assert_eq!(c.len(), self.a.taps.len() * self.a.len * self.columns);
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
                self.part(i * part..points.min((i + 1) * part), sums);
            });
            add_parts(sums, c);
        });
    }

    fn part(&self, points: Range<usize>, c: &mut [f32]) {
        scratch::with(self.a.taps.len() * BLOCK_POINTS, |table: &mut [usize]| {
            let table = rows::pointer_table(table);
            for start in points.clone().step_by(BLOCK_POINTS) {
                let block = start..points.end.min(start + BLOCK_POINTS);
                self.a.locate(&self.grid, block.clone(), table, BLOCK_POINTS);
                dispatch(Block { sum: self, block, table, c, accumulate: start > points.start });
            }
        });
    }
}

/// Adds one block of points.
struct Block<'a> {
    sum: &'a PatchSum<'a>,
    block: Range<usize>,
    table: &'a [*const f32],
    c: &'a mut [f32],
    accumulate: bool,
}

impl Kernel for Block<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Block { sum, block, table, c, accumulate } = self;
        let PatchSum { columns, b, .. } = *sum;
        let len = sum.a.len;
        let width = blocking::panel_width::<S>();
        let b = &b[block.start * columns..block.end * columns];
        for column in (0..columns).step_by(width) {
            let width = width.min(columns - column);
            for (tap, table) in table.chunks_exact(BLOCK_POINTS).enumerate() {
                for row in (0..len).step_by(MR) {
                    // The last tile starts earlier rather than read beyond the segment, and writes what is new.
                    let first = row.min(len - MR);
                    let tile = OuterTile {
                        points: block.len(),
                        a: Scattered { table: table.as_ptr(), offset: first },
                        b: Strided { start: b[column..].as_ptr(), stride: columns },
                        c: c[(tap * len + first) * columns + column..].as_mut_ptr(),
                        c_stride: columns,
                        rows: row - first..MR,
                        columns: width,
                        accumulate,
                    };
                    // SAFETY: segments have at least MR floats from `first` on, points of B `width` from
                    // `column` on, and C all of the tile.
                    unsafe { outer_tile::<S, _, _, MR>(width / S::LANES, &tile) };
                }
            }
        }
    }
}
