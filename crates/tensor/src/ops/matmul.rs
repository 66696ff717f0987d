//! Matrix products, as `torch.matmul`: vectors, matrices, and batches of matrices that broadcast.

use super::binary::unbroadcast;
use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::{Dims, Shape};
use crate::tensor::Tensor;
use cresset_kernels::gemm::{self, Epilogue, MatrixMut, MatrixRef};

#[derive(Debug)]
struct Matmul;

/// The shapes of a product, vectors taken as matrices of one row (left) or one column (right).
struct Plan {
    a: Shape,
    b: Shape,
    /// (batch..., m, n)
    out: Shape,
    /// `out` without what vectors do not have.
    visible: Shape,
}

impl Plan {
    fn new(a: &Shape, b: &Shape) -> Result<Plan, ShapeError> {
        let misfit = |why: String| ShapeError::new("matmul", format!("shapes {a} and {b}: {why}"));
        if a.rank() == 0 || b.rank() == 0 {
            return Err(misfit("both need at least one dimension; multiply by a number with *".into()));
        }
        let left = if a.rank() == 1 { Shape::from([1, a[0]]) } else { a.clone() };
        let right = if b.rank() == 1 { Shape::from([b[0], 1]) } else { b.clone() };
        let (batch_a, [m, k]) = split(&left);
        let (batch_b, [rows, n]) = split(&right);
        if k != rows {
            return Err(misfit(format!(
                "the last dimension of the first ({k}) must equal the {} of the second ({rows})",
                if b.rank() == 1 { "length" } else { "second to last dimension" }
            )));
        }
        let batch = batch_a.broadcast(&batch_b).ok_or_else(|| {
            misfit(format!("the leading dimensions {batch_a} and {batch_b} do not broadcast"))
        })?;
        let rows = (a.rank() > 1).then_some(m);
        let columns = (b.rank() > 1).then_some(n);
        let visible = batch.iter().copied().chain(rows).chain(columns).collect();
        let out = batch.iter().copied().chain([m, n]).collect();
        Ok(Plan { a: left, b: right, out, visible })
    }
}

/// Leading dimensions, and those of the matrices.
fn split(shape: &Shape) -> (Shape, [usize; 2]) {
    let (batch, matrix) = shape.split_at(shape.rank() - 2);
    (batch.into(), [matrix[0], matrix[1]])
}

impl Op<2> for Matmul {
    type Saved = [Array; 2];

    fn name(&self) -> &'static str {
        "matmul"
    }

    fn shape(&self, [a, b]: [&Shape; 2]) -> Result<Shape, ShapeError> {
        Ok(Plan::new(a, b)?.visible)
    }

    fn forward(&self, [a, b]: [&Array; 2]) -> (Array, Self::Saved) {
        let plan = Plan::new(a.shape(), b.shape()).expect("checked by shape()");
        let y = product(&as_matrices(a, &plan.a), &as_matrices(b, &plan.b)).reshape(plan.visible);
        (y, [a.clone(), b.clone()])
    }

    fn backward(&self, [a, b]: Self::Saved, grad: Array, needs: [bool; 2]) -> [Option<Array>; 2] {
        let plan = Plan::new(a.shape(), b.shape()).expect("checked by shape()");
        let (left, right) = (as_matrices(&a, &plan.a), as_matrices(&b, &plan.b));
        let grad = grad.reshape(plan.out);
        let by_a = needs[0].then(|| {
            let da = product(&grad, &transposed(&right));
            unbroadcast(da, &plan.a).reshape(a.shape())
        });
        let by_b = needs[1].then(|| {
            let one_matrix = split(&plan.b).0.numel() == 1;
            let db = if one_matrix {
                // One product over the rows of all batches in place of a sum of products.
                product(&transposed(&rows(&left)), &rows(&grad)).reshape(plan.b.clone())
            } else {
                unbroadcast(product(&transposed(&left), &grad), &plan.b)
            };
            db.reshape(b.shape())
        });
        [by_a, by_b]
    }

    fn macs(&self, [a, b]: [&Shape; 2], _: &Shape) -> u64 {
        Plan::new(a, b).map_or(0, |plan| (plan.out.numel() * plan.a[plan.a.rank() - 1]) as u64)
    }
}

