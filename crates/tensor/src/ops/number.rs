//! Arithmetic of a tensor and a plain number. Nothing has to be kept for the gradient.

use super::unary::{Keep, unary};
use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What is done to every element.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WithNumber {
    /// `-x`
    Neg,
    /// `x + n`
    Add(f32),
    /// `x - n`
    Sub(f32),
    /// `n - x`
    SubFrom(f32),
    /// `x * n`
    Mul(f32),
    /// `x / n`
    Div(f32),
}
use WithNumber::*;

impl Op<1> for WithNumber {
    type Saved = ();

    fn name(&self) -> &'static str {
        match self {
            Neg => "neg",
            Add(_) => "add",
            Sub(_) => "sub",
            SubFrom(_) => "rsub",
            Mul(_) => "mul",
            Div(_) => "div",
        }
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(x.clone())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, ()) {
        let x = x.clone();
        let y = match *self {
            Neg => x.map(|x| -x),
            Add(n) => x.map(|x| x + n),
            Sub(n) => x.map(|x| x - n),
            SubFrom(n) => x.map(|x| n - x),
            Mul(n) => x.map(|x| x * n),
            Div(n) => x.map(|x| x / n),
        };
        (y, ())
    }

    fn backward(&self, _: (), grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let by_x = match *self {
            Add(_) | Sub(_) => grad,
            Neg | SubFrom(_) => grad.map(|g| -g),
            Mul(n) => grad.map(|g| g * n),
            Div(n) => grad.map(|g| g / n),
        };
        [Some(by_x)]
    }
}

/// `number - x`
#[track_caller]
pub(crate) fn number_sub(number: f32, x: &Tensor) -> Tensor {
    apply(SubFrom(number), [x])
}

/// `number / x`
#[track_caller]
pub(crate) fn number_div(number: f32, x: &Tensor) -> Tensor {
    unary(x, "div", move |x| number / x, Keep::Input, move |g, x| -g * number / (x * x))
}
