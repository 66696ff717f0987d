//! Arithmetic of two tensors, with broadcasting: add, sub, mul, div.

use super::number::WithNumber;
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::operand::Operand;
use crate::shape::Shape;
use crate::strided;
use crate::tensor::Tensor;
use cresset_kernels::{bf16, pointwise};

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

/// `f` of two arrays that broadcast; by a kernel where both lie in memory alike.
pub(crate) fn elementwise(
    a: &Array,
    b: &Array,
    kernel: fn(&[f32], &[f32], &mut [f32]),
    f: impl Fn(f32, f32) -> f32 + Sync,
) -> Array {
    if a.same_layout(b) {
        let mut out = Array::empty_like(a);
        kernel(a.memory(), b.memory(), out.memory_mut());
        return out;
    }
    let shape = a.shape().broadcast(b.shape()).expect("checked by shape()");
    strided::zip(a, b, &shape, f)
}

#[derive(Debug)]
struct Add;

impl Op<2> for Add {
    const BF16: bool = true;
    type Saved = [Shape; 2];

    fn name(&self) -> &'static str {
        "add"
    }

    fn shape(&self, [a, b]: [&Shape; 2]) -> Result<Shape, ShapeError> {
        broadcast(self.name(), a, b)
    }

    fn forward(&self, [a, b]: [&Array; 2]) -> (Array, Self::Saved) {
        let shapes = [a.shape().clone(), b.shape().clone()];
        if [a, b].iter().all(|x| x.dtype() == DType::BF16) && a.shape() == b.shape() {
            return (a.clone().add_float::<bf16>(b), shapes);
        }
        let (a, b) = (a.to_float::<f32>(), b.to_float::<f32>());
        (elementwise(&a, &b, pointwise::add, |a, b| a + b), shapes)
    }

    fn backward(&self, [a, b]: Self::Saved, grad: Array, needs: [bool; 2]) -> [Option<Array>; 2] {
        let by_b = needs[1].then(|| unbroadcast(grad.clone(), &b));
        [needs[0].then(|| unbroadcast(grad, &a)), by_b]
    }
}

#[derive(Debug)]
struct Sub;

impl Op<2> for Sub {
    type Saved = [Shape; 2];

    fn name(&self) -> &'static str {
        "sub"
    }

    fn shape(&self, [a, b]: [&Shape; 2]) -> Result<Shape, ShapeError> {
        broadcast(self.name(), a, b)
    }

    fn forward(&self, [a, b]: [&Array; 2]) -> (Array, Self::Saved) {
        let shapes = [a.shape().clone(), b.shape().clone()];
        (elementwise(a, b, pointwise::sub, |a, b| a - b), shapes)
    }

    fn backward(&self, [a, b]: Self::Saved, grad: Array, needs: [bool; 2]) -> [Option<Array>; 2] {
        let by_b = needs[1].then(|| unbroadcast(grad.clone(), &b).map(|g| -g));
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
        (elementwise(a, b, pointwise::mul, |a, b| a * b), [a.clone(), b.clone()])
    }

    fn backward(&self, [a, b]: Self::Saved, grad: Array, needs: [bool; 2]) -> [Option<Array>; 2] {
        let by_b = needs[1].then(|| unbroadcast(grad.clone().zip_with(&a, |g, a| g * a), b.shape()));
        [needs[0].then(|| unbroadcast(grad.zip_with(&b, |g, b| g * b), a.shape())), by_b]
    }
}

#[derive(Debug)]
struct Div;

impl Op<2> for Div {
    type Saved = [Array; 2];

    fn name(&self) -> &'static str {
        "div"
    }

    fn shape(&self, [a, b]: [&Shape; 2]) -> Result<Shape, ShapeError> {
        broadcast(self.name(), a, b)
    }

    fn forward(&self, [a, b]: [&Array; 2]) -> (Array, Self::Saved) {
        let shape = a.shape().broadcast(b.shape()).expect("checked by shape()");
        (strided::zip(a, b, &shape, |a, b| a / b), [a.clone(), b.clone()])
    }

    fn backward(&self, [a, b]: Self::Saved, grad: Array, needs: [bool; 2]) -> [Option<Array>; 2] {
        let by_a = grad.zip_with(&b, |g, b| g / b);
        let by_b = needs[1].then(|| {
            let slope = strided::zip(&a, &b, by_a.shape(), |a, b| -a / b);
            unbroadcast(slope.zip_with(&by_a, |s, g| s * g), b.shape())
        });
        [needs[0].then(|| unbroadcast(by_a, a.shape())), by_b]
    }
}

/// # Arithmetic
///
/// The other side is a tensor, whose shape broadcasts by NumPy's rules, or a plain number. The operators `+ - * /`
/// do the same.
impl Tensor {
    /// `self + other`
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn add<'a>(&self, other: impl Into<Operand<'a>>) -> Tensor {
        match other.into() {
            Operand::Tensor(other) => apply(Add, [self, other]),
            Operand::Number(n) => apply(WithNumber::Add(n as f32), [self]),
        }
    }

    /// `self - other`
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn sub<'a>(&self, other: impl Into<Operand<'a>>) -> Tensor {
        match other.into() {
            Operand::Tensor(other) => apply(Sub, [self, other]),
            Operand::Number(n) => apply(WithNumber::Sub(n as f32), [self]),
        }
    }

    /// `self * other`
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn mul<'a>(&self, other: impl Into<Operand<'a>>) -> Tensor {
        match other.into() {
            Operand::Tensor(other) => apply(Mul, [self, other]),
            Operand::Number(n) => apply(WithNumber::Mul(n as f32), [self]),
        }
    }

    /// `self / other`
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn div<'a>(&self, other: impl Into<Operand<'a>>) -> Tensor {
        match other.into() {
            Operand::Tensor(other) => apply(Div, [self, other]),
            Operand::Number(n) => apply(WithNumber::Div(n as f32), [self]),
        }
    }
}
