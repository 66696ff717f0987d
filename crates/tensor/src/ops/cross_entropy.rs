//! Softmax cross entropy, as `torch.nn.functional.cross_entropy`.

use super::images::{dim_back, dim_last};
use super::labels;
use super::reduction::Reduction;
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::graph;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::{Marker, Tensor};
use cresset_kernels::cross_entropy as kernel;
use cresset_kernels::pointwise;

/// What the right answers are.
#[derive(Clone, Debug)]
pub enum Targets {
    /// A class for each item: int64 (N, ...).
    Indices(Tensor),
    /// A distribution over the classes for each item: float32 (N, C, ...). Not differentiated.
    Probabilities(Tensor),
}

/// By the element type, as PyTorch: floats are probabilities, integers are class indices.
impl From<&Tensor> for Targets {
    fn from(targets: &Tensor) -> Self {
        match targets.dtype() {
            DType::F32 | DType::BF16 => Targets::Probabilities(targets.to_dtype(DType::F32)),
            DType::I64 | DType::Bool => Targets::Indices(targets.clone()),
        }
    }
}

impl From<&Targets> for Targets {
    fn from(targets: &Targets) -> Self {
        targets.clone()
    }
}

/// Options of [`cross_entropy`].
#[derive(Clone, Debug)]
pub struct CrossEntropyOptions {
    /// A weight for each class (C); all 1 if not given.
    pub weight: Option<Array>,
    /// The share of the target that is spread evenly over all classes, from 0 to 1 (Szegedy et al., 2016).
    pub label_smoothing: f32,
    /// Items with this label count neither in the loss nor in the gradient.
    pub ignore_index: i64,
    /// How the losses of the items become the result.
    pub reduction: Reduction,
}

impl Default for CrossEntropyOptions {
    fn default() -> Self {
        Self { weight: None, label_smoothing: 0.0, ignore_index: -100, reduction: Reduction::Mean }
    }
}

#[derive(Debug)]
enum Answers {
    Indices { labels: Vec<i64>, shape: Shape },
    Probabilities(Array),
}

#[derive(Debug)]
struct CrossEntropy {
    answers: Answers,
    options: CrossEntropyOptions,
    /// Whether the gradient is computed with the loss, while the exponentials are at hand.
    record: bool,
}

impl Op<1> for CrossEntropy {
    /// The gradient for an incoming gradient of 1, (N, ..., C); `None` if it is not wanted.
    type Saved = Option<Array>;

    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        let weight = self.options.weight.as_ref();
        match &self.answers {
            Answers::Indices { shape, .. } => labels::check_shapes(self.name(), x, shape, weight)?,
            Answers::Probabilities(targets) => {
                labels::check_scores(self.name(), x, weight)?;
                if targets.shape() != x {
                    return Err(ShapeError::new(
                        self.name(),
                        format!(
                            "target probabilities of shape {} do not fit logits of shape {x}: expected the same \
                             shape (class indices must be int64: convert with to_dtype(DType::I64))",
                            targets.shape()
                        ),
                    ));
                }
            }
        }
        Ok(match self.options.reduction {
            Reduction::None => labels::items(x),
            Reduction::Mean | Reduction::Sum => Shape::default(),
        })
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Option<Array>) {
        let rows = dim_last(x, labels::class_dim(x.shape()));
        let mut loss = Array::empty(self.shape([x.shape()]).expect("checked by shape()"));
        let mut gradient = self.record.then(|| Array::empty_like(&rows));
        let weight = self.options.weight.as_ref().map(Array::contiguous);
        let options = kernel::CrossEntropy {
            classes: labels::classes(x.shape()),
            weight: weight.as_ref().map(Array::memory),
            label_smoothing: self.options.label_smoothing,
            ignore_index: self.options.ignore_index,
            reduction: self.options.reduction,
        };
        let by_logits = gradient.as_mut().map(Array::memory_mut);
        match &self.answers {
            Answers::Indices { labels, .. } => {
                kernel::class_indices(&options, rows.memory(), labels, loss.memory_mut(), by_logits)
                    .expect("labels were checked");
            }
            Answers::Probabilities(targets) => {
                let targets = dim_last(targets, labels::class_dim(x.shape()));
                kernel::probabilities(
                    &options,
                    rows.memory(),
                    targets.memory(),
                    loss.memory_mut(),
                    by_logits,
                );
            }
        }
        (loss, gradient)
    }

    fn backward(&self, gradient: Option<Array>, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let gradient = gradient.expect("recorded, since backward was wanted");
        let class_dim = gradient.rank().min(2) - 1;
        [Some(dim_back(&scale_rows(gradient, &grad), class_dim))]
    }
}

/// Gradients by rows (N, ..., C) times an incoming gradient, which is one number, or without reduction one a row.
pub(super) fn scale_rows(mut rows: Array, grad: &Array) -> Array {
    if grad.rank() == 0 {
        pointwise::scale_in_place(grad.to_vec()[0], rows.memory_mut());
        return rows;
    }
    let one_a_row: Vec<usize> = grad.shape().iter().copied().chain([1]).collect();
    rows.zip_with(&grad.reshape(one_a_row), |row, g| row * g)
}

/// The cross entropy between the softmax of `logits` and the targets.
///
/// `logits` are (N, C, ...) or, for one item, (C); `targets` are class indices (N, ...) or probabilities of the
/// logits' shape: a plain `&Tensor` is taken by its element type. The result is a number, or without reduction
/// one an item. `Mean` divides by the summed weights of the labels that count (NaN if there are none), with
/// probabilities by the number of items, as PyTorch does.
///
/// # Panics
/// If the shapes do not fit, a label is not a class, `label_smoothing` is not in 0 to 1, the targets need a
/// gradient, or `logits` already went through a softmax.
#[track_caller]
pub fn cross_entropy(logits: &Tensor, targets: impl Into<Targets>, options: &CrossEntropyOptions) -> Tensor {
    assert!(
        logits.marker() != Some(Marker::Softmax),
        "cross_entropy: the input went through softmax() already, but cross_entropy expects raw logits and \
         applies the softmax itself, so the loss would be wrong without an error; remove the softmax() from the \
         model's output (or use nll_loss() on log_softmax())"
    );
    let smoothing = options.label_smoothing;
    assert!(
        (0.0..=1.0).contains(&smoothing),
        "cross_entropy: label_smoothing must be from 0 to 1, found {smoothing}"
    );
    let answers = match targets.into() {
        Targets::Indices(targets) => Answers::Indices {
            labels: labels::checked("cross_entropy", &targets, logits.shape(), options.ignore_index),
            shape: targets.shape().clone(),
        },
        Targets::Probabilities(targets) => {
            assert!(
                targets.dtype() == DType::F32,
                "cross_entropy: target probabilities must be float32, found {}",
                targets.dtype().name()
            );
            assert!(
                !targets.needs_grad() || !graph::is_grad_enabled(),
                "cross_entropy: there is no gradient by target probabilities; detach() them"
            );
            Answers::Probabilities(targets.into_array())
        }
    };
    let record = graph::is_grad_enabled() && logits.needs_grad();
    apply(CrossEntropy { answers, options: options.clone(), record }, [logits])
}
