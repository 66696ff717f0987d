//! How a product is computed: what its elements are, and by which loops.

use super::driver::Product;
use super::epilogue::Epilogue;
use super::micro_kernel::{Pairs, Singles};
use super::pack::{self, Columns, Panels};
use super::{blocking, strassen};
use crate::{Element, scratch};
use half::bf16;

/// A way to compute products.
pub(crate) trait Method: Copy {
    /// The numbers of C.
    type Number: Element;

    /// Floats that B needs when packed.
    fn packed_len(self, b: &Columns) -> usize;

    /// Packs B.
    fn pack(self, b: &Columns, packed: &mut [f32]);

    /// Computes C.
    fn run(self, product: &Product, c: &mut [Self::Number], epilogue: Epilogue<Self::Number>);

    /// Packs `b` into scratch memory and calls `f` with it.
    fn with_packed<R>(self, b: &Columns, f: impl FnOnce(&[f32]) -> R) -> R {
        scratch::with(self.packed_len(b), |packed: &mut [f32]| {
            self.pack(b, packed);
            f(packed)
        })
    }
}

/// Products of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floats {
    /// Each row with each column.
    Plain,
    /// By [`strassen`], where it [applies](strassen::applies).
    Strassen,
}

impl Floats {
    /// Whether all terms of `segments` segments of `len` floats are summed up before C is touched, so that
    /// [accumulating](Product::accumulate) adds what an epilogue's tensor with the values of C would.
    pub fn touches_once(self, segments: usize, len: usize) -> bool {
        let chunks = match self {
            Floats::Plain => blocking::chunks(segments, len).count(),
            Floats::Strassen => strassen::chunks(segments, len).count(),
        };
        chunks == 1
    }
}

impl Method for Floats {
    type Number = f32;

    fn packed_len(self, b: &Columns) -> usize {
        match self {
            Floats::Plain => pack::packed_len(b),
            Floats::Strassen => strassen::packed_len(b.rows(), b.columns),
        }
    }

    fn pack(self, b: &Columns, packed: &mut [f32]) {
        match self {
            Floats::Plain => pack::pack(b, packed),
            Floats::Strassen => strassen::pack(b, packed),
        }
    }

    fn run(self, product: &Product, c: &mut [f32], epilogue: Epilogue) {
        match (self, product.b) {
            (Floats::Strassen, Panels::Packed(b)) => strassen::run(product, b, c, epilogue),
            _ => product.run::<Singles>(c, epilogue),
        }
    }
}

/// Products of pairs of bfloat16 numbers, each row with each column.
impl Method for Pairs {
    type Number = bf16;

    fn packed_len(self, b: &Columns) -> usize {
        pack::packed_len(b)
    }

    fn pack(self, b: &Columns, packed: &mut [f32]) {
        pack::pack(b, packed);
    }

    fn run(self, product: &Product, c: &mut [bf16], epilogue: Epilogue<bf16>) {
        product.run::<Pairs>(c, epilogue);
    }
}
