//! One optimizer step: the gradients of one or several batches, added up.

use super::Trainer;
use crate::error::Result;
use crate::evaluate::check_classes;
use crate::metrics::rank;
use crate::samples::Samples;
use cresset_nn::Forward;
use cresset_nn::optim::{NormType, clip_grad_norm};
use cresset_tensor::ops::{CrossEntropyOptions, cross_entropy};
use cresset_tensor::{Tensor, random};
use cresset_vision::loader::Epoch;

impl Trainer {
    /// Makes one step from the next batches. Returns its loss, the mean over its images, or `None` at the end of the
    /// epoch.
    ///
    /// With several batches a step, each loss is weighted by its share of the images, so that the sum of gradients
    /// is that of the mean over all of them, also for the short group at the end of an epoch.
    pub(super) fn step(&mut self, batches: &mut Epoch) -> Result<Option<f64>> {
        let expected = self.images_in_group(Epoch::position(batches));
        let (mut images, mut loss_sum) = (0, 0.0);
        for _ in 0..self.options.accumulate {
            let Some(batch) = batches.next() else { break };
            let samples = Samples::new(batch?, self.card.classes.len())?;
            if images == 0 {
                self.learning_rate_before_step();
                self.optimizer.zero_grad();
            }
            images += samples.len();
            self.progress.batch = Epoch::position(batches);
            loss_sum += self.backward(&samples, expected)?;
        }
        // Batches at the end of which nothing was left may have passed by.
        self.progress.batch = Epoch::position(batches);
        if images == 0 {
            return Ok(None);
        }
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
        Ok(Some(loss_sum / images as f64))
    }

    /// How many images the step that begins at batch `first` is made of.
    fn images_in_group(&self, first: usize) -> usize {
        let size = self.train_data.options().batch_size;
        let end = (first + self.options.accumulate).saturating_mul(size).min(self.train_data.num_samples());
        end.saturating_sub(first * size)
    }

    /// Adds the gradient of one batch, of a group of `group_images`. Returns the sum of its losses.
    fn backward(&mut self, samples: &Samples, group_images: usize) -> Result<f64> {
        // The batch just taken is `progress.batch - 1`: what dropout draws depends on nothing else.
        let (epoch, batch) = (self.progress.epoch, self.progress.batch);
        let _random = random::step_scope(self.options.seed, (epoch << 32) | batch as u64);
        let logits = self.model.forward(&samples.images);
        check_classes(&logits, self.card.classes.len())?;
        let options = CrossEntropyOptions {
            label_smoothing: self.options.label_smoothing as f32,
            ..Default::default()
        };
        let loss = cross_entropy(&logits, &samples.targets, &options);
        let value = f64::from(loss.item());
        self.require_finite("the training loss", value, batch)?;
        if samples.len() == group_images {
            loss.backward();
        } else {
            loss.backward_with(&Tensor::scalar(samples.len() as f32 / group_images as f32));
        }
        let classes = self.card.classes.len();
        for (row, &label) in logits.to_vec().chunks_exact(classes).zip(&samples.labels) {
            self.progress.meter.add_rank(rank(row, label));
        }
        let sum = value * samples.len() as f64;
        self.progress.meter.add_loss(sum, samples.len());
        Ok(sum)
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
