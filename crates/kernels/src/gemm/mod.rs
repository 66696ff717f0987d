//! Matrix multiplication, and the engine under the convolutions.
//!
//! * `blocking`: how a product is cut to stay in cache
//! * `pack`: the columns of B in the order the micro-kernel reads them
//! * `rows`: the rows of A and C, of a matrix or of image patches that are never copied
//! * `micro_kernel`: one tile in registers
//! * `driver`: the loops around it and the threads
//! * `method`: which loops, and of what numbers
//! * `strassen`: other loops around it, with fewer multiplications
//! * `apart`: products of few rows, whose terms are shared out instead
//! * `points`, `patch_sum`, `outer_kernel`: the other product, of which both operands lie point by point
//! * `epilogue`, `statistics`: what happens to a result while it is in cache
//!
//! Each element of C is a sum in an order that depends on the sizes and the instruction set only.

mod apart;
pub(crate) mod blocking;
pub(crate) mod driver;
mod epilogue;
pub(crate) mod method;
pub(crate) mod micro_kernel;
pub(crate) mod outer_kernel;
pub(crate) mod pack;
pub(crate) mod patch_sum;
pub(crate) mod points;
pub(crate) mod rows;
mod segment_kernel;
pub(crate) mod statistics;
pub(crate) mod strassen;
#[cfg(test)]
mod tests;

pub use epilogue::{ColumnStatistics, Epilogue};

use crate::layout;
use crate::parallel;
use crate::scratch;
use driver::Product;
use method::{Floats, Method};
use pack::{Columns, Panels};
use rows::{Grid, Patches, Placement};

/// A matrix to read: element (i, j) is `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct MatrixRef<'a> {
    /// The elements.
    pub data: &'a [f32],
    /// Distance between rows.
    pub row_stride: usize,
    /// Distance between columns.
    pub col_stride: usize,
}

impl<'a> MatrixRef<'a> {
    /// A dense matrix of `columns` columns, row after row.
    pub fn row_major(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: columns, col_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { data: self.data, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    #[track_caller]
    fn check(&self, name: &str, rows: usize, columns: usize) {
        check(name, self.data.len(), rows, columns, self.row_stride, self.col_stride);
    }
}

/// A matrix to write, with distinct elements.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    /// The elements.
    pub data: &'a mut [f32],
    /// Distance between rows.
    pub row_stride: usize,
    /// Distance between columns.
    pub col_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// A dense matrix of `columns` columns, row after row.
    pub fn row_major(data: &'a mut [f32], columns: usize) -> Self {
        Self { data, row_stride: columns, col_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { data: self.data, row_stride: self.col_stride, col_stride: self.row_stride }
    }
}

#[track_caller]
fn check(name: &str, len: usize, rows: usize, columns: usize, row_stride: usize, col_stride: usize) {
    if rows > 0 && columns > 0 {
        let last = (rows - 1) * row_stride + (columns - 1) * col_stride;
        assert!(
            last < len,
            "gemm: {name} is {rows}x{columns} with strides {row_stride}, {col_stride} and reaches beyond its {len} elements"
        );
    }
}

/// `C = A B`, or `C += A B`, then the epilogue; A is m x k, B is k x n, C is m x n, with any strides.
///
/// As `torch.matmul` of two matrices (`torch.addmm` with a bias). With an epilogue, C has to have a column
/// stride of 1, and a tensor to add has the layout of C.
///
/// # Panics
/// When a matrix reaches beyond its slice, or the epilogue does not fit C.
#[allow(clippy::too_many_arguments)] // the classic signature
#[track_caller]
pub fn gemm(
    m: usize,
    n: usize,
    k: usize,
    a: MatrixRef,
    b: MatrixRef,
    c: MatrixMut,
    accumulate: bool,
    epilogue: Epilogue,
) {
    a.check("A", m, k);
    b.check("B", k, n);
    check("C", c.data.len(), m, n, c.row_stride, c.col_stride);
    let plain = epilogue.bias.is_none() && epilogue.add.is_none() && !epilogue.relu;
    let plain = plain && epilogue.statistics.is_none();
    if plain && c.row_stride == 1 && c.col_stride != 1 {
        gemm(n, m, k, b.transposed(), a.transposed(), c.transposed(), accumulate, epilogue);
    } else if c.col_stride == 1 && c.row_stride == n && !accumulate && epilogue.only_columns() {
        dense([m, n, k], a, b, &mut c.data[..m * n], epilogue);
    } else if c.col_stride == 1 || n <= 1 {
        rows_of_c(m, n, k, a, b, c.data, c.row_stride, accumulate, epilogue);
    } else {
        assert!(plain, "gemm: an epilogue needs a C with a column stride of 1, found {}", c.col_stride);
        scratch::with(m * n, |dense: &mut [f32]| {
            rows_of_c(m, n, k, a, b, dense, n, false, epilogue);
            for (i, row) in dense.chunks_exact(n.max(1)).enumerate() {
                for (j, &x) in row.iter().enumerate() {
                    let c = &mut c.data[i * c.row_stride + j * c.col_stride];
                    *c = if accumulate { *c + x } else { x };
                }
            }
        });
    }
}

/// As [`gemm`], for a dense C that is overwritten, and no more than a bias and ReLU.
fn dense([m, n, k]: [usize; 3], a: MatrixRef, b: MatrixRef, c: &mut [f32], epilogue: Epilogue) {
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == n), "one bias a column");
    if c.is_empty() {
        return;
    }
    if points::multiplies([m, n, k], a, b) && epilogue.bias.is_none() && !epilogue.relu {
        points::multiply([m, n, k], a, b, c);
    } else if exchanging_pays([m, n, k], a, b) {
        exchanged([m, n, k], a, b, c, &epilogue);
    } else if apart::applies([m, n, k], b) {
        apart::gemm([m, n, k], a, b, c, &epilogue);
    } else {
        rows_of_c(m, n, k, a, b, c, n, false, epilogue);
    }
}

