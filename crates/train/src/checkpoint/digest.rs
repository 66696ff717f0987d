//! What a run has come to, in a form that is easily compared.

use super::bytes::{Sink, tensors};
use super::file::Checkpoint;
use crate::progress::Progress;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// SHA-256 sums of a checkpoint's parts, in hexadecimal. What a clock said is left out; everything else is in: two
/// runs with the same digest go on in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// Of parameters and buffers: names, types, shapes and values.
    pub weights: String,
    /// Of the optimizer's memory, the moving average and the gradients of a step that is not complete.
    pub optimizer: String,
    /// Of the position, the metrics so far, the learning rates and the memory of a plateau schedule.
    pub metrics: String,
}

impl Checkpoint {
    /// The sums of this checkpoint. Without a training state, the last two are those of nothing.
    pub fn digest(&self) -> Digest {
        let sum = |feed: &dyn Fn(&mut Sha256)| {
            let mut hasher = Sha256::new();
            feed(&mut hasher);
            hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
        };
        Digest {
            weights: sum(&|hasher| tensors(hasher, &self.weights)),
            optimizer: sum(&|hasher| {
                for state in self.training.iter().flat_map(|t| [&t.optimizer, &t.average, &t.gradients]) {
                    tensors(hasher, state);
                }
            }),
            metrics: sum(&|hasher| {
                if let Some(training) = &self.training {
                    hasher.add(timeless(&training.progress).as_bytes());
                }
            }),
        }
    }
}

/// The progress without what a clock said, as JSON.
fn timeless(progress: &Progress) -> String {
    let mut progress = progress.clone();
    progress.train_seconds = 0.0;
    progress.history.iter_mut().for_each(|record| *record = record.timeless());
    serde_json::to_string(&progress).expect("plain data with string keys")
}

impl Sink for Sha256 {
    fn add(&mut self, bytes: &[u8]) {
        sha2::Digest::update(self, bytes);
    }
}
