//! The loops around the micro-kernel, and who runs them.

use super::blocking::{self, BLOCK_ROWS, Chunk};
use super::epilogue::Epilogue;
use super::micro_kernel::{Destination, LINE, NextTile, Operands, Terms, tile};
use super::pack::{self, Panels};
use super::rows::{self, Grid, Patches, Placement};
use super::statistics::{self, BlockStatistics};
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd, dispatch};
use crate::{Element, scratch};
use std::ops::Range;

/// Tiles of any height may read the table of row pointers up to this multiple.
const TABLE_GRANULE: usize = 24;
/// Rows of a block at least: whole tiles of any height but one, and of those of full panels.
const FEWEST_ROWS: usize = 12;
const FEWEST_ROWS_OF_FULL_PANELS: usize = 6;
/// Columns of a panel at most, on any instruction set.
const MAX_PANEL_WIDTH: usize = 64;
/// Multiply-adds that are worth a task of their own.
const TASK_WORK: usize = 256 * 1024;
/// Tasks to aim for, so that several threads finish at about the same time.
pub(super) const TASKS: usize = 32;

/// C = A B for rows given by `grid` and `a`, with the columns in `packed` (of shape `b`), then the epilogue.
pub(crate) struct Product<'a, E = f32> {
    /// Rows of A and C.
    pub grid: Grid,
    /// Where the rows of A lie.
    pub a: Patches<'a, E>,
    /// Number of columns.
    pub columns: usize,
    /// The columns.
    pub b: Panels<'a>,
    /// Where the rows of C lie.
    pub place: Placement,
    /// Add to C instead of overwriting it.
    pub accumulate: bool,
}

impl<E: Element> Product<'_, E> {
    /// Computes C, each row with each column.
    pub fn run<T: Terms<Number = E>>(&self, c: &mut [E], epilogue: Epilogue<E>) {
        let (rows, columns) = (self.grid.len(), self.columns);
        if rows == 0 || columns == 0 {
            return;
        }
        self.check(c.len(), &epilogue);
        assert!(self.a.zeros.len() >= T::elements(self.a.len) * T::NUMBERS, "too few zeros");
        let depth = self.a.taps.len() * T::elements(self.a.len);
        let work = rows * columns * depth.max(1);
        // Few rows: give the columns to several tasks too, and if these are few, fewer rows. The cut changes no result.
        let width = dispatch(PanelWidth);
        let panels = columns.div_ceil(width);
        let fewest_rows = if columns >= width { FEWEST_ROWS_OF_FULL_PANELS } else { FEWEST_ROWS };
        let tasks = (work / TASK_WORK).clamp(1, TASKS);
        let row_blocks = rows.div_ceil(BLOCK_ROWS);
        let column_groups = (tasks / row_blocks).clamp(1, panels);
        let row_blocks = row_blocks.max((tasks / column_groups).min(rows.div_ceil(fewest_rows)));
        let block_rows = rows.div_ceil(row_blocks).next_multiple_of(fewest_rows);
        let row_blocks = rows.div_ceil(block_rows);
        let Epilogue { bias, add, relu, statistics } = epilogue;
        let plan = Plan::<T> { product: self, bias, add, relu, block_rows, column_groups };
        let c = DisjointMut::new(c);
        let rows_of = |block: usize| plan.rows_of(block).len();
        statistics::by_blocks(statistics, columns, row_blocks, rows_of, |statistics| {
            plan.launch(row_blocks, work, &c, statistics);
        });
    }

    /// Panics if C or the epilogue does not fit.
    pub(super) fn check(&self, c_len: usize, epilogue: &Epilogue<E>) {
        let (grid, place) = (&self.grid, &self.place);
        let last = place.offset(grid.images - 1, grid.height - 1, grid.width - 1) + self.columns;
        assert!(last <= c_len, "C has {c_len} elements, {last} are needed");
        assert!(epilogue.add.is_none_or(|add| add.len() == c_len), "the tensor to add is not of C's size");
        assert!(epilogue.bias.is_none_or(|bias| bias.len() == self.columns), "one bias a column");
    }
}

struct Plan<'a, T: Terms> {
    product: &'a Product<'a, T::Number>,
    bias: Option<&'a [f32]>,
    add: Option<&'a [T::Number]>,
    relu: bool,
    block_rows: usize,
    column_groups: usize,
}

