//! When a run is written to its folder, and what.

use super::Trainer;
use super::average::Average;
use crate::checkpoint::{Checkpoint, CheckpointEvery, ModelCard, TrainingState};
use crate::error::Result;
use crate::observer::Observer;
use cresset_nn::{ModuleExt, StateDict};
use std::time::Instant;

impl Trainer {
    /// After a step: whether a checkpoint is to be written.
    pub(super) fn is_checkpoint_due(&self) -> bool {
        match self.options.checkpoint_every {
            Some(CheckpointEvery::Steps(steps)) => self.progress.step.is_multiple_of(steps),
            _ => self.checkpoint_time_has_come(),
        }
    }

    /// At any time: whether the last checkpoint is older than it should get.
    pub(super) fn checkpoint_time_has_come(&self) -> bool {
        match self.options.checkpoint_every {
            Some(CheckpointEvery::Time(time)) => self.saved_at.elapsed() >= time,
            _ => false,
        }
    }

    /// Writes the weights of the epoch just finished as the best.
    pub(super) fn save_best(&self, observer: &mut dyn Observer) -> Result<()> {
        let Some(dir) = &self.run_dir else { return Ok(()) };
        let path = dir.best();
        let model = self.average.as_ref().map_or(&*self.model, Average::model);
        Checkpoint::save(&path, &self.current_card(), model, None)?;
        observer.saved(&path);
        Ok(())
    }

    /// Writes everything that the next batch depends on.
    pub(super) fn save_last(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let Some(dir) = &self.run_dir else { return Ok(()) };
        let path = dir.last();
        let state = TrainingState {
            progress: self.progress.clone(),
            config: self.options.config.clone(),
            optimizer: self.optimizer.state(),
            average: self.average.as_ref().map(|average| average.model().state_dict()).unwrap_or_default(),
            gradients: self.partial_gradients(),
            images: Some([&self.train_data, &self.val_data].map(|data| data.dataset().len())),
        };
        Checkpoint::save(&path, &self.current_card(), &*self.model, Some(&state))?;
        dir.keep(self.progress.step, self.options.keep)?;
        self.saved_at = Instant::now();
        observer.saved(&path);
        Ok(())
    }

    /// In the midst of a step, its gradients so far.
    fn partial_gradients(&self) -> StateDict {
        if self.progress.partial.is_none() {
            return StateDict::new();
        }
        let parameters = self.model.named_parameters().into_iter();
        parameters.filter_map(|(name, param)| Some((name, param.grad()?))).collect()
    }

    /// The card with what the last completed epoch reached.
    fn current_card(&self) -> ModelCard {
        let last = self.progress.history.last();
        ModelCard {
            epoch: self.progress.epoch,
            val_top1: last.map(|record| record.val_top1),
            val_loss: last.map(|record| record.val_loss),
            ..self.card.clone()
        }
    }
}
