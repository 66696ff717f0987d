//! Losses, as in `torch.nn.functional` with its defaults; and as criteria that keep their options, as in `torch.nn`.
//!
//! ```
//! use cresset_nn::loss::{CrossEntropyLoss, CrossEntropyOptions, cross_entropy};
//! use cresset_tensor::Tensor;
//!
//! let logits = Tensor::new([2.0, 1.0, 0.0, 0.0, 3.0, 0.0], [2, 3]);
//! let labels = Tensor::from_i64([0, 1], [2]);
//! let loss = cross_entropy(&logits, &labels);
//! let criterion = CrossEntropyLoss(CrossEntropyOptions { label_smoothing: 0.1, ..Default::default() });
//! assert!(criterion.forward(&logits, &labels).item() > loss.item());
//! ```

use cresset_tensor::Tensor;
use cresset_tensor::ops;
pub use cresset_tensor::ops::{
    BceWithLogitsOptions, CrossEntropyOptions, NllLossOptions, Reduction, Targets,
};

/// The mean cross entropy of logits (N, C, …) with class indices (N, …) or probabilities (N, C, …).
///
/// # Panics
/// If the shapes do not fit, a label is out of range, or the logits came out of a softmax.
#[track_caller]
pub fn cross_entropy(logits: &Tensor, targets: impl Into<Targets>) -> Tensor {
    ops::cross_entropy(logits, targets, &CrossEntropyOptions::default())
}

/// The mean negative log-likelihood of class indices (N, …) under log-probabilities (N, C, …).
///
/// # Panics
/// If the shapes do not fit, a label is out of range, or the input is probabilities.
#[track_caller]
pub fn nll_loss(log_probabilities: &Tensor, labels: &Tensor) -> Tensor {
    ops::nll_loss(log_probabilities, labels, &NllLossOptions::default())
}

/// The mean squared difference.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn mse_loss(input: &Tensor, target: &Tensor) -> Tensor {
    ops::mse_loss(input, target, Reduction::Mean)
}

/// The mean absolute difference.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn l1_loss(input: &Tensor, target: &Tensor) -> Tensor {
    ops::l1_loss(input, target, Reduction::Mean)
}

/// The mean binary cross entropy of logits with targets in [0, 1].
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn bce_with_logits(input: &Tensor, target: &Tensor) -> Tensor {
    ops::bce_with_logits(input, target, &BceWithLogitsOptions::default())
}

/// [`cross_entropy`] with class weights, label smoothing, an ignored index and a reduction.
#[derive(Clone, Debug, Default)]
pub struct CrossEntropyLoss(pub CrossEntropyOptions);

impl CrossEntropyLoss {
    /// The loss of logits (N, C, …).
    ///
    /// # Panics
    /// As [`cross_entropy`].
    #[track_caller]
    pub fn forward(&self, logits: &Tensor, targets: impl Into<Targets>) -> Tensor {
        ops::cross_entropy(logits, targets, &self.0)
    }
}

/// [`nll_loss`] with class weights, an ignored index and a reduction.
#[derive(Clone, Debug, Default)]
pub struct NllLoss(pub NllLossOptions);

impl NllLoss {
    /// The loss of log-probabilities (N, C, …).
    ///
    /// # Panics
    /// As [`nll_loss`].
    #[track_caller]
    pub fn forward(&self, log_probabilities: &Tensor, labels: &Tensor) -> Tensor {
        ops::nll_loss(log_probabilities, labels, &self.0)
    }
}

/// [`mse_loss`] with a reduction.
#[derive(Clone, Copy, Debug, Default)]
pub struct MseLoss(pub Reduction);

impl MseLoss {
    /// The loss of an input against a target of the same shape.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Tensor {
        ops::mse_loss(input, target, self.0)
    }
}

/// [`l1_loss`] with a reduction.
#[derive(Clone, Copy, Debug, Default)]
pub struct L1Loss(pub Reduction);

impl L1Loss {
    /// The loss of an input against a target of the same shape.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Tensor {
        ops::l1_loss(input, target, self.0)
    }
}

/// [`bce_with_logits`] with weights and a reduction.
#[derive(Clone, Debug, Default)]
pub struct BceWithLogitsLoss(pub BceWithLogitsOptions);

impl BceWithLogitsLoss {
    /// The loss of logits against targets of the same shape.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Tensor {
        ops::bce_with_logits(input, target, &self.0)
    }
}
