//! Writing and reading checkpoints.

use super::card::{FORMAT, ModelCard};
use super::checksum::{self, checksum};
use crate::error::{Result, TrainError};
use crate::progress::Progress;
use cresset_nn::optim::OptimizerState;
use cresset_nn::weights::{self, Metadata, Problem};
use cresset_nn::{Layer, ModuleExt, StateDict, Strictness};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The metadata key of the [`ModelCard`].
const MODEL: &str = "cresset.model";
/// The metadata key of [`TrainingMetadata`].
const TRAINING: &str = "cresset.training";
/// What the names of the optimizer's tensors begin with.
const OPTIMIZER: &str = "training.optimizer.";
/// What the names of the tensors of the moving average begin with.
const AVERAGE: &str = "training.average.";
/// What the names of the gradients of a step begin with that is not complete.
const GRADIENT: &str = "training.gradient.";
/// What the names of all tensors begin with that are no weights.
const RESERVED: &str = "training.";

/// A checkpoint read from a file.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The file.
    pub path: PathBuf,
    /// What the model is and how to use it.
    pub card: ModelCard,
    /// Parameters and buffers.
    pub weights: StateDict,
    /// What training needs to go on; absent from `best.safetensors`.
    pub training: Option<TrainingState>,
}

/// What training needs to go on, besides the weights.
#[derive(Clone, Debug)]
pub struct TrainingState {
    /// How far the run had come.
    pub progress: Progress,
    /// The configuration of the run, as its `config.toml`.
    pub config: String,
    /// The optimizer's memory.
    pub optimizer: OptimizerState,
    /// The moving average of the weights; empty if the run keeps none.
    pub average: StateDict,
    /// The gradients so far, in the midst of a step of several batches; else empty.
    pub gradients: StateDict,
    /// Images of the training and the validation data; unknown if `None`.
    pub images: Option<[usize; 2]>,
}

/// The part of [`TrainingState`] that is not tensors.
#[derive(Serialize, Deserialize)]
struct TrainingMetadata<P, C> {
    progress: P,
    config: C,
    #[serde(default)]
    images: Option<[usize; 2]>,
}

impl Checkpoint {
    /// Writes a checkpoint, whole or not at all: whatever happens meanwhile, `path` holds the old one or the new one.
    ///
    /// # Errors
    /// If the file cannot be written. The old one is unharmed then.
    pub fn save(
        path: &Path,
        card: &ModelCard,
        model: &dyn Layer,
        training: Option<&TrainingState>,
    ) -> Result<()> {
        let mut tensors = model.state_dict();
        let mut metadata = Metadata::new();
        // What other libraries look for.
        metadata.insert("format".into(), "pt".into());
        metadata.insert(MODEL.into(), to_json(card));
        if let Some(TrainingState { progress, config, optimizer, average, gradients, images }) = training {
            metadata
                .insert(TRAINING.into(), to_json(&TrainingMetadata { progress, config, images: *images }));
            for (prefix, state) in [(OPTIMIZER, optimizer), (AVERAGE, average), (GRADIENT, gradients)] {
                tensors.extend(state.iter().map(|(key, array)| (format!("{prefix}{key}"), array.clone())));
            }
        }
        metadata.insert(checksum::KEY.into(), checksum(&tensors, &metadata));
        weights::save(path, &tensors, &metadata).map_err(|error| match error.problem {
            Problem::Io(source) => TrainError::io("write", path, source),
            _ => error.into(),
        })
    }

    /// Reads a checkpoint and verifies it.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, is of a newer version, or holds weights without a card.
    pub fn load(path: &Path) -> Result<Self> {
        Self::verified(weights::load(path)?, path)
    }

    /// As [`Checkpoint::load`], for a file in memory. `name` stands for the path in messages.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub fn from_bytes(bytes: &[u8], name: &Path) -> Result<Self> {
        Self::verified(weights::load_bytes(bytes, name)?, name)
    }

    fn verified(weights: weights::Weights, path: &Path) -> Result<Self> {
        let weights::Weights { mut tensors, metadata } = weights;
        let bad = |reason: String| TrainError::bad_checkpoint(path, reason);
        let Some(card) = metadata.get(MODEL) else {
            return Err(bad("holds weights, but does not say of which model; name it with --model".into()));
        };
        if metadata.get(checksum::KEY) != Some(&checksum(&tensors, &metadata)) {
            return Err(bad("is damaged: its checksum does not match its contents; use another copy".into()));
        }
        let card: ModelCard =
            from_json(card).map_err(|e| bad(format!("its model card is not readable: {e}")))?;
        if card.format > FORMAT {
            return Err(bad(format!(
                "was written by cresset {} in format {}, this is {} and reads up to {FORMAT}; update cresset",
                card.cresset,
                card.format,
                env!("CARGO_PKG_VERSION")
            )));
        }
        let average = with_prefix(&tensors, AVERAGE);
        let gradients = with_prefix(&tensors, GRADIENT);
        let optimizer = split_training(&mut tensors);
        let training = match metadata.get(TRAINING) {
            None => None,
            Some(text) => {
                let TrainingMetadata { progress, config, images } =
                    from_json(text).map_err(|e| bad(format!("its training state is not readable: {e}")))?;
                Some(TrainingState { progress, config, optimizer, average, gradients, images })
            }
        };
        Ok(Self { path: path.to_path_buf(), card, weights: tensors, training })
    }

    /// Puts the weights into a model.
    ///
    /// # Errors
    /// If keys or shapes do not agree. Nothing is changed then.
    pub fn load_into(&self, model: &dyn Layer) -> Result<()> {
        match model.load_state_dict(&self.weights, Strictness::Strict) {
            Ok(_) => Ok(()),
            Err(error) => Err(TrainError::bad_checkpoint(&self.path, error.to_string())),
        }
    }
}

/// Takes the tensors that are no weights out of a state dict, and returns those of the optimizer under their own
/// names. Does nothing to a file that has none.
pub fn split_training(tensors: &mut StateDict) -> OptimizerState {
    let (reserved, weights): (StateDict, StateDict) =
        std::mem::take(tensors).into_iter().partition(|(name, _)| name.starts_with(RESERVED));
    *tensors = weights;
    with_prefix(&reserved, OPTIMIZER)
}

/// The tensors whose names begin with `prefix`, under the rest of their names.
fn with_prefix(tensors: &StateDict, prefix: &str) -> StateDict {
    let tensors = tensors.iter();
    tensors.filter_map(|(name, array)| Some((name.strip_prefix(prefix)?.to_owned(), array.clone()))).collect()
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data with string keys")
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text)
}