/// Whether fewer numbers go from rows to columns if C is computed as its transpose and then transposed. Vectors go along the
/// columns of what is computed, so these must not be too few.
fn exchanging_pays([m, n, k]: [usize; 3], a: MatrixRef, b: MatrixRef) -> bool {
    let cost = |stride: usize, numbers: usize| if stride == 1 || k <= 1 { 0 } else { numbers };
    let straight = cost(a.col_stride, m * k) + cost(b.col_stride, n * k);
    let exchanged = cost(b.row_stride, n * k) + cost(a.row_stride, m * k) + m * n;
    m >= FEWEST_COLUMNS && exchanged < straight
}

/// Columns that are worth computing a product's transpose.
const FEWEST_COLUMNS: usize = 8;

/// As [`dense`], computed as the transpose of C. A linear layer's weight, (out, in) in memory, lies as rows of that, so that a
/// small batch is packed in its place; the bits are the same.
fn exchanged([m, n, k]: [usize; 3], a: MatrixRef, b: MatrixRef, c: &mut [f32], epilogue: &Epilogue) {
    let product = |first: usize, len: usize, columns: &mut [f32], c: &mut [f32]| {
        let (a, b) = terms_from(first, a, b);
        rows_of_c(n, m, len, b.transposed(), a.transposed(), columns, m, false, Epilogue::default());
        layout::transpose(n, m, columns, c);
    };
    // The last chunk of terms is apart, because the bias belongs to it.
    let last = blocking::chunks(1, k).last().map_or(0, |chunk| chunk.offset);
    let earlier = if last > 0 { m * n } else { 0 };
    scratch::with(earlier + m * n, |memory: &mut [f32]| {
        let (earlier, columns) = memory.split_at_mut(earlier);
        if last > 0 {
            product(0, last, columns, earlier);
        }
        product(last, k - last, columns, c);
        apart::finish(earlier, c, epilogue);
    });
}

/// A and B without their first terms.
fn terms_from<'a>(first: usize, a: MatrixRef<'a>, b: MatrixRef<'a>) -> (MatrixRef<'a>, MatrixRef<'a>) {
    let (a_data, b_data) = (&a.data[first * a.col_stride..], &b.data[first * b.row_stride..]);
    (MatrixRef { data: a_data, ..a }, MatrixRef { data: b_data, ..b })
}

