//! Packing B with its sums.

use super::{GRANULE, PRODUCTS, applies, chunks};
use crate::gemm::blocking::{self, Chunk};
use crate::gemm::pack::{Columns, for_each_panel, pack_panel};
use crate::simd::{Kernel, Simd, dispatch};
use crate::vectorize::vectorize;

/// Floats that `rows` rows of B take when packed.
pub(in crate::gemm) fn packed_len(rows: usize, columns: usize) -> usize {
    rows * (columns / 4 * PRODUCTS)
}

/// Packs B: chunk after chunk, in each panel after panel of the left half, in each the seven factors, row after row.
pub(in crate::gemm) fn pack(b: &Columns, packed: &mut [f32]) {
    assert!(applies(b.segment_len, b.columns) && packed.len() >= packed_len(b.rows(), b.columns));
    b.check();
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
        const { assert!((GRANULE / 2).is_multiple_of(blocking::panel_width::<S>())) };
        let chunks = chunks(b.segments.len(), b.segment_len);
        for_each_panel(
            chunks,
            [packed_len(1, b.columns), packed_len(1, 2 * width)],
            packed,
            |chunk, panel, to| {
                factors(b, chunk, panel * width, width, to);
            },
        );
    }
}

/// The factors of one panel, whose columns start at `column` of either half, in the order in which
/// [`tile`](super::tile::tile) takes them.
fn factors(b: &Columns, chunk: &Chunk, column: usize, width: usize, to: &mut [f32]) {
    let upper = Chunk { len: chunk.len / 2, ..*chunk };
    let lower = Chunk { offset: chunk.offset + upper.len, ..upper };
    let len = to.len() / PRODUCTS;
    let (b11, to) = to.split_at_mut(len);
    let (b21, to) = to.split_at_mut(len);
    let (b22_less_t1, to) = to.split_at_mut(len);
    let (b22_less_b12, to) = to.split_at_mut(len);
    let (b21_less_those, to) = to.split_at_mut(len);
    let (t1, b22) = to.split_at_mut(len);
    let right = b.columns / 2 + column;
    pack_panel(b, &upper, column, width, b11);
    pack_panel(b, &lower, column, width, b21);
    pack_panel(b, &upper, right, width, t1);
    pack_panel(b, &lower, right, width, b22);
    vectorize(
        #[inline(always)]
        || {
            for i in 0..len {
                let b12 = t1[i];
                t1[i] = b12 - b11[i];
                b22_less_b12[i] = b22[i] - b12;
                b22_less_t1[i] = b22[i] - t1[i];
                b21_less_those[i] = b21[i] - b22_less_t1[i];
            }
        },
    );
}
