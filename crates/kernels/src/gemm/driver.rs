//! The loops around the micro-kernel, and who runs them.

use super::blocking::{self, BLOCK_ROWS, Chunk};
use super::epilogue::Epilogue;
use super::micro_kernel::{
    Destination, LINE, Operands, Pairs, Singles, Terms, prefetch_destination, prefetch_rows, tile,
};
use super::pack::{self, Columns, Panels};
use super::rows::{self, Grid, Patches, Placement};
use super::statistics::{self, BlockStatistics};
use super::strassen;
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch, dispatch_pairs};
use std::ops::Range;

/// Tiles of any height may read the table of row pointers up to this multiple.
const TABLE_GRANULE: usize = 24;
/// Multiply-adds that are worth a task of their own.
const TASK_WORK: usize = 256 * 1024;
/// Tasks to aim for, so that several threads finish at about the same time.
pub(super) const TASKS: usize = 32;

/// C = A B for rows given by `grid` and `a`, with the columns in `packed` (of shape `b`), then the epilogue.
pub(crate) struct Product<'a> {
    /// Rows of A and C.
    pub grid: Grid,
    /// Where the rows of A lie.
    pub a: Patches<'a>,
    /// Number of columns.
    pub columns: usize,
    /// The columns.
    pub b: Panels<'a>,
    /// Where the rows of C lie.
    pub place: Placement,
    /// Add to C instead of overwriting it.
    pub accumulate: bool,
    /// How it is computed.
    pub method: Method,
}

/// What the elements of A and B are, and how they are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Floats, each row with each column.
    Plain,
    /// [Pairs] of bfloat16 numbers, each row with each column.
    Pairs,
    /// Floats, by [`strassen`], where it [applies](strassen::applies).
    Strassen,
}

impl Method {
    /// Floats that B needs when packed.
    pub fn packed_len(self, b: &Columns) -> usize {
        match self {
            Method::Plain | Method::Pairs => pack::packed_len(b),
            Method::Strassen => strassen::packed_len(b.rows(), b.columns),
        }
    }

    /// Whether all terms of `segments` segments of `len` floats are summed up before C is touched, so that
    /// [accumulating](Product::accumulate) adds what an epilogue's tensor with the values of C would.
    pub fn touches_once(self, segments: usize, len: usize) -> bool {
        let chunks = match self {
            Method::Plain | Method::Pairs => blocking::chunks(segments, len).count(),
            Method::Strassen => strassen::chunks(segments, len).count(),
        };
        chunks == 1
    }

    /// Packs B.
    pub fn pack(self, b: &Columns, packed: &mut [f32]) {
        match self {
            Method::Plain | Method::Pairs => pack::pack(b, packed),
            Method::Strassen => strassen::pack(b, packed),
        }
    }

    /// Packs `b` into scratch memory and calls `f` with it.
    pub fn with_packed<R>(self, b: &Columns, f: impl FnOnce(&[f32]) -> R) -> R {
        scratch::with(self.packed_len(b), |packed: &mut [f32]| {
            self.pack(b, packed);
            f(packed)
        })
    }
}

impl Product<'_> {
    /// Computes C.
    pub fn run(self, c: &mut [f32], epilogue: Epilogue) {
        let (rows, columns) = (self.grid.len(), self.columns);
        if rows == 0 || columns == 0 {
            return;
        }
        self.check(c.len(), &epilogue);
        if let (Method::Strassen, Panels::Packed(b)) = (self.method, self.b) {
            return strassen::run(&self, b, c, epilogue);
        }
        let depth = self.a.taps.len() * self.a.len;
        let work = rows * columns * depth.max(1);
        let row_blocks = rows.div_ceil(BLOCK_ROWS);
        // Few rows: give the columns to several tasks too. The cut changes no result.
        let column_groups = (TASKS / row_blocks).min(work / row_blocks / TASK_WORK).max(1);
        let bias = epilogue.bias;
        let plan = Plan { product: &self, bias, add: epilogue.add, relu: epilogue.relu, column_groups };
        let c = DisjointMut::new(c);
        let block_rows = |block: usize| BLOCK_ROWS.min(rows - block * BLOCK_ROWS);
        statistics::by_blocks(epilogue.statistics, columns, row_blocks, block_rows, |statistics| {
            plan.launch(row_blocks, work, &c, statistics);
        });
    }

    fn check(&self, c_len: usize, epilogue: &Epilogue) {
        let (grid, place) = (&self.grid, &self.place);
        let last = place.offset(grid.images - 1, grid.height - 1, grid.width - 1) + self.columns;
        assert!(last <= c_len, "C has {c_len} elements, {last} are needed");
        assert!(epilogue.add.is_none_or(|add| add.len() == c_len), "the tensor to add is not of C's size");
        assert!(epilogue.bias.is_none_or(|bias| bias.len() == self.columns), "one bias a column");
        assert!(self.a.zeros.len() >= self.a.len, "too few zeros");
    }
}

