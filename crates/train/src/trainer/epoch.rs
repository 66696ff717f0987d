//! One pass over the training data.

use super::Trainer;
use super::step::Step;
use crate::error::Result;
use crate::observer::{EpochStart, Observer, StepReport};
use std::time::Instant;

impl Trainer {
    /// Trains from where the run stands to the end of the epoch. False if it is to stop before that.
    pub(super) fn train_epoch(&mut self, observer: &mut dyn Observer) -> Result<bool> {
        self.options.frozen.train(&mut *self.model);
        observer.epoch_started(&EpochStart {
            epoch: self.progress.epoch + 1,
            epochs: self.options.epochs,
            images_done: self.progress.meter.samples(),
            images: self.train_data.num_samples() as u64,
        });
        let mut clock = Instant::now();
        let mut batches = self.train_data.epoch_from(self.progress.epoch, self.progress.batch);
        loop {
            let step_loss = match self.step(&mut batches, observer)? {
                Step::Made { loss } => loss,
                Step::Interrupted => return Ok(false),
                Step::EpochOver => return Ok(true),
            };
            let now = Instant::now();
            self.progress.train_seconds += (now - clock).as_secs_f64();
            clock = now;
            let meter = &self.progress.meter;
            observer.stepped(&StepReport {
                epoch: self.progress.epoch + 1,
                step: self.progress.step,
                images: meter.samples(),
                step_loss,
                loss: meter.loss(),
                top1: meter.top1(),
                lr: self.current_lr(),
            });
            let at_end = self.progress.batch == self.train_data.num_batches();
            if self.is_checkpoint_due() && !at_end {
                self.save_last(observer)?;
                clock = Instant::now();
            }
            if self.options.eval_every.is_some_and(|n| self.progress.step.is_multiple_of(n)) && !at_end {
                self.check(observer)?;
                clock = Instant::now();
            }
            if observer.should_stop() || self.has_made_all_steps() {
                return Ok(false);
            }
        }
    }

    /// Evaluates between two steps. It only informs: the best weights are those of whole epochs.
    fn check(&mut self, observer: &mut dyn Observer) -> Result<()> {
        if let Some(evaluation) = self.evaluate(observer)? {
            observer.checked(self.progress.step, &evaluation);
        }
        self.options.frozen.train(&mut *self.model);
        Ok(())
    }
}
