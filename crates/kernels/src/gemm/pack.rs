//! Packing B into panels, in the order in which the micro-kernel reads it.

use super::blocking::{self, Chunk};
use crate::layout;
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd, dispatch};

/// Where B lies: row `p` of segment `s`, column `j` is at `segments[s] + p * row_stride + j * column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    /// All of B.
    pub data: &'a [f32],
    /// Where each segment starts.
    pub segments: &'a [usize],
    /// Rows of a segment.
    pub segment_len: usize,
    /// Number of columns.
    pub columns: usize,
    /// Distance between rows.
    pub row_stride: usize,
    /// Distance between columns.
    pub column_stride: usize,
}

impl Columns<'_> {
    /// Rows in all segments.
    pub fn rows(&self) -> usize {
        self.segments.len() * self.segment_len
    }

    pub(super) fn check(&self) {
        if self.rows() > 0 && self.columns > 0 {
            let last = (self.segment_len - 1) * self.row_stride + (self.columns - 1) * self.column_stride;
            assert!(self.segments.iter().all(|s| s + last < self.data.len()), "B reaches beyond its data");
        }
    }
}

/// B as products read it.
#[derive(Clone, Copy)]
pub(crate) enum Panels<'a> {
    /// As the product's [`Method`](super::method::Method) packs it.
    Packed(&'a [f32]),
    /// Row after row, where it lies.
    InPlace {
        /// All rows.
        data: &'a [f32],
        /// Distance between rows.
        row_stride: usize,
    },
}

/// Rows of C over which packing is spread: the kernel reads B once for each block of them.
const FEW_ROWS: usize = 2 * blocking::BLOCK_ROWS;
/// Rows of C for which a panel is hardly read twice, so that it need not stay in the L1 cache.
const ONE_TILE: usize = 12;
/// Rows of B at a distance of a multiple of this many floats fall into few sets of the L1 cache, for panels that fit into it.
const CROWDED: usize = 64;
const ROWS_IN_L1: usize = 128;
/// And those into few sets of L2.
const CROWDED_IN_L2: usize = 512;

impl<'a> Panels<'a> {
    /// `b` in place, if a product of `rows` rows is better off with it: few of them, whole vectors on every
    /// instruction set, and distances that spread a panel over the cache.
    pub fn in_place(b: &Columns<'a>, rows: usize) -> Option<Self> {
        const WIDEST: usize = 16;
        let whole = b.column_stride == 1 && b.columns.is_multiple_of(WIDEST);
        let crowded = if b.rows() > ROWS_IN_L1 { CROWDED_IN_L2 } else { CROWDED };
        let spread = !b.row_stride.is_multiple_of(crowded) || b.columns <= WIDEST || rows <= ONE_TILE;
        let good = rows <= FEW_ROWS && whole && spread && b.segments == [0] && b.rows() > 0;
        good.then(|| {
            b.check();
            Panels::InPlace { data: b.data, row_stride: b.row_stride }
        })
    }
}

/// Width in floats of `columns` columns after packing: whole vectors.
pub(crate) fn packed_width(columns: usize, lanes: usize) -> usize {
    columns.next_multiple_of(lanes)
}

/// Floats that B needs when packed.
pub(crate) fn packed_len(b: &Columns) -> usize {
    struct Width(usize);
    impl Kernel for Width {
        type Out = usize;
        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> usize {
            packed_width(self.0, S::LANES)
        }
    }
    b.rows() * dispatch(Width(b.columns))
}

/// Packs B: chunk after chunk, in each chunk panel after panel, in each panel row after row; a last panel may
/// be narrower, and is filled up with zeros to whole vectors.
pub(crate) fn pack(b: &Columns, packed: &mut [f32]) {
    b.check();
    assert!(packed.len() >= packed_len(b));
    dispatch(Pack { b, packed });
}

struct Pack<'a> {
    b: &'a Columns<'a>,
    packed: &'a mut [f32],
}