struct Plan<'a> {
    product: &'a Product<'a>,
    bias: Option<&'a [f32]>,
    add: Option<&'a [f32]>,
    relu: bool,
    column_groups: usize,
}

impl Plan<'_> {
    fn launch(
        &self,
        row_blocks: usize,
        work: usize,
        c: &DisjointMut<f32>,
        statistics: Option<&BlockStatistics>,
    ) {
        let rows = self.product.grid.len();
        let tasks = row_blocks * self.column_groups;
        // Small tasks are run several at a time.
        let at_once = (TASK_WORK / (work / tasks).max(1)).max(1);
        parallel::for_each_range(tasks, at_once, |tasks| {
            for task in tasks {
                let (block, group) = (task / self.column_groups, task % self.column_groups);
                let rows = block * BLOCK_ROWS..rows.min((block + 1) * BLOCK_ROWS);
                self.block(block, rows, group, c, statistics);
            }
        });
    }

    /// Fills the tables of a block of rows, then computes its part of C.
    fn block(
        &self,
        block: usize,
        rows: Range<usize>,
        group: usize,
        c: &DisjointMut<f32>,
        statistics: Option<&BlockStatistics>,
    ) {
        let product = self.product;
        let count = rows.len();
        let stride = count.next_multiple_of(TABLE_GRANULE);
        scratch::with((product.a.taps.len() + 1) * stride, |memory: &mut [usize]| {
            let (offsets, table) = memory.split_at_mut(stride);
            let table = rows::pointer_table(table);
            product.a.locate(&product.grid, rows.clone(), table, stride);
            product.place.locate(&product.grid, rows, offsets);
            let last = offsets[count - 1];
            offsets[count..].fill(last);
            let task = BlockTask { plan: self, block, group, table, stride, offsets, count, c, statistics };
            if product.method == Method::Pairs {
                dispatch_pairs(Of(task, Pairs));
            } else {
                dispatch(Of(task, Singles));
            }
        });
    }
}

/// One block of rows times one group of columns.
struct BlockTask<'a> {
    plan: &'a Plan<'a>,
    block: usize,
    group: usize,
    /// Pointers to the segments of the rows, `stride` a segment.
    table: &'a [*const f32],
    stride: usize,
    /// Where each row of C starts; the last repeated for as many as the table has.
    offsets: &'a [usize],
    /// Number of rows.
    count: usize,
    c: &'a DisjointMut<'a, f32>,
    statistics: Option<&'a BlockStatistics<'a>>,
}

/// The task for elements of a kind.
struct Of<'a, T>(BlockTask<'a>, T);

impl<T: Terms> Kernel for Of<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's guarantee.
        unsafe { self.0.run::<S, T>() }
    }
}

