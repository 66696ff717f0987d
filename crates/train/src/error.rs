//! What can end a training or an evaluation.

use cresset_nn::optim::OptimizerStateError;
use cresset_nn::weights::WeightsError;
use cresset_vision::VisionError;
use cresset_vision::models::ModelError;
use std::path::{Path, PathBuf};

/// `Result` with [`TrainError`].
pub type Result<T, E = TrainError> = std::result::Result<T, E>;

/// An error of the trainer, of evaluation or of a checkpoint. Every message is one line with the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Data, images or transforms.
    #[error(transparent)]
    Vision(#[from] VisionError),

    /// A model that cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),

    /// A file of weights that cannot be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),

    /// A number that is not finite turned up: going on would only spoil the weights.
    #[error(
        "{what} is {value} in epoch {epoch}, batch {batch}{}; {}lower --lr, warm up with --lr-warmup-epochs, or limit \
         gradients with --clip-grad-norm",
        .cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default(),
        if *.epoch > 1 { "the last checkpoint is from before that; " } else { "" }
    )]
    NotFinite {
        /// What was computed: "the training loss".
        what: &'static str,
        /// NaN or an infinity.
        value: f64,
        /// The epoch, counted from 1.
        epoch: u64,
        /// The batch in its epoch, counted from 1.
        batch: usize,
        /// Where it came from: `NaN in layer1.0.conv1 (conv2d, forward)`.
        cause: Option<String>,
    },

    /// A name given for freezing is no part of the model.
    #[error(
        "cannot freeze {name:?}: the model has no such layer; it has {layers}, and `cresset summary` lists all"
    )]
    NoSuchLayer {
        /// The name.
        name: String,
        /// The outermost layers.
        layers: String,
    },

    /// Every layer is frozen.
    #[error("every layer is frozen, nothing is left to learn; freeze fewer with --freeze")]
    AllFrozen,

    /// A label that is no class of the model.
    #[error("sample {index} has label {label}, but the model tells {classes} classes apart (0 to {})", .classes.saturating_sub(1))]
    Label {
        /// The sample.
        index: usize,
        /// Its label.
        label: i64,
        /// Classes of the model.
        classes: usize,
    },

    /// The model was made for another number of classes than the data has.
    #[error(
        "the model tells {model} classes apart, the data has {data}; choose the data set the model was trained on"
    )]
    Classes {
        /// Columns of the model's output.
        model: usize,
        /// Classes of the data set.
        data: usize,
    },

    /// The model does not take images of this shape.
    #[error("the model takes images of {}, the data has {}; {way_out}", shape(.expected), shape(.found))]
    Input {
        /// (C, H, W) of the model.
        expected: [usize; 3],
        /// (C, H, W) of the data.
        found: [usize; 3],
        /// What to do.
        way_out: &'static str,
    },

    /// The operating system refused to read or write a file of a run.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },

    /// Another process trains in the same folder.
    #[error(
        "{} is in use by another process; wait for it or stop it, or choose another folder with --output-dir",
        path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },

    /// A file that should be a checkpoint or weights with a model card is not.
    #[error("{}: {reason}", path.display())]
    BadCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the way out.
        reason: String,
    },

    /// The optimizer's part of a checkpoint does not belong to this run.
    #[error("{}: {source}", path.display())]
    OptimizerState {
        /// The checkpoint.
        path: PathBuf,
        /// Which tensor.
        source: OptimizerStateError,
    },
}

impl TrainError {
    /// Wraps an I/O error with what was being done to which path.
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    pub(crate) fn bad_checkpoint(path: &Path, reason: impl Into<String>) -> Self {
        Self::BadCheckpoint { path: path.to_path_buf(), reason: reason.into() }
    }
}

fn shape([c, h, w]: &[usize; 3]) -> String {
    format!("{c}x{h}x{w}")
}
