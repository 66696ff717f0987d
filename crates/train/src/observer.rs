//! How a trainer tells what it is doing, without knowing of terminals.

use crate::evaluate::Evaluation;
use crate::record::EpochRecord;
use std::path::Path;

/// Is told what happens, and can ask to stop. Every method may be left out.
pub trait Observer {
    /// An epoch begins (or goes on, after a resume).
    fn epoch_started(&mut self, _start: &EpochStart) {}

    /// An optimizer step was made.
    fn stepped(&mut self, _step: &StepReport) {}

    /// A batch was evaluated: `done` of `total`.
    fn evaluated(&mut self, _done: usize, _total: usize) {}

    /// The model was evaluated between two steps of an epoch.
    fn checked(&mut self, _step: u64, _evaluation: &Evaluation) {}

    /// An epoch was trained and evaluated. `best` says that it is the best so far.
    fn epoch_finished(&mut self, _record: &EpochRecord, _evaluation: &Evaluation, _best: bool) {}

    /// A checkpoint was written.
    fn saved(&mut self, _path: &Path) {}

    /// Asked after every batch: whether to stop here. A step that is made of several batches is left in its midst, and
    /// goes on there after a resume.
    fn should_stop(&mut self) -> bool {
        false
    }
}

/// An observer that looks away.
impl Observer for () {}

/// The beginning of an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochStart {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Epochs in the run.
    pub epochs: u64,
    /// Images that were already trained on in this epoch, after a resume.
    pub images_done: u64,
    /// Images in an epoch.
    pub images: u64,
}

/// One optimizer step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Steps so far in the whole run.
    pub step: u64,
    /// Images so far in this epoch.
    pub images: u64,
    /// The loss of this step.
    pub step_loss: f64,
    /// The mean loss of the epoch so far.
    pub loss: f64,
    /// The share of right first choices in the epoch so far, 0 to 1.
    pub top1: f64,
    /// The learning rate of the first group.
    pub lr: f64,
}
