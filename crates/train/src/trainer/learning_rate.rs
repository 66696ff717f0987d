//! Moving the learning rate.

use super::Trainer;
use crate::options::LrPolicy;
use crate::progress::PlateauProgress;
use cresset_nn::schedule::{ConstantLr, Schedule, Warmup};

impl Trainer {
    /// Sets the learning rate that is in force in the coming step.
    pub(super) fn learning_rate_before_step(&mut self) {
        let optimizer = &mut *self.optimizer;
        match &self.options.lr {
            LrPolicy::PerEpoch(schedule) => schedule.set(optimizer, &self.base_lrs, self.progress.epoch),
            LrPolicy::PerStep(schedule) => schedule.set(optimizer, &self.base_lrs, self.progress.step),
            LrPolicy::Plateau { warmup_epochs, warmup_factor, .. }
                if self.progress.epoch < *warmup_epochs =>
            {
                Warmup { steps: *warmup_epochs, start_factor: *warmup_factor, then: ConstantLr }.set(
                    optimizer,
                    &self.base_lrs,
                    self.progress.epoch,
                );
            }
            LrPolicy::Plateau { .. } => match &self.progress.plateau {
                Some(plateau) => optimizer.set_lrs(&plateau.lrs),
                None => optimizer.set_lrs(&self.base_lrs),
            },
        }
        self.progress.lrs = self.optimizer.lrs();
    }

    /// Lets a plateau schedule see the validation loss. Called when `progress.epoch` already counts the epoch.
    pub(super) fn learning_rate_after_epoch(&mut self, val_loss: f64) {
        if let LrPolicy::Plateau { plateau, warmup_epochs, .. } = &mut self.options.lr
            && self.progress.epoch > *warmup_epochs
        {
            let lrs = plateau.step(val_loss, &self.progress.lrs);
            self.progress.plateau = Some(PlateauProgress::new(plateau.state, lrs));
        }
    }

    /// The learning rate of the first group in the latest step.
    pub(super) fn current_lr(&self) -> f64 {
        self.progress.lrs.first().copied().unwrap_or(0.0)
    }

    /// Hands a plateau schedule its memory back.
    pub(super) fn restore_plateau(&mut self) {
        if let (LrPolicy::Plateau { plateau, .. }, Some(saved)) =
            (&mut self.options.lr, &self.progress.plateau)
        {
            plateau.state = saved.state();
        }
    }
}
