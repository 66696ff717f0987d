//! Negative log-likelihood, as `torch.nn.functional.nll_loss`.

use super::cross_entropy::scale_rows;
use super::images::{dim_back, dim_last};
use super::labels;
use super::reduction::Reduction;
use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::{Marker, Tensor};

/// Options of [`nll_loss`].
#[derive(Clone, Debug)]
pub struct NllLossOptions {
    /// A weight for each class (C); all 1 if not given.
    pub weight: Option<Array>,
    /// Items with this label count neither in the loss nor in the gradient.
    pub ignore_index: i64,
    /// How the losses of the items become the result.
    pub reduction: Reduction,
}

impl Default for NllLossOptions {
    fn default() -> Self {
        Self { weight: None, ignore_index: -100, reduction: Reduction::Mean }
    }
}

#[derive(Debug)]
struct NllLoss {
    labels: Vec<i64>,
    shape: Shape,
    options: NllLossOptions,
}

impl NllLoss {
    /// For each item, the place of its label in the rows (N, ..., C) and its share of the result; nothing for
    /// items that do not count.
    fn shares(&self, classes: usize) -> Vec<Option<(usize, f32)>> {
        let weight = self.options.weight.as_ref().map(Array::to_vec);
        let weight = |label: i64| weight.as_ref().map_or(1.0, |w| w[label as usize]);
        let counts = |label: &i64| *label != self.options.ignore_index;
        let total: f64 = match self.options.reduction {
            Reduction::Mean => self.labels.iter().copied().filter(counts).map(|l| f64::from(weight(l))).sum(),
            Reduction::Sum | Reduction::None => 1.0,
        };
        let share = |(row, &label): (usize, &i64)| {
            let place = || (row * classes + label as usize, (f64::from(weight(label)) / total) as f32);
            counts(&label).then(place)
        };
        self.labels.iter().enumerate().map(share).collect()
    }
}

impl Op<1> for NllLoss {
    /// The input's shape: the gradient does not depend on its values.
    type Saved = Shape;

    fn name(&self) -> &'static str {
        "nll_loss"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        labels::check_shapes(self.name(), x, &self.shape, self.options.weight.as_ref())?;
        Ok(match self.options.reduction {
            Reduction::None => self.shape.clone(),
            Reduction::Mean | Reduction::Sum => Shape::default(),
        })
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Shape) {
        let rows = dim_last(x, labels::class_dim(x.shape()));
        let shares = self.shares(labels::classes(x.shape()));
        let loss = |share: &Option<(usize, f32)>| share.map_or(0.0, |(at, w)| -w * rows.memory()[at]);
        let loss = match self.options.reduction {
            Reduction::None => Array::from_vec(shares.iter().map(loss).collect(), self.shape.clone()),
            // Without an item that counts, the mean is 0 / 0.
            Reduction::Mean if shares.iter().all(Option::is_none) => Array::scalar(f32::NAN),
            Reduction::Mean | Reduction::Sum => {
                Array::scalar(shares.iter().map(|s| f64::from(loss(s))).sum::<f64>() as f32)
            }
        };
        (loss, x.shape().clone())
    }

    fn backward(&self, shape: Shape, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let class_dim = labels::class_dim(&shape);
        let classes = labels::classes(&shape);
        let mut rows = Array::zeros(self.shape.iter().copied().chain([classes]).collect::<Shape>());
        let memory = rows.memory_mut();
        self.shares(classes).into_iter().flatten().for_each(|(at, share)| memory[at] = -share);
        [Some(dim_back(&scale_rows(rows, &grad), class_dim))]
    }
}

/// Minus the log-probability of each item's label: `log_probabilities` are (N, C, ...) or (C), from
/// [`log_softmax`](Tensor::log_softmax), `labels` int64 (N, ...).
///
/// # Panics
/// If the shapes do not fit, a label is not a class, or the input is of probabilities, not of their logarithms.
#[track_caller]
pub fn nll_loss(log_probabilities: &Tensor, labels: &Tensor, options: &NllLossOptions) -> Tensor {
    assert!(
        log_probabilities.marker() != Some(Marker::Softmax),
        "nll_loss: the input came out of softmax(), but nll_loss expects the logarithms of probabilities; use \
         log_softmax() in its place, or cross_entropy() on the logits"
    );
    let values = labels::checked("nll_loss", labels, log_probabilities.shape(), options.ignore_index);
    let op = NllLoss { labels: values, shape: labels.shape().clone(), options: options.clone() };
    apply(op, [log_probabilities])
}
