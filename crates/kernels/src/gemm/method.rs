//! How a product is computed: what its elements are, and by which loops.

use super::driver::Product;
use super::epilogue::Epilogue;
use super::micro_kernel::{Pairs, Singles, Terms};
use super::pack::{self, Columns, Panels};
use super::{blocking, strassen};
use crate::{Element, parallel, scratch};
use half::bf16;

/// A way to compute products.
pub(crate) trait Method: Copy {
    /// The numbers of A and C.
    type Number: Element;

    /// Floats that B needs when packed.
    fn packed_len(self, b: &Columns) -> usize;

    /// Packs B.
    fn pack(self, b: &Columns, packed: &mut [f32]);

    /// Computes C.
    fn run(self, product: &Product<Self::Number>, c: &mut [Self::Number], epilogue: Epilogue<Self::Number>);

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

/// Each row with each column.
impl Method for Pairs {
    type Number = bf16;

    fn packed_len(self, b: &Columns) -> usize {
        pack::packed_len(&Columns { segment_len: Self::elements(b.segment_len), ..*b })
    }

    fn pack(self, b: &Columns, packed: &mut [f32]) {
        with_pairs(b, |pairs| pack::pack(&pairs, packed));
    }

    fn run(self, product: &Product<bf16>, c: &mut [bf16], epilogue: Epilogue<bf16>) {
        product.run::<Pairs>(c, epilogue);
    }
}

/// Calls `f` with the columns of B in pairs of rows, rounded to bfloat16; they lie in the direction in which B does.
fn with_pairs<R>(b: &Columns, f: impl FnOnce(Columns) -> R) -> R {
    b.check();
    let (len, segments) = (b.segment_len, b.segments.len());
    let half = Pairs::elements(len);
    scratch::with(segments * half * b.columns, |pairs: &mut [f32]| {
        if b.column_stride == 1 {
            parallel::for_each_chunk(pairs, b.columns, |start, pairs| {
                for (i, pairs) in pairs.chunks_exact_mut(b.columns).enumerate() {
                    let (segment, row) =
                        ((start / b.columns + i) / half, 2 * ((start / b.columns + i) % half));
                    let row_of =
                        |row: usize| &b.data[b.segments[segment] + row * b.row_stride..][..b.columns];
                    let rows = (row_of(row), if row + 1 < len { row_of(row + 1) } else { &[] });
                    pair_rows(rows, pairs);
                }
            });
            let segments: Vec<_> = (0..segments).map(|s| s * half * b.columns).collect();
            let (row_stride, segment_len) = (b.columns, half);
            return f(Columns { data: pairs, segments: &segments, segment_len, row_stride, ..*b });
        }
        parallel::for_each_chunk(pairs, segments * half, |start, pairs| {
            for (i, pairs) in pairs.chunks_exact_mut(segments * half).enumerate() {
                let column = &b.data[(start / (segments * half) + i) * b.column_stride..];
                for (&segment, pairs) in b.segments.iter().zip(pairs.chunks_exact_mut(half)) {
                    for (k, pair) in pairs.iter_mut().enumerate() {
                        let at = |k: usize| if k < len { column[segment + k * b.row_stride] } else { 0.0 };
                        *pair = pair_of(at(2 * k), at(2 * k + 1));
                    }
                }
            }
        });
        let column_stride = segments * half;
        let segments: Vec<_> = (0..segments).map(|s| s * half).collect();
        f(Columns { data: pairs, segments: &segments, segment_len: half, row_stride: 1, column_stride, ..*b })
    })
}

/// Pairs the numbers of two rows; a second row that is not there is zeros.
fn pair_rows((first, second): (&[f32], &[f32]), pairs: &mut [f32]) {
    if second.is_empty() {
        pairs.iter_mut().zip(first).for_each(|(pair, &a)| *pair = pair_of(a, 0.0));
    } else {
        pairs.iter_mut().zip(first.iter().zip(second)).for_each(|(pair, (&a, &b))| *pair = pair_of(a, b));
    }
}

/// Two numbers, rounded to bfloat16, as memory has them.
fn pair_of(a: f32, b: f32) -> f32 {
    bytemuck::cast([bf16::narrow(a), bf16::narrow(b)])
}
