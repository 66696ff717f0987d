//! Variance and standard deviation over any dimensions.

use super::sum::reduced_shape;
use super::unary::{Keep, unary};
use crate::array::Array;
use crate::dims::IntList;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The mean squared distance from the mean.
#[derive(Debug)]
struct Var {
    dims: IntList,
    /// 1 for Bessel's correction.
    correction: usize,
    keepdim: bool,
}

impl Var {
    /// What the sum of squares is divided by; at 0, the result is NaN as in PyTorch.
    fn divisor(&self, count: usize) -> f32 {
        count.saturating_sub(self.correction) as f32
    }
}

impl Op<1> for Var {
    /// The distances from the mean.
    type Saved = Array;

    fn name(&self) -> &'static str {
        "var"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(reduced_shape(x, &x.resolve_all(self.name(), &self.dims)?, self.keepdim))
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Array) {
        let dims = x.shape().resolve_all(self.name(), &self.dims).expect("checked by shape()");
        let count: usize = dims.iter().map(|&d| x.shape()[d]).product();
        // Two passes: the difference of two sums would lose all digits of values far from zero.
        let mean = x.sum_dims(&dims, true).map(|s| s / count as f32);
        let distance = x.clone().zip_with(&mean, |x, mean| x - mean);
        let divisor = self.divisor(count);
        let var = distance.clone().map(|d| d * d).sum_dims(&dims, self.keepdim).map(|s| s / divisor);
        (var, distance)
    }

    fn backward(&self, distance: Array, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let shape = distance.shape();
        let dims = shape.resolve_all(self.name(), &self.dims).expect("checked by shape()");
        let factor = 2.0 / self.divisor(dims.iter().map(|&d| shape[d]).product());
        let grad = grad.reshape(reduced_shape(shape, &dims, true)).map(|g| g * factor);
        [Some(distance.zip_with(&grad, |d, g| d * g))]
    }
}

/// # Variance
///
/// The sum of squares is divided by the number of elements minus `correction`: 1 (Bessel's correction, PyTorch's
/// default) estimates the variance of what the elements were drawn from, 0 gives their own.
impl Tensor {
    /// The variance of all elements.
    #[track_caller]
    pub fn var(&self, correction: usize) -> Tensor {
        self.var_dim(IntList::default(), correction, false)
    }

    /// The variance over some dimensions (all of them if `dims` is empty). With `keepdim` they stay, with size 1.
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn var_dim(&self, dims: impl Into<IntList>, correction: usize, keepdim: bool) -> Tensor {
        apply(Var { dims: dims.into(), correction, keepdim }, [self])
    }

    /// The standard deviation of all elements.
    #[track_caller]
    pub fn std(&self, correction: usize) -> Tensor {
        self.std_dim(IntList::default(), correction, false)
    }

    /// The standard deviation over some dimensions (all of them if `dims` is empty). Where it is 0 its gradient is 0,
    /// as in PyTorch.
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn std_dim(&self, dims: impl Into<IntList>, correction: usize, keepdim: bool) -> Tensor {
        let var = self.var_dim(dims, correction, keepdim);
        unary(&var, "std", f32::sqrt, Keep::Output, |g, y| if y == 0.0 { 0.0 } else { g / (2.0 * y) })
    }
}