impl Kernel for Pack<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Pack { b, packed } = self;
        let width = blocking::panel_width::<S>();
        let row_len = packed_width(b.columns, S::LANES);
        let chunks = blocking::chunks(b.segments.len(), b.segment_len);
        for_each_panel(chunks, [row_len, width], packed, |chunk, panel, to| {
            let column = panel * width;
            pack_panel(b, chunk, column, width.min(row_len - column), to);
        });
    }
}

/// Has the panels of all chunks packed: calls `pack(chunk, panel, its place)`. Of the `row_len` floats that a row of B becomes
/// each panel but the last takes `panel_row`.
pub(super) fn for_each_panel(
    chunks: impl Iterator<Item = Chunk>,
    [row_len, panel_row]: [usize; 2],
    packed: &mut [f32],
    pack: impl Fn(&Chunk, usize, &mut [f32]) + Sync,
) {
    let mut rows = 0;
    let first_rows = chunks.map(|chunk| {
        rows += chunk.rows();
        (rows - chunk.rows(), chunk)
    });
    let chunks: Vec<(usize, Chunk)> = first_rows.collect();
    let packed = DisjointMut::new(packed);
    // A task packs some pairs of a panel and a chunk.
    let pairs = row_len.div_ceil(panel_row) * chunks.len();
    let at_once = parallel::MIN_BLOCK * chunks.len() / (rows * panel_row).max(1);
    parallel::for_each_range(pairs, at_once, |pairs| {
        for pair in pairs {
            let (panel, (first_row, chunk)) = (pair / chunks.len(), &chunks[pair % chunks.len()]);
            let first = panel * panel_row;
            let start = first_row * row_len + first * chunk.rows();
            let len = panel_row.min(row_len - first) * chunk.rows();
            // SAFETY: panels do not overlap.
            pack(chunk, panel, unsafe { packed.slice(start..start + len) });
        }
    });
}

/// Packs `width` columns of a chunk from `column` on, row after row; those that are missing as zeros.
pub(super) fn pack_panel(b: &Columns, chunk: &Chunk, column: usize, width: usize, to: &mut [f32]) {
    let columns = width.min(b.columns - column);
    for s in 0..chunk.segments {
        let from =
            &b.data[b.segments[chunk.segment + s] + chunk.offset * b.row_stride + column * b.column_stride..];
        let to = &mut to[s * chunk.len * width..(s + 1) * chunk.len * width];
        if b.column_stride == 1 {
            for (p, to) in to.chunks_exact_mut(width).enumerate() {
                copy(&from[p * b.row_stride..][..columns], to);
                to[columns..].fill(0.0);
            }
        } else if b.row_stride == 1 {
            transpose(from, b.column_stride, columns, to, width);
        } else {
            for (p, to) in to.chunks_exact_mut(width).enumerate() {
                for (j, to) in to.iter_mut().enumerate() {
                    *to = if j < columns { from[p * b.row_stride + j * b.column_stride] } else { 0.0 };
                }
            }
        }
    }
}

/// Copies `columns` columns, each of which lies in one piece, to rows of `width` floats.
fn transpose(from: &[f32], column_stride: usize, columns: usize, to: &mut [f32], width: usize) {
    layout::transpose_lines(from, column_stride, columns, to, width);
    to.chunks_exact_mut(width).for_each(|to| to[columns..].fill(0.0));
}

/// Copies a row of a panel. A call of memcpy for each costs more than the copy.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    const BLOCK: usize = 8;
    let (blocks, rest) = from.as_chunks::<BLOCK>();
    let (to_blocks, _) = to.as_chunks_mut::<BLOCK>();
    for (to, from) in to_blocks.iter_mut().zip(blocks) {
        *to = *from;
    }
    for (to, from) in to[blocks.len() * BLOCK..].iter_mut().zip(rest) {
        *to = *from;
    }
}
