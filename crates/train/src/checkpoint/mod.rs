//! Checkpoints: a model's weights, what one must know to use them, and, while training, all that the next step
//! depends on.
//!
//! A checkpoint is a `.safetensors` file, written whole or not at all:
//!
//! | part | where |
//! |---|---|
//! | parameters and buffers | tensors under PyTorch's own keys: `conv1.weight` |
//! | [`ModelCard`]: model, classes, input, normalization | metadata `cresset.model`, JSON |
//! | checksum of all tensors and of the metadata | metadata `cresset.checksum` |
//! | optimizer's memory (training only) | tensors under `training.optimizer.` |
//! | moving average of the weights (training only) | tensors under `training.average.` |
//! | gradients so far, in the midst of a step of several batches | tensors under `training.gradient.` |
//! | [`Progress`](crate::Progress) and configuration (training only) | metadata `cresset.training`, JSON |
//!
//! `best.safetensors` has the first three, `last.safetensors` all. Whoever knows nothing of cresset sees a state dict,
//! and with `last.safetensors` some more tensors, which a non-strict load ignores.

mod bytes;
mod card;
mod checksum;
mod digest;
mod every;
mod file;

pub use card::{ModelCard, Preprocessing};
pub use digest::Digest;
pub use every::CheckpointEvery;
pub use file::{Checkpoint, TrainingState, split_training};
