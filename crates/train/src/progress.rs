//! How far a run has come: all that training depends on besides weights, optimizer and options.

use crate::metrics::Meter;
use crate::record::EpochRecord;
use cresset_nn::schedule::PlateauState;
use serde::{Deserialize, Serialize};

/// Where a run stands, between two batches. Part of every checkpoint.
///
/// Random numbers need no state: they are keyed by seed, epoch and batch. Neither do schedules, apart from the
/// plateau's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs completed, that is trained and evaluated.
    pub epoch: u64,
    /// Batches of the current epoch already trained on.
    pub batch: usize,
    /// Optimizer steps made in the whole run.
    pub step: u64,
    /// The step in whose midst the run stands, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<PartialStep>,
    /// Loss and accuracy of the current epoch so far.
    pub meter: Meter,
    /// Seconds spent training in the current epoch so far.
    pub train_seconds: f64,
    /// The epochs so far.
    pub history: Vec<EpochRecord>,
    /// The epoch, counted from 1, whose weights are the best so far; 0 if there is none.
    pub best_epoch: u64,
    /// The learning rate of each group in the latest step.
    pub lrs: Vec<f64>,
    /// The plateau schedule's memory, if one is in use.
    pub plateau: Option<PlateauProgress>,
}

/// A step of several batches, of which some are done. Their gradients are in the checkpoint too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartialStep {
    /// The batch of the epoch with which the step began.
    pub first: usize,
    /// Batches done.
    pub batches: usize,
    /// Images in them.
    pub images: usize,
    /// The sum of their losses.
    pub loss: f64,
}

/// What a plateau schedule remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlateauProgress {
    /// The learning rate of each group from now on.
    pub lrs: Vec<f64>,
    /// The best loss, once there is one.
    pub best: Option<f64>,
    /// Checks since it improved.
    pub bad_checks: u64,
    /// Checks of cooldown left.
    pub cooldown_left: u64,
}

impl PlateauProgress {
    pub(crate) fn new(state: PlateauState, lrs: Vec<f64>) -> Self {
        let PlateauState { best, bad_checks, cooldown_left } = state;
        Self { lrs, best, bad_checks, cooldown_left }
    }

    pub(crate) fn state(&self) -> PlateauState {
        let &Self { best, bad_checks, cooldown_left, .. } = self;
        PlateauState { best, bad_checks, cooldown_left }
    }
}

impl Progress {
    /// The record of the best epoch so far.
    pub fn best(&self) -> Option<&EpochRecord> {
        self.history.iter().find(|record| record.epoch == self.best_epoch)
    }
}
