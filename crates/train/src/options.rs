//! What a trainer can be told.

use crate::checkpoint::CheckpointEvery;
use crate::freeze::Frozen;
use crate::trainer::AverageOptions;
use cresset_nn::schedule::{ReduceLrOnPlateau, Schedule};
use std::path::PathBuf;

/// How a [`Trainer`](crate::Trainer) trains.
#[derive(Debug)]
pub struct TrainOptions {
    /// Passes over the training data.
    pub epochs: u64,
    /// The seed of everything random inside the model (dropout). Order and augmentation follow the loader's own.
    pub seed: u64,
    /// Batches whose gradients are added up for one step; at least 1. The result is that of one large batch, up to
    /// rounding, for models without batch norm.
    pub accumulate: usize,
    /// The share of the target that is spread evenly over all classes.
    pub label_smoothing: f64,
    /// Gradients are scaled down together to at most this norm.
    pub clip_grad_norm: Option<f64>,
    /// Train in [mixed precision](cresset_tensor::autocast): half the memory for activations. Parameters, gradients by
    /// them and evaluation stay float32.
    pub amp: bool,
    /// Look at the result of every op, and stop at the first that is not finite.
    pub detect_anomaly: bool,
    /// How the learning rate moves.
    pub lr: LrPolicy,
    /// Where checkpoints and metrics go; nowhere if `None`.
    pub output_dir: Option<PathBuf>,
    /// How often `last.safetensors` is written, besides after each epoch.
    pub checkpoint_every: Option<CheckpointEvery>,
    /// How many of the latest checkpoints are kept, at least 1: `last.safetensors`, and if there are to be more,
    /// `step-N.safetensors`, of which the latest is the same as `last.safetensors`.
    pub keep: usize,
    /// Stop after so many steps in all, as if the observer had asked to.
    pub max_steps: Option<u64>,
    /// Keep a moving average of the model, and evaluate and save it in the model's place.
    pub average: Option<AverageOptions>,
    /// End the run when so many epochs in a row were no better than the best before them.
    pub patience: Option<u64>,
    /// Evaluate every so many steps, as well as after each epoch.
    pub eval_every: Option<u64>,
    /// Layers that do not learn.
    pub frozen: Frozen,
    /// The run's configuration in full, kept in every checkpoint so that no other file is needed to resume.
    pub config: String,
}

impl Default for TrainOptions {
    /// One epoch at a constant learning rate, nothing written.
    fn default() -> Self {
        Self {
            epochs: 1,
            seed: 0,
            accumulate: 1,
            label_smoothing: 0.0,
            clip_grad_norm: None,
            amp: false,
            detect_anomaly: false,
            lr: LrPolicy::PerEpoch(Box::new(cresset_nn::schedule::ConstantLr)),
            output_dir: None,
            checkpoint_every: None,
            keep: 1,
            max_steps: None,
            average: None,
            patience: None,
            eval_every: None,
            frozen: Frozen::default(),
            config: String::new(),
        }
    }
}

/// When and how the learning rate moves.
#[derive(Debug)]
pub enum LrPolicy {
    /// By a schedule that counts epochs, as torchvision's reference scripts.
    PerEpoch(Box<dyn Schedule>),
    /// By a schedule that counts steps.
    PerStep(Box<dyn Schedule>),
    /// By what the validation loss does after each epoch, once `warmup_epochs` have passed; until then the rate
    /// rises from `warmup_factor` of itself in a straight line.
    Plateau {
        /// When it drops, and how far.
        plateau: ReduceLrOnPlateau,
        /// Epochs of warm-up.
        warmup_epochs: u64,
        /// The factor on the rate in the first epoch of the warm-up.
        warmup_factor: f64,
    },
}
