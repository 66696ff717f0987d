//! Softmax cross entropy, loss and gradient in one pass, as `torch.nn.functional.cross_entropy`.

mod class_indices;
mod probabilities;

pub use class_indices::class_indices;
pub use probabilities::probabilities;

use thiserror::Error;

/// How the losses of the rows become the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// One loss a row.
    None,
    /// For class indices the sum divided by the summed weight of the targets, for probabilities by the number of rows.
    #[default]
    Mean,
    /// The sum.
    Sum,
}

/// Options of the loss.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy<'a> {
    /// Number of classes: columns of the logits.
    pub classes: usize,
    /// Weight of each class (classes); `None` is 1 for each.
    pub weight: Option<&'a [f32]>,
    /// Share of the target that is spread evenly over all classes, in `0..=1` (Szegedy et al., 2015).
    pub label_smoothing: f32,
    /// Rows with this class index count neither in the loss nor in the gradient. Not used for probabilities.
    pub ignore_index: i64,
    /// How the losses of the rows become the result.
    pub reduction: Reduction,
}

impl CrossEntropy<'_> {
    /// PyTorch's defaults: no weights, no smoothing, `ignore_index` -100, mean.
    pub fn new(classes: usize) -> Self {
        Self { classes, weight: None, label_smoothing: 0.0, ignore_index: -100, reduction: Reduction::Mean }
    }

    /// Elements of the loss for a number of rows: 1, or one a row without reduction.
    pub fn loss_len(&self, rows: usize) -> usize {
        if self.reduction == Reduction::None { rows } else { 1 }
    }

    fn weight(&self, class: usize) -> f64 {
        self.weight.map_or(1.0, |w| f64::from(w[class]))
    }
}

/// A class index that names no class.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("target {target} in row {row} is not a class: there are {classes} classes, numbered from 0")]
pub struct TargetError {
    /// Row of the target.
    pub row: usize,
    /// Its value.
    pub target: i64,
    /// How many classes there are.
    pub classes: usize,
}

/// Largest logit of a row and the logarithm of the sum of `exp(logit - largest)`.
fn log_sum_exp(logits: &[f32]) -> (f32, f64) {
    let max = logits.iter().fold(f32::NEG_INFINITY, |m, &x| if m > x { m } else { x });
    (max, logits.iter().map(|x| f64::from(x - max).exp()).sum::<f64>().ln())
}