/// A matrix of so many rows and columns, as B.
fn columns_of([rows, columns]: [usize; 2], b: MatrixRef) -> Columns {
    let MatrixRef { data, row_stride, col_stride: column_stride } = b;
    Columns { data, segments: &[0], segment_len: rows, columns, row_stride, column_stride }
}

/// As [`gemm`], for C with neighbouring columns.
#[allow(clippy::too_many_arguments)]
fn rows_of_c(
    m: usize,
    n: usize,
    k: usize,
    a: MatrixRef,
    b: MatrixRef,
    c: &mut [f32],
    c_stride: usize,
    accumulate: bool,
    epilogue: Epilogue,
) {
    let product = |a: &[f32], row_stride: usize, c: &mut [f32]| {
        let columns = columns_of([k, n], b);
        let multiply = |b: Panels| {
            let a = Patches::matrix(a, [m, k], row_stride);
            let place = Placement { start: 0, image: 0, row: 0, column: c_stride };
            let product = Product { grid: Grid::matrix(m), a, columns: n, b, place, accumulate };
            Floats::Plain.run(&product, c, epilogue);
        };
        match Panels::in_place(&columns, m) {
            Some(b) => multiply(b),
            None => Floats::Plain.with_packed(&columns, |packed| multiply(Panels::Packed(packed))),
        }
    };
    if k == 0 {
        product(&[], 0, c);
    } else if a.col_stride == 1 || k == 1 {
        product(a.data, a.row_stride, c);
    } else {
        scratch::with(m * k, |dense: &mut [f32]| {
            copy_dense(a, m, k, dense);
            product(dense, k, c);
        });
    }
}

/// Copies a matrix with any strides to a dense one.
fn copy_dense(a: MatrixRef, rows: usize, columns: usize, dense: &mut [f32]) {
    debug_assert_eq!(dense.len(), rows * columns);
    parallel::for_each_chunk(dense, columns, |start, chunk| {
        let first_row = start / columns;
        if a.row_stride == 1 {
            layout::transpose_lines(&a.data[first_row..], a.col_stride, columns, chunk, columns);
            return;
        }
        for (i, row) in chunk.chunks_exact_mut(columns).enumerate() {
            let first = (first_row + i) * a.row_stride;
            for (j, x) in row.iter_mut().enumerate() {
                *x = a.data[first + j * a.col_stride];
            }
        }
    });
}

/// `count` products `C[i] = A[i] B[i]` of equal shape; the matrices of each operand lie `batch_stride`
/// elements apart (0 repeats the first). C is dense, row after row, matrix after matrix.
///
/// As `torch.bmm`.
///
/// # Panics
/// When a matrix reaches beyond its slice.
#[allow(clippy::too_many_arguments)]
#[track_caller]
pub fn gemm_batched(
    count: usize,
    m: usize,
    n: usize,
    k: usize,
    (a, a_batch_stride): (MatrixRef, usize),
    (b, b_batch_stride): (MatrixRef, usize),
    c: &mut [f32],
    accumulate: bool,
) {
    assert_eq!(c.len(), count * m * n, "gemm_batched: C does not hold {count} matrices of {m}x{n}");
    if c.is_empty() {
        return;
    }
    fn at<'a>(x: MatrixRef<'a>, i: usize, stride: usize) -> MatrixRef<'a> {
        MatrixRef { data: x.data.get(i * stride..).unwrap_or(&[]), ..x }
    }
    let last = count - 1;
    at(a, last, a_batch_stride).check("the last A", m, k);
    at(b, last, b_batch_stride).check("the last B", k, n);
    // Many small products share the threads; a large one uses all of them by itself.
    let at_once = parallel::MIN_BLOCK.div_ceil(m * n * k.max(1)).max(1);
    let writer = parallel::DisjointMut::new(c);
    parallel::for_each_range(count, at_once, |range| {
        for i in range {
            // SAFETY: each product has its own part of C.
            let c = unsafe { writer.slice(i * m * n..(i + 1) * m * n) };
            let (a, b) = (at(a, i, a_batch_stride), at(b, i, b_batch_stride));
            gemm(m, n, k, a, b, MatrixMut::row_major(c, n), accumulate, Epilogue::default());
        }
    });
}
