//! One optimizer step: the gradients of one or several batches, added up.

use super::Trainer;
use crate::error::Result;
use crate::evaluate::check_classes;
use crate::metrics::rank;
use crate::observer::Observer;
use crate::progress::PartialStep;
use crate::samples::Samples;
use cresset_nn::Forward;
use cresset_nn::optim::{NormType, clip_grad_norm};
use cresset_tensor::ops::{CrossEntropyOptions, cross_entropy};
use cresset_tensor::{DType, Tensor, autocast, random};
use cresset_vision::loader::Epoch;

/// How [`Trainer::step`] ended.
pub(super) enum Step {
    /// The parameters have moved.
    Made {
        /// The mean loss over the images of the step.
        loss: f64,
    },
    /// The observer asked to stop between two batches of the step.
    Interrupted,
    /// No batch was left.
    EpochOver,
}

impl Trainer {
    /// Makes one step from the next batches.
    ///
    /// With several batches a step, each loss is weighted by its share of the images, so that the sum of gradients
    /// is that of the mean over all of them, also for the short group at the end of an epoch.
    pub(super) fn step(&mut self, batches: &mut Epoch, observer: &mut dyn Observer) -> Result<Step> {
        let begin = || PartialStep { first: Epoch::position(batches), ..Default::default() };
        let mut group = self.progress.partial.take().unwrap_or_else(begin);
        let expected = self.images_in_group(group.first);
        if group.images > 0 {
            // After a resume, the optimizer does not know yet.
            self.learning_rate_before_step();
        }
        while group.batches < self.options.accumulate {
            let Some(batch) = batches.next() else { break };
            let samples = Samples::new(batch?, self.card.classes.len())?;
            if group.images == 0 {
                self.learning_rate_before_step();
                self.optimizer.zero_grad();
            }
            self.progress.batch = Epoch::position(batches);
            group.loss += self.backward(&samples, expected)?;
            group.images += samples.len();
            group.batches += 1;
            if group.batches < self.options.accumulate && !self.may_go_on(group, observer)? {
                return Ok(Step::Interrupted);
            }
        }
        // Batches at the end of which nothing was left may have passed by.
        self.progress.batch = Epoch::position(batches);
        if group.images == 0 {
            return Ok(Step::EpochOver);
        }
        self.update(group.images, expected)?;
        Ok(Step::Made { loss: group.loss / group.images as f64 })
    }

    /// Between two batches of a step: writes a checkpoint if the time for one has come, and asks whether to stop.
    fn may_go_on(&mut self, group: PartialStep, observer: &mut dyn Observer) -> Result<bool> {
        self.progress.partial = Some(group);
        if observer.should_stop() {
            return Ok(false);
        }
        if self.checkpoint_time_has_come() {
            self.save_last(observer)?;
        }
        self.progress.partial = None;
        Ok(true)
    }

    /// Moves the parameters along their gradients, which are those of `images` images, of `expected` ones.
    fn update(&mut self, images: usize, expected: usize) -> Result<()> {
        let parameters = self.optimizer.parameters();
        if images != expected {
            // Images that could not be read were left out: the shares were taken of too many.
            let correction = expected as f32 / images as f32;
            parameters.iter().for_each(|p| p.leaf().map_grad(|grad| grad.map(|g| g * correction)));
        }
        if let Some(limit) = self.options.clip_grad_norm {
            let norm = clip_grad_norm(&parameters, limit, NormType::L2);
            self.require_finite("the gradient norm", norm, self.progress.batch)?;
        }
        self.optimizer.step();
        self.progress.step += 1;
        self.update_average();
        Ok(())
    }

    /// How many images the step that begins at batch `first` is made of.
    fn images_in_group(&self, first: usize) -> usize {
        let size = self.train_data.options().batch_size;
        let end = (first + self.options.accumulate).saturating_mul(size).min(self.train_data.num_samples());
        end.saturating_sub(first * size)
    }

    /// Adds the gradient of one batch, of a group of `group_images`. Returns the sum of its losses.
    fn backward(&mut self, samples: &Samples, group_images: usize) -> Result<f64> {
        let share = samples.len() as f32 / group_images as f32;
        let (logits, loss) = self.checked_backward(samples, share)?;
        let classes = self.card.classes.len();
        for (row, &label) in logits.to_vec().chunks_exact(classes).zip(&samples.labels) {
            self.progress.meter.add_rank(rank(row, label));
        }
        let sum = loss * samples.len() as f64;
        self.progress.meter.add_loss(sum, samples.len());
        Ok(sum)
    }

    /// Logits and mean loss of one batch.
    pub(super) fn loss(&self, samples: &Samples) -> Result<(Tensor, Tensor)> {
        // The batch just taken is `progress.batch - 1`: what dropout draws depends on nothing else.
        let (epoch, batch) = (self.progress.epoch, self.progress.batch);
        let _random = random::step_scope(self.options.seed, (epoch << 32) | batch as u64);
        let logits = autocast(self.options.amp, || self.model.forward(&samples.images));
        let logits = logits.to_dtype(DType::F32);
        check_classes(&logits, self.card.classes.len())?;
        let options = CrossEntropyOptions {
            label_smoothing: self.options.label_smoothing as f32,
            ..Default::default()
        };
        let loss = cross_entropy(&logits, &samples.targets, &options);
        Ok((logits, loss))
    }

    /// Takes the new weights into the moving average, if it is time.
    fn update_average(&self) {
        let Some(average) = &self.average else { return };
        let (step, every) = (self.progress.step, average.options.every.max(1));
        let first = step == every;
        if step.is_multiple_of(every) {
            average.update(&*self.model, first || self.progress.epoch < average.options.warmup_epochs);
        }
    }
}
