//! What a run writes about each epoch.

use serde::{Deserialize, Serialize};

/// One line of `metrics.jsonl`. Accuracies are shares from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Mean training loss, as minimized: with label smoothing, in training mode, while the weights moved.
    pub train_loss: f64,
    /// Training accuracy, under the same conditions.
    pub train_top1: f64,
    /// Mean cross entropy of the validation images, without smoothing.
    pub val_loss: f64,
    /// Validation accuracy.
    pub val_top1: f64,
    /// The learning rate at the end of the epoch, of the first group.
    pub lr: f64,
    /// Seconds of training, loading included.
    pub train_seconds: f64,
    /// Seconds of evaluation, loading included.
    pub eval_seconds: f64,
    /// Training images a second, loading included.
    pub train_images_per_second: f64,
}

impl EpochRecord {
    /// The record without what a clock said: the same whenever the run is repeated.
    pub fn timeless(&self) -> Self {
        Self { train_seconds: 0.0, eval_seconds: 0.0, train_images_per_second: 0.0, ..*self }
    }

    /// Whether this epoch's weights are better than the best so far: more accurate, or as accurate with a lower loss.
    pub fn beats(&self, best: Option<&EpochRecord>) -> bool {
        best.is_none_or(|best| (self.val_top1, -self.val_loss) > (best.val_top1, -best.val_loss))
    }
}