impl<T: Terms> Plan<'_, T> {
    fn rows_of(&self, block: usize) -> Range<usize> {
        block * self.block_rows..self.product.grid.len().min((block + 1) * self.block_rows)
    }

    fn launch(
        &self,
        row_blocks: usize,
        work: usize,
        c: &DisjointMut<T::Number>,
        statistics: Option<&BlockStatistics>,
    ) {
        let tasks = row_blocks * self.column_groups;
        // Small tasks are run several at a time.
        let at_once = (TASK_WORK / (work / tasks).max(1)).max(1);
        parallel::for_each_range(tasks, at_once, |tasks| {
            for task in tasks {
                let (block, group) = (task / self.column_groups, task % self.column_groups);
                self.block(block, self.rows_of(block), group, c, statistics);
            }
        });
    }

    /// Fills the tables of a block of rows, then computes its part of C.
    fn block(
        &self,
        block: usize,
        rows: Range<usize>,
        group: usize,
        c: &DisjointMut<T::Number>,
        statistics: Option<&BlockStatistics>,
    ) {
        let product = self.product;
        let count = rows.len();
        let stride = count.next_multiple_of(TABLE_GRANULE);
        let panels = self.panels(group);
        // Sums of a part of the terms wait in C if it has their precision.
        let chunks = blocking::chunks(product.a.taps.len(), T::elements(product.a.len)).count();
        let waiting = if T::Number::IS_BFLOAT16 && chunks > 1 { panels.len() * MAX_PANEL_WIDTH } else { 0 };
        scratch::with(stride * waiting, |sums: &mut [f32]| {
            scratch::with((product.a.taps.len() + 2) * stride, |memory: &mut [usize]| {
                let (offsets, table) = memory.split_at_mut(2 * stride);
                let (offsets, sum_offsets) = offsets.split_at_mut(stride);
                let table = rows::pointer_table(table);
                product.a.locate(&product.grid, rows.clone(), table, stride);
                product.place.locate(&product.grid, rows, offsets);
                let last = offsets[count - 1];
                offsets[count..].fill(last);
                sum_offsets.iter_mut().enumerate().for_each(|(i, offset)| *offset = i * waiting);
                let tables = Tables { rows: table, stride, offsets, sum_offsets, count };
                T::dispatch(BlockTask {
                    plan: self,
                    block,
                    panels,
                    tables,
                    sums: (waiting > 0).then_some(sums),
                    c,
                    statistics,
                });
            });
        });
    }

    /// The panels of a group of columns.
    fn panels(&self, group: usize) -> Range<usize> {
        let panels = self.product.columns.div_ceil(dispatch(PanelWidth));
        let per_group = panels.div_ceil(self.column_groups);
        panels.min(group * per_group)..panels.min((group + 1) * per_group)
    }
}

/// Width of a full panel on the instruction set in use.
struct PanelWidth;

impl Kernel for PanelWidth {
    type Out = usize;
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> usize {
        blocking::panel_width::<S>()
    }
}

/// Where the rows of a block lie.
struct Tables<'a, E> {
    /// Pointers to the segments of the rows of A, `stride` a segment.
    rows: &'a [*const E],
    stride: usize,
    /// Where each row of C starts; the last repeated for as many as the table has.
    offsets: &'a [usize],
    /// Where each row of sums of a part of the terms starts.
    sum_offsets: &'a [usize],
    /// Number of rows.
    count: usize,
}

/// One block of rows times some panels.
struct BlockTask<'a, T: Terms> {
    plan: &'a Plan<'a, T>,
    block: usize,
    panels: Range<usize>,
    tables: Tables<'a, T::Number>,
    /// Place for sums of a part of the terms, unless it is C.
    sums: Option<&'a mut [f32]>,
    c: &'a DisjointMut<'a, T::Number>,
    statistics: Option<&'a BlockStatistics<'a>>,
}

