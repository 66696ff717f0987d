//! The learning-rate range test (Smith 2017, arXiv:1506.01186).

use super::Trainer;
use super::step::Step;
use crate::error::{Result, TrainError};
use crate::observer::{EpochStart, Observer, StepReport};
use crate::options::LrPolicy;
use cresset_nn::schedule::Schedule;

/// One step of a range test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrPoint {
    /// The learning rate of the first group.
    pub lr: f64,
    /// The loss of the step.
    pub loss: f64,
    /// The losses up to here, smoothed exponentially.
    pub smoothed: f64,
}

/// What of the smoothed loss comes from the steps before.
const SMOOTHING: f64 = 0.9;
/// The test is over when the smoothed loss is this many times its minimum.
const DIVERGED: f64 = 4.0;

/// From the groups' own rates up to `ratio` times as much, by the same factor at every step.
#[derive(Debug)]
struct Rising {
    ratio: f64,
    steps: u64,
}

impl Schedule for Rising {
    fn lr(&self, base_lr: f64, step: u64) -> f64 {
        base_lr * self.ratio.powf(step as f64 / (self.steps - 1).max(1) as f64)
    }
}

impl Trainer {
    /// Trains for up to `steps` steps while the learning rate rises from the optimizer's to `ratio` times as much, and
    /// records the losses. Ends early when the loss explodes or the observer asks to stop. What was trained is of no
    /// use afterwards.
    ///
    /// # Errors
    /// If data cannot be loaded.
    pub fn lr_range_test(
        &mut self,
        ratio: f64,
        steps: u64,
        observer: &mut dyn Observer,
    ) -> Result<Vec<LrPoint>> {
        self.options.lr = LrPolicy::PerStep(Box::new(Rising { ratio, steps }));
        self.options.frozen.train(&mut *self.model);
        observer.epoch_started(&EpochStart { epoch: 1, epochs: 1, images_done: 0, images: steps });
        let mut points: Vec<LrPoint> = Vec::new();
        let (mut average, mut lowest) = (0.0, f64::INFINITY);
        let mut batches = self.train_data.epoch(0);
        while (points.len() as u64) < steps && !observer.should_stop() {
            let loss = match self.step(&mut batches, observer) {
                Ok(Step::Made { loss }) => loss,
                Ok(Step::Interrupted) => break,
                Ok(Step::EpochOver) if self.progress.step == 0 && self.progress.epoch > 0 => break,
                Ok(Step::EpochOver) => {
                    self.progress.epoch += 1;
                    batches = self.train_data.epoch(self.progress.epoch);
                    continue;
                }
                // The loss went through the roof: that is where the test ends.
                Err(TrainError::NotFinite { .. }) if !points.is_empty() => break,
                Err(error) => return Err(error),
            };
            average = SMOOTHING * average + (1.0 - SMOOTHING) * loss;
            let smoothed = average / (1.0 - SMOOTHING.powi(points.len() as i32 + 1));
            points.push(LrPoint { lr: self.current_lr(), loss, smoothed });
            lowest = smoothed.min(lowest);
            observer.stepped(&StepReport {
                epoch: 1,
                step: self.progress.step,
                images: self.progress.step,
                step_loss: loss,
                loss: smoothed,
                top1: self.progress.meter.top1(),
                lr: self.current_lr(),
            });
            if smoothed > DIVERGED * lowest {
                break;
            }
        }
        Ok(points)
    }
}

/// The rate at which the smoothed loss falls fastest over the logarithm of the rate, before its minimum; `None` if it
/// never falls.
pub fn steepest(points: &[LrPoint]) -> Option<f64> {
    let lowest = points.iter().enumerate().min_by(|(_, a), (_, b)| a.smoothed.total_cmp(&b.smoothed))?.0;
    // The first losses swing: the average has little to go by.
    let from = (points.len() / 10).min(lowest);
    let slopes =
        points[from..=lowest].windows(2).map(|pair| (pair[1].smoothed - pair[0].smoothed, pair[1].lr));
    slopes.filter(|(slope, _)| *slope < 0.0).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, lr)| lr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_fall_is_found() {
        let losses = [2.3, 2.3, 2.29, 2.2, 1.5, 1.2, 1.1, 3.0, 9.0];
        let point = |(i, &loss): (usize, &f64)| LrPoint { lr: 10f64.powi(i as i32), loss, smoothed: loss };
        let points: Vec<_> = losses.iter().enumerate().map(point).collect();
        assert_eq!(steepest(&points), Some(1e4));
        assert_eq!(steepest(&points[7..]), None);
        assert_eq!(steepest(&[]), None);
    }

    #[test]
    fn the_rate_rises_by_a_constant_factor() {
        let rising = Rising { ratio: 1e4, steps: 5 };
        assert_eq!(rising.lr(1e-3, 0), 1e-3);
        assert!((rising.lr(1e-3, 2) - 0.1).abs() < 1e-12 && (rising.lr(1e-3, 4) - 10.0).abs() < 1e-9);
    }
}