/// A vector as a matrix; a matrix stays as it is, whatever its strides.
fn as_matrices(x: &Array, shape: &Shape) -> Array {
    if x.shape() == shape { x.clone() } else { x.reshape(shape.clone()) }
}

/// The last two dimensions exchanged.
fn transposed(x: &Array) -> Array {
    let rank = x.rank();
    let order: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    x.permute(&order)
}

/// (..., k) as one matrix of many rows; a matrix stays as it is, whatever its strides.
pub(crate) fn rows(x: &Array) -> Array {
    if x.rank() == 2 {
        return x.clone();
    }
    let k = x.shape().last().copied().unwrap_or(1);
    let m: usize = x.shape().iter().rev().skip(1).product();
    x.reshape([m, k])
}

/// The matrix in the last two dimensions, of the first in the batch.
fn matrix(x: &Array) -> MatrixRef<'_> {
    let [.., row_stride, col_stride] = *x.strides() else { unreachable!("at least a matrix") };
    MatrixRef { data: &x.buffer()[x.offset()..], row_stride, col_stride }
}

/// `a b` of two matrices of any strides, and the epilogue.
pub(crate) fn product_2d(a: &Array, b: &Array, epilogue: Epilogue) -> Array {
    let mut c = Array::empty([a.shape()[0], b.shape()[1]]);
    multiply(a, b, &mut c, epilogue);
    c
}

/// [`product_2d`] in the memory order of `like`, if that is dense.
pub(crate) fn product_2d_like(like: &Array, a: &Array, b: &Array) -> Array {
    let mut c = Array::empty_like(like);
    multiply(a, b, &mut c, Epilogue::default());
    c
}

fn multiply(a: &Array, b: &Array, c: &mut Array, epilogue: Epilogue) {
    let ([m, k], n) = ([a.shape()[0], a.shape()[1]], b.shape()[1]);
    let [row_stride, col_stride] = *c.strides() else { unreachable!("a matrix") };
    let to = MatrixMut { data: c.memory_mut(), row_stride, col_stride };
    gemm::gemm(m, n, k, matrix(a), matrix(b), to, false, epilogue);
}

/// `a b` of batches of matrices.
fn product(a: &Array, b: &Array) -> Array {
    let ((batch_a, [m, k]), (batch_b, [_, n])) = (split(a.shape()), split(b.shape()));
    let batch = batch_a.broadcast(&batch_b).expect("checked by shape()");
    let out: Shape = batch.iter().copied().chain([m, n]).collect();
    if batch_b.numel() == 1 {
        // Every matrix of `a` is multiplied by the same `b`: they are one tall matrix.
        let b = if b.rank() == 2 { b.clone() } else { b.reshape([k, n]) };
        return product_2d(&rows(a), &b, Epilogue::default()).reshape(out);
    }
    let (a, a_stride) = expand_batch(a, &batch);
    let (b, b_stride) = expand_batch(b, &batch);
    let mut c = Array::empty(out);
    let (count, memory) = (batch.numel(), c.memory_mut());
    gemm::gemm_batched(count, m, n, k, (matrix(&a), a_stride), (matrix(&b), b_stride), memory, false);
    c
}

/// `x` with its leading dimensions broadcast to `batch`, and the distance between its matrices. Copies only if
/// they are not evenly spaced.
fn expand_batch(x: &Array, batch: &Shape) -> (Array, usize) {
    let (_, [m, n]) = split(x.shape());
    let x = x.expand(batch.iter().copied().chain([m, n]).collect::<Shape>());
    match even_stride(batch, &x.strides()[..batch.rank()]) {
        Some(stride) => (x, stride),
        None => (x.contiguous(), m * n),
    }
}

/// The one stride that walks through all of `sizes` in row-major order, if there is one.
fn even_stride(sizes: &[usize], strides: &[usize]) -> Option<usize> {
    let long: Dims = (0..sizes.len()).filter(|&d| sizes[d] != 1).collect();
    let even = long.windows(2).all(|d| strides[d[0]] == strides[d[1]] * sizes[d[1]]);
    even.then(|| long.last().map_or(0, |&d| strides[d]))
}

impl Tensor {
    /// The matrix product, by PyTorch's rules: vector times vector is a number, matrix times vector a vector;
    /// of more dimensions the last two are matrices and the others broadcast.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        apply(Matmul, [self, other])
    }
}
