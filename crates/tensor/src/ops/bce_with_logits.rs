//! Binary cross entropy of logits, as `torch.nn.functional.binary_cross_entropy_with_logits`.

use super::reduction::{Reduction, reduce};
use super::regression_loss::check_same_shape;
use crate::tensor::Tensor;

/// Options of [`bce_with_logits`].
#[derive(Clone, Debug, Default)]
pub struct BceWithLogitsOptions {
    /// Multiplies the loss of each element; broadcasts to the input's shape.
    pub weight: Option<Tensor>,
    /// Multiplies the loss of positive targets; broadcasts to the input's shape. Above 1 it raises recall.
    pub pos_weight: Option<Tensor>,
    /// How the losses of the elements become the result.
    pub reduction: Reduction,
}

/// `-w (p t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x)))` of each element, for logits `x`, targets `t` in 0 to
/// 1, `weight` w and `pos_weight` p, without loss of digits for large logits.
///
/// # Panics
/// If input and target differ in shape, or a weight does not broadcast to it.
#[track_caller]
pub fn bce_with_logits(input: &Tensor, target: &Tensor, options: &BceWithLogitsOptions) -> Tensor {
    check_same_shape("bce_with_logits", input, target);
    for (name, weight) in [("weight", &options.weight), ("pos_weight", &options.pos_weight)] {
        if let Some(weight) = weight {
            assert!(
                weight.shape().broadcast(input.shape()).as_ref() == Some(input.shape()),
                "bce_with_logits: {name} of shape {} does not broadcast to the input's shape {}",
                weight.shape(),
                input.shape()
            );
        }
    }
    // log(1 - sigmoid(x)) = log(sigmoid(x)) - x, so the loss is (1 - t) x - (1 + (p - 1) t) log(sigmoid(x)).
    let log_sigmoid = input.log_sigmoid();
    let log_part = match &options.pos_weight {
        Some(p) => p.sub(1.0).mul(target).add(1.0).mul(&log_sigmoid),
        None => log_sigmoid,
    };
    let losses = target.neg().add(1.0).mul(input).sub(&log_part);
    let losses = match &options.weight {
        Some(weight) => weight.mul(&losses),
        None => losses,
    };
    reduce(losses, options.reduction)
}
