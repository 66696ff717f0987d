//! Losses of regression: squared and absolute error, as `torch.nn.functional.mse_loss` and `l1_loss`.

use super::reduction::{Reduction, reduce};
use crate::tensor::Tensor;

/// Broadcasting a column against a row would silently compare everything with everything.
#[track_caller]
pub(super) fn check_same_shape(op: &str, input: &Tensor, target: &Tensor) {
    assert!(
        input.shape() == target.shape(),
        "{op}: input has shape {} and target {}; they must be the same, reshape() one of them",
        input.shape(),
        target.shape()
    );
}

/// The squared difference `(input - target)^2` of each element. Both may be differentiated.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn mse_loss(input: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    check_same_shape("mse_loss", input, target);
    reduce(input.sub(target).square(), reduction)
}

/// The absolute difference `|input - target|` of each element. Both may be differentiated; the gradient where
/// they are equal is 0.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn l1_loss(input: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    check_same_shape("l1_loss", input, target);
    reduce(input.sub(target).abs(), reduction)
}