impl<T: Terms> Kernel for BlockTask<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let product = self.plan.product;
        let width = blocking::panel_width::<S>();
        if self.panels.is_empty() {
            return;
        }
        let (taps, len) = (product.a.taps.len(), T::elements(product.a.len));
        match product.b {
            Panels::Packed(b) => {
                assert!(b.len() >= pack::packed_width(product.columns, S::LANES) * taps * len)
            }
            Panels::InPlace { data, row_stride } => {
                assert!(product.columns.is_multiple_of(S::LANES));
                assert!(data.len() >= (taps * len - 1) * row_stride + product.columns);
            }
        }
        // SAFETY: the product was checked; the tables hold whole tiles of pointers.
        unsafe {
            if taps * len == 0 {
                let nothing = Chunk { segment: 0, segments: 0, offset: 0, len: 0 };
                self.chunk::<S>(&nothing, 0, true);
            }
            let mut first_row = 0;
            for chunk in blocking::chunks(taps, len) {
                let last = first_row + chunk.rows() == taps * len;
                self.chunk::<S>(&chunk, first_row, last);
                first_row += chunk.rows();
            }
            if let Some(statistics) = self.statistics {
                let columns = self.panels.start * width..product.columns.min(self.panels.end * width);
                // This task wrote these rows and columns, and no other task does.
                let offsets = &self.tables.offsets[..self.tables.count];
                statistics.of_block::<S, T::Number>(self.block, self.c.as_mut_ptr(), offsets, columns);
            }
        }
    }
}

impl<T: Terms> BlockTask<'_, T> {
    /// Multiplies one chunk, which starts at row `first_row` of B, and adds it to what those before it came to.
    ///
    /// # Safety
    /// The processor has the instruction set; the product is valid.
    #[inline(always)]
    unsafe fn chunk<S: Simd>(&self, chunk: &Chunk, first_row: usize, last: bool) {
        let product = self.plan.product;
        let width = blocking::panel_width::<S>();
        let row_len = pack::packed_width(product.columns, S::LANES);
        let (bias, add) = if last { (self.plan.bias, self.plan.add) } else { (None, None) };
        let at_once = blocking::group_panels::<S>(chunk.rows());
        let mut first = self.panels.start;
        while first < self.panels.end {
            let column = first * width;
            let vectors = width.min(row_len - column) / S::LANES;
            // Panels of a group are equally wide.
            let whole = (row_len / width).max(first + 1);
            let end = self.panels.end.min(first + at_once).min(whole);
            let (panel_data, panel_stride, panel_step) = match product.b {
                Panels::Packed(b) => {
                    let wide = vectors * S::LANES;
                    (&b[first_row * row_len + column * chunk.rows()..], wide, wide * chunk.rows())
                }
                Panels::InPlace { data, row_stride } => {
                    (&data[first_row * row_stride + column..], row_stride, width)
                }
            };
            let sums = self.sums.as_ref().map(|sums| sums[column - self.panels.start * width..].as_ptr());
            let operands = Operands {
                rows: self.tables.rows[chunk.segment * self.tables.stride..].as_ptr().cast(),
                table_stride: self.tables.stride,
                segments: chunk.segments,
                segment_len: chunk.len,
                segment_offset: chunk.offset,
                panel: panel_data.as_ptr(),
                panel_stride,
                start: sums.filter(|_| first_row > 0).unwrap_or(std::ptr::null()),
                start_stride: self.tables.sum_offsets.get(1).copied().unwrap_or(0),
            };
            // SAFETY: the caller's guarantees; nobody else knows this task's sums.
            unsafe {
                match sums.filter(|_| !last) {
                    Some(sums) => {
                        let to = Destination {
                            c: sums.cast_mut(),
                            row_offsets: self.tables.sum_offsets.as_ptr(),
                            rows: self.tables.count,
                            columns: product.columns - column,
                            accumulate: false,
                            bias: std::ptr::null(),
                            add: std::ptr::null(),
                            relu: false,
                        };
                        PanelGroup { operands, destination: to, panels: end - first, panel_step }
                            .run::<S, T>(vectors);
                    }
                    None => {
                        let to = Destination {
                            c: self.c.as_mut_ptr().wrapping_add(column),
                            row_offsets: self.tables.offsets.as_ptr(),
                            rows: self.tables.count,
                            columns: product.columns - column,
                            accumulate: product.accumulate || (first_row > 0 && sums.is_none()),
                            bias: at(bias, column),
                            add: at(add, column),
                            relu: last && self.plan.relu,
                        };
                        PanelGroup { operands, destination: to, panels: end - first, panel_step }
                            .run::<S, T>(vectors);
                    }
                }
            }
            first = end;
        }
    }
}

