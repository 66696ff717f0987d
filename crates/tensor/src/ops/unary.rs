//! Elementwise functions of one input: neg, abs, exp, log, sqrt, pow, clamp, …
//!
//! All are one op, [`Unary`], over a small table entry: the function, and its derivative from the input `x` and
//! the output `y`.

use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::strided;
use crate::tensor::Tensor;
use std::fmt;

/// An elementwise function and its derivative.
struct Unary<F, D> {
    name: &'static str,
    f: F,
    /// dy/dx from (x, y).
    d: D,
}

impl<F, D> fmt::Debug for Unary<F, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<F, D> Op<1> for Unary<F, D>
where
    F: Fn(f32) -> f32 + Send + Sync + 'static,
    D: Fn(f32, f32) -> f32 + Send + Sync + 'static,
{
    type Saved = (Array, Array);

    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(x.clone())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Self::Saved) {
        let y = x.clone().map(&self.f);
        (y.clone(), (x.clone(), y))
    }

    fn backward(&self, (x, y): Self::Saved, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let shape = x.shape().clone();
        let slope = strided::zip(&x, &y, &shape, &self.d);
        [Some(grad.zip_with(&slope, |g, s| g * s))]
    }
}

#[track_caller]
fn unary(
    x: &Tensor,
    name: &'static str,
    f: impl Fn(f32) -> f32 + Send + Sync + 'static,
    d: impl Fn(f32, f32) -> f32 + Send + Sync + 'static,
) -> Tensor {
    apply(Unary { name, f, d }, [x])
}

/// # Elementwise functions
impl Tensor {
    /// `-x`
    #[track_caller]
    pub fn neg(&self) -> Tensor {
        unary(self, "neg", |x| -x, |_, _| -1.0)
    }

    /// `|x|`; the gradient at 0 is 0, as PyTorch's.
    #[track_caller]
    pub fn abs(&self) -> Tensor {
        unary(self, "abs", f32::abs, |x, _| if x == 0.0 { 0.0 } else { x.signum() })
    }
}

/// Elementwise work on arrays.
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
    pub fn add_assign(self, b: &Array) -> Array {
        self.zip_with(b, |a, b| a + b)
    }
}