impl BlockTask<'_> {
    /// # Safety
    /// The processor has the instruction set.
    #[inline(always)]
    unsafe fn run<S: Simd, T: Terms>(self) {
        let product = self.plan.product;
        let width = blocking::panel_width::<S>();
        let panels = product.columns.div_ceil(width);
        let per_group = panels.div_ceil(self.plan.column_groups);
        let panels = panels.min(self.group * per_group)..panels.min((self.group + 1) * per_group);
        if panels.is_empty() {
            return;
        }
        let (taps, len) = (product.a.taps.len(), product.a.len);
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
                self.chunk::<S, T>(&nothing, 0, true, panels.clone());
            }
            let mut first_row = 0;
            for chunk in blocking::chunks(taps, len) {
                let last = first_row + chunk.rows() == taps * len;
                self.chunk::<S, T>(&chunk, first_row, last, panels.clone());
                first_row += chunk.rows();
            }
            if let Some(statistics) = self.statistics {
                let columns = panels.start * width..product.columns.min(panels.end * width);
                // This task wrote these rows and columns, and no other task does.
                statistics.of_block::<S, f32>(
                    self.block,
                    self.c.as_mut_ptr(),
                    &self.offsets[..self.count],
                    columns,
                );
            }
        }
    }

    /// Multiplies one chunk, which starts at row `first_row` of B, and adds it to C.
    ///
    /// # Safety
    /// The processor has the instruction set; the product is valid.
    #[inline(always)]
    unsafe fn chunk<S: Simd, T: Terms>(
        &self,
        chunk: &Chunk,
        first_row: usize,
        last: bool,
        panels: Range<usize>,
    ) {
        let product = self.plan.product;
        let width = blocking::panel_width::<S>();
        let row_len = pack::packed_width(product.columns, S::LANES);
        let (bias, add) = if last { (self.plan.bias, self.plan.add) } else { (None, None) };
        let at_once = blocking::group_panels::<S>(chunk.rows());
        let mut first = panels.start;
        while first < panels.end {
            let column = first * width;
            let vectors = width.min(row_len - column) / S::LANES;
            // Panels of a group are equally wide.
            let whole = (row_len / width).max(first + 1);
            let end = panels.end.min(first + at_once).min(whole);
            let (panel_data, panel_stride, panel_step) = match product.b {
                Panels::Packed(b) => {
                    let wide = vectors * S::LANES;
                    (&b[first_row * row_len + column * chunk.rows()..], wide, wide * chunk.rows())
                }
                Panels::InPlace { data, row_stride } => {
                    (&data[first_row * row_stride + column..], row_stride, width)
                }
            };
            let operands = Operands {
                rows: self.table[chunk.segment * self.stride..].as_ptr(),
                table_stride: self.stride,
                segments: chunk.segments,
                segment_len: chunk.len,
                segment_offset: chunk.offset,
                panel: panel_data.as_ptr(),
                panel_stride,
            };
            let destination = Destination {
                c: self.c.as_mut_ptr().wrapping_add(column),
                row_offsets: self.offsets.as_ptr(),
                rows: self.count,
                columns: product.columns - column,
                accumulate: product.accumulate || first_row > 0,
                bias: at(bias, column),
                add: at(add, column),
                relu: last && self.plan.relu,
            };
            let group = PanelGroup { operands, destination, panels: end - first, panel_step };
            // SAFETY: the caller's guarantees.
            unsafe { group.run::<S, T>(vectors) };
            first = end;
        }
    }
}

/// The address of element `offset`, or null.
pub(super) fn at(slice: Option<&[f32]>, offset: usize) -> *const f32 {
    slice.map_or(std::ptr::null(), |slice| slice.as_ptr().wrapping_add(offset))
}

/// A block of rows over neighbouring panels of the same width.
struct PanelGroup {
    /// Of the first row and panel.
    operands: Operands,
    /// Of the first panel; all rows, and all columns from there on.
    destination: Destination,
    /// Number of panels.
    panels: usize,
    /// Floats from one panel to the next.
    panel_step: usize,
}

impl PanelGroup {
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
        let lines = x.segment_len.div_ceil(LINE).div_ceil(panels);
        let first_panel = x.panel;
        let mut row = 0;
        while row < all.rows {
            let next = if row + MR < all.rows { MR } else { 0 };
            x.panel = first_panel;
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
                    if panel + 1 < panels {
                        let add = at_column(to.add, width);
                        prefetch_destination::<S, MR, NV>(to.c.wrapping_add(width), add, row_offsets);
                    } else {
                        prefetch_destination::<S, MR, NV>(all.c, all.add, row_offsets.add(next));
                    }
                    if next > 0 {
                        let lines = panel * lines..(panel + 1) * lines;
                        prefetch_rows::<S, MR>(&x, x.rows.add(MR), lines);
                    }
                    tile::<S, T, MR, NV>(&x, &to);
                }
                x.panel = x.panel.wrapping_add(panel_step);
            }
            // SAFETY: the table holds whole tiles.
            x.rows = unsafe { x.rows.add(MR) };
            row += MR;
        }
    }
}

/// The address `offset` further on, or null.
#[inline(always)]
fn at_column(p: *const f32, offset: usize) -> *const f32 {
    if p.is_null() { p } else { p.wrapping_add(offset) }
}