/// The address of element `offset`, or null.
pub(super) fn at<E>(slice: Option<&[E]>, offset: usize) -> *const E {
    slice.map_or(std::ptr::null(), |slice| slice.as_ptr().wrapping_add(offset))
}

/// A block of rows over neighbouring panels of the same width.
struct PanelGroup<E> {
    /// Of the first row and panel.
    operands: Operands,
    /// Of the first panel; all rows, and all columns from there on.
    destination: Destination<E>,
    /// Number of panels.
    panels: usize,
    /// Floats from one panel to the next.
    panel_step: usize,
}

impl<E: Element> PanelGroup<E> {
    /// # Safety
    /// As [`tile`], for all rows and panels, which are `vectors` vectors wide.
    #[inline(always)]
    unsafe fn run<S: Simd, T: Terms>(self, vectors: usize) {
        // As many accumulators as registers allow, whatever the width.
        let wide = S::REGISTERS >= 32;
        // SAFETY: the caller's guarantees.
        unsafe {
            match (vectors, wide) {
                (1, _) => self.strips::<S, T, 12, 1>(),
                (2, true) => self.strips::<S, T, 12, 2>(),
                (2, false) => self.strips::<S, T, 6, 2>(),
                (3, true) => self.strips::<S, T, 8, 3>(),
                (4, true) => self.strips::<S, T, 6, 4>(),
                _ => unreachable!("panels have 1 to {} vectors", blocking::tile_vectors::<S>()),
            }
        }
    }

    /// Strip by strip: the rows of a strip stay in L1 while the panels, which stay in L2, pass by.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    #[inline(always)]
    unsafe fn strips<S: Simd, T: Terms, const MR: usize, const NV: usize>(self) {
        const { assert!(TABLE_GRANULE.is_multiple_of(MR) && BLOCK_ROWS.is_multiple_of(MR)) };
        let Self { operands: mut x, destination: all, panels, panel_step } = self;
        let width = NV * S::LANES;
        // Of the next strip's rows, while each panel passes by.
        let segment_lines = x.segment_len.div_ceil(LINE);
        let lines = segment_lines.div_ceil(panels);
        let (first_panel, mut first_start) = (x.panel, x.start);
        let mut row = 0;
        while row < all.rows {
            let next = if row + MR < all.rows { MR } else { 0 };
            (x.panel, x.start) = (first_panel, first_start);
            for panel in 0..panels {
                let column = panel * width;
                // SAFETY: the caller's guarantees.
                unsafe {
                    let row_offsets = all.row_offsets.add(row);
                    let to = Destination {
                        c: all.c.wrapping_add(column),
                        row_offsets,
                        rows: MR.min(all.rows - row),
                        columns: width.min(all.columns - column),
                        accumulate: all.accumulate,
                        bias: at_column(all.bias, column),
                        add: at_column(all.add, column),
                        relu: all.relu,
                    };
                    let (c, add, row_offsets) = if panel + 1 < panels {
                        (to.c.wrapping_add(width), at_column(to.add, width), row_offsets)
                    } else {
                        (all.c, all.add, row_offsets.add(next))
                    };
                    let rows = if next > 0 { x.rows.add(MR) } else { std::ptr::null() };
                    let lines = panel * lines..((panel + 1) * lines).min(segment_lines);
                    let next_tile = NextTile { c, add, row_offsets, rows, lines };
                    tile::<S, T, E, MR, NV>(&x, &to, &next_tile);
                }
                x.panel = x.panel.wrapping_add(panel_step);
                x.start = at_column(x.start, width);
            }
            first_start = at_column(first_start, MR * x.start_stride);
            // SAFETY: the table holds whole tiles.
            x.rows = unsafe { x.rows.add(MR) };
            row += MR;
        }
    }
}

/// The address `offset` further on, or null.
#[inline(always)]
fn at_column<E>(p: *const E, offset: usize) -> *const E {
    if p.is_null() { p } else { p.wrapping_add(offset) }
}
