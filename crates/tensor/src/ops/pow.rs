//! Powers, as `torch.pow`.

use super::binary::{broadcast, unbroadcast};
use super::unary::{Keep, unary};
use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::operand::Operand;
use crate::shape::Shape;
use crate::strided;
use crate::tensor::Tensor;

/// The usual exponents cost a multiplication, as in PyTorch; the others a logarithm and an exponential.
fn power(x: f32, exponent: f32) -> f32 {
    match exponent {
        0.5 => x.sqrt(),
        1.0 => x,
        2.0 => x * x,
        3.0 => x * x * x,
        -0.5 => x.sqrt().recip(),
        -1.0 => x.recip(),
        -2.0 => (x * x).recip(),
        _ => x.powf(exponent),
    }
}

/// By the base. Zero for exponent 0 also where the base is 0, although `0 * 0^-1` is NaN.
fn slope(x: f32, exponent: f32) -> f32 {
    if exponent == 0.0 { 0.0 } else { exponent * power(x, exponent - 1.0) }
}

/// By the exponent. Zero where the power stays 0 although `ln 0` is infinite.
fn slope_of_exponent(x: f32, exponent: f32) -> f32 {
    if x == 0.0 && exponent >= 0.0 { 0.0 } else { x.powf(exponent) * x.ln() }
}

/// A tensor to the power of a tensor.
#[derive(Debug)]
struct Pow;

impl Op<2> for Pow {
    type Saved = [Array; 2];

    fn name(&self) -> &'static str {
        "pow"
    }

    fn shape(&self, [x, exponent]: [&Shape; 2]) -> Result<Shape, ShapeError> {
        broadcast(self.name(), x, exponent)
    }

    fn forward(&self, [x, exponent]: [&Array; 2]) -> (Array, Self::Saved) {
        let shape = x.shape().broadcast(exponent.shape()).expect("checked by shape()");
        (strided::zip(x, exponent, &shape, power), [x.clone(), exponent.clone()])
    }

    fn backward(&self, [x, exponent]: Self::Saved, grad: Array, needs: [bool; 2]) -> [Option<Array>; 2] {
        let by = |input: &Array, slope: fn(f32, f32) -> f32| {
            let slopes = strided::zip(&x, &exponent, grad.shape(), slope);
            unbroadcast(slopes.zip_with(&grad, |s, g| g * s), input.shape())
        };
        [needs[0].then(|| by(&x, slope)), needs[1].then(|| by(&exponent, slope_of_exponent))]
    }
}

impl Tensor {
    /// `self` to the power of a number or, with broadcasting, of a tensor.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn pow<'a>(&self, exponent: impl Into<Operand<'a>>) -> Tensor {
        match exponent.into() {
            Operand::Tensor(exponent) => apply(Pow, [self, exponent]),
            Operand::Number(e) => {
                let e = e as f32;
                unary(self, "pow", move |x| power(x, e), Keep::Input, move |g, x| g * slope(x, e))
            }
        }
    }
}
