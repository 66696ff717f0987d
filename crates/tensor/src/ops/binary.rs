//! Arithmetic of two tensors, with broadcasting: add, sub, mul, div.

use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::strided;
use crate::tensor::Tensor;

/// The shape of broadcasting arithmetic, or why there is none.
pub(crate) fn broadcast(op: &'static str, a: &Shape, b: &Shape) -> Result<Shape, ShapeError> {
    a.broadcast(b).ok_or_else(|| {
        ShapeError::new(
            op,
            format!(
                "shapes {a} and {b} do not broadcast: aligned at the right, each pair of sizes must be equal or 1"
            ),
        )
    })
}

/// The gradient by an input that was broadcast from `shape`: summed over what it was repeated along.
pub(crate) fn unbroadcast(grad: Array, shape: &Shape) -> Array {
    if grad.shape() == shape {
        return grad;
    }
    let lead = grad.rank() - shape.rank();
    let dims: Vec<usize> =
        (0..grad.rank()).filter(|&d| d < lead || (shape[d - lead] == 1 && grad.shape()[d] != 1)).collect();
    grad.sum_dims(&dims, true).reshape(shape.clone())
}

#[derive(Debug)]
struct Add;

impl Op<2> for Add {
    type Saved = [Shape; 2];

    fn name(&self) -> &'static str {
        "add"
    }

    fn shape(&self, [a, b]: [&Shape; 2]) -> Result<Shape, ShapeError> {
        broadcast(self.name(), a, b)
    }

    fn forward(&self, [a, b]: [&Array; 2]) -> (Array, Self::Saved) {
        let shapes = [a.shape().clone(), b.shape().clone()];
        let out = a.shape().broadcast(b.shape()).expect("checked by shape()");
        (strided::zip(a, b, &out, |a, b| a + b), shapes)
    }

    fn backward(&self, [a, b]: Self::Saved, grad: Array, needs: [bool; 2]) -> [Option<Array>; 2] {
        let by_b = needs[1].then(|| unbroadcast(grad.clone(), &b));
        [needs[0].then(|| unbroadcast(grad, &a)), by_b]
    }
}

#[derive(Debug)]
struct Mul;

impl Op<2> for Mul {
    type Saved = [Array; 2];

    fn name(&self) -> &'static str {
        "mul"
    }

    fn shape(&self, [a, b]: [&Shape; 2]) -> Result<Shape, ShapeError> {
        broadcast(self.name(), a, b)
    }

    fn forward(&self, [a, b]: [&Array; 2]) -> (Array, Self::Saved) {
        let out = a.shape().broadcast(b.shape()).expect("checked by shape()");
        (strided::zip(a, b, &out, |a, b| a * b), [a.clone(), b.clone()])
    }

    fn backward(&self, [a, b]: Self::Saved, grad: Array, needs: [bool; 2]) -> [Option<Array>; 2] {
        let by_b = needs[1].then(|| unbroadcast(grad.clone().zip_with(&a, |g, a| g * a), b.shape()));
        [needs[0].then(|| unbroadcast(grad.zip_with(&b, |g, b| g * b), a.shape())), by_b]
    }
}

/// # Arithmetic
///
/// Shapes broadcast by NumPy's rules. The operators `+ - * /` do the same, also with plain numbers.
impl Tensor {
    /// `self + other`
    #[track_caller]
    pub fn add(&self, other: &Tensor) -> Tensor {
        apply(Add, [self, other])
    }

    /// `self * other`
    #[track_caller]
    pub fn mul(&self, other: &Tensor) -> Tensor {
        apply(Mul, [self, other])
    }
}
