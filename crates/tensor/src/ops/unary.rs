//! Elementwise functions of one input: neg, abs, exp, log, sqrt, square, reciprocal.
//!
//! All are one op, [`Unary`], whose gradient needs the input or the output, never both.

use super::number::WithNumber;
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::float::with_float;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::strided;
use crate::tensor::Tensor;
use cresset_kernels::pointwise;
use std::fmt;

/// What an elementwise function keeps for its gradient.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Keep {
    Input,
    Output,
}

/// An elementwise function and its gradient.
struct Unary<F, B> {
    name: &'static str,
    f: F,
    keep: Keep,
    /// The gradient by the input, from the gradient by the output and the kept value.
    b: B,
}

impl<F, B> fmt::Debug for Unary<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<F, B> Op<1> for Unary<F, B>
where
    F: Fn(f32) -> f32 + Send + Sync + 'static,
    B: Fn(f32, f32) -> f32 + Send + Sync + 'static,
{
    type Saved = Array;

    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(x.clone())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Array) {
        let y = x.clone().map(&self.f);
        let kept = if self.keep == Keep::Input { x.clone() } else { y.clone() };
        (y, kept)
    }

    fn backward(&self, kept: Array, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        [Some(grad.zip_with(&kept, &self.b))]
    }
}

/// `f` of every element; `b` gives the gradient by the input from the gradient by the output and the value that is
/// kept.
#[track_caller]
pub(crate) fn unary(
    x: &Tensor,
    name: &'static str,
    f: impl Fn(f32) -> f32 + Send + Sync + 'static,
    keep: Keep,
    b: impl Fn(f32, f32) -> f32 + Send + Sync + 'static,
) -> Tensor {
    apply(Unary { name, f, keep, b }, [x])
}

/// # Elementwise functions
impl Tensor {
    /// `-x`
    #[track_caller]
    pub fn neg(&self) -> Tensor {
        apply(WithNumber::Neg, [self])
    }

    /// `|x|`; the gradient at 0 is 0, as PyTorch's.
    #[track_caller]
    pub fn abs(&self) -> Tensor {
        let sign = |x: f32| if x == 0.0 { 0.0 } else { x.signum() };
        unary(self, "abs", f32::abs, Keep::Input, move |g, x| g * sign(x))
    }

    /// `e^x`
    #[track_caller]
    pub fn exp(&self) -> Tensor {
        unary(self, "exp", f32::exp, Keep::Output, |g, y| g * y)
    }

    /// The natural logarithm: NaN for negative numbers, minus infinity for 0.
    #[track_caller]
    pub fn log(&self) -> Tensor {
        unary(self, "log", f32::ln, Keep::Input, |g, x| g / x)
    }

    /// The square root: NaN for negative numbers. Its gradient at 0 is infinite.
    #[track_caller]
    pub fn sqrt(&self) -> Tensor {
        unary(self, "sqrt", f32::sqrt, Keep::Output, |g, y| g / (2.0 * y))
    }

    /// `x * x`
    #[track_caller]
    pub fn square(&self) -> Tensor {
        unary(self, "square", |x| x * x, Keep::Input, |g, x| g * 2.0 * x)
    }

    /// `1 / x`
    #[track_caller]
    pub fn reciprocal(&self) -> Tensor {
        unary(self, "reciprocal", f32::recip, Keep::Output, |g, y| -g * y * y)
    }
}

/// # Elementwise work
///
/// For the insides of ops; nothing is recorded.
impl Array {
    /// `f` of every element; in place if nobody else holds the buffer.
    #[track_caller]
    pub fn map(self, f: impl Fn(f32) -> f32 + Sync) -> Array {
        strided::map(self, f)
    }

    /// `f(a, b)` of corresponding elements, in place of `a` if nobody else holds its buffer; `b` broadcasts to
    /// this array's shape.
    #[track_caller]
    pub fn zip_with(self, b: &Array, f: impl Fn(f32, f32) -> f32 + Sync) -> Array {
        strided::update(self, b, f)
    }

    /// `a + b`, in place if nobody else holds this buffer.
    #[track_caller]
    pub fn add_assign(mut self, b: &Array) -> Array {
        if [self.dtype(), b.dtype()].contains(&DType::BF16) {
            return with_float!(self, E => self.add_float::<E>(b));
        }
        if self.same_layout(b) && self.is_unique() {
            pointwise::add_assign(self.memory_mut(), b.memory());
            return self;
        }
        self.zip_with(b, |a, b| a + b)
    }
}
