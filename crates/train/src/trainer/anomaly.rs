//! Numbers that went wrong: where, in words.

use super::Trainer;
use crate::error::{Result, TrainError};
use crate::samples::Samples;
use cresset_nn::{ModuleExt, Param};
use cresset_tensor::Tensor;
use cresset_tensor::inspect::{find_anomaly, not_finite};

impl Trainer {
    /// Computes the loss of one batch and adds its gradient, weighted by `share`. Returns logits and loss.
    ///
    /// Loss and gradients are always looked at, which costs next to nothing. If one is not finite the batch is
    /// computed once more with every result looked at, so that the error names the layer and the pass; with
    /// [`TrainOptions::detect_anomaly`](crate::TrainOptions::detect_anomaly) that is done from the start.
    pub(super) fn checked_backward(&self, samples: &Samples, share: f32) -> Result<(Tensor, f64)> {
        let run = || -> Result<(Tensor, f64)> {
            let (logits, loss) = self.loss(samples)?;
            loss.backward_with(&Tensor::scalar(share));
            Ok((logits, f64::from(loss.item())))
        };
        if self.options.detect_anomaly {
            if let Some(cause) = self.not_finite_before(samples) {
                return Err(self.anomaly("the start of a step", f64::NAN, Some(cause)));
            }
            let (result, anomaly) = find_anomaly(run);
            let (logits, loss) = result?;
            return match anomaly {
                None => Ok((logits, loss)),
                Some(cause) => Err(self.anomaly("a result", value(cause.found), Some(cause.to_string()))),
            };
        }
        let (logits, loss) = run()?;
        let gradients = || self.optimizer.parameters().iter().find_map(|p| not_finite(&p.grad()?));
        let wrong = match loss.is_finite() {
            false => Some(("the training loss", loss)),
            true => gradients().map(|found| ("a gradient", value(found))),
        };
        let Some((what, value)) = wrong else { return Ok((logits, loss)) };
        let again = || find_anomaly(run).1.map(|cause| cause.to_string());
        Err(self.anomaly(what, value, self.not_finite_before(samples).or_else(again)))
    }

    /// Which pixels or weights are not finite, before anything is computed.
    fn not_finite_before(&self, samples: &Samples) -> Option<String> {
        if let Some(found) = not_finite(samples.images.array()) {
            return Some(format!("{found} in the images"));
        }
        let holds = |(name, parameter): &(String, Param)| {
            not_finite(&parameter.array()).map(|found| format!("{found} in the weights of {name}"))
        };
        self.model.named_parameters().iter().find_map(holds)
    }

    fn anomaly(&self, what: &'static str, value: f64, cause: Option<String>) -> TrainError {
        let (epoch, batch) = (self.progress.epoch + 1, self.progress.batch);
        TrainError::NotFinite { what, value, epoch, batch, cause }
    }
}

/// The number that `NaN` or `infinity` stands for.
fn value(found: &str) -> f64 {
    if found == "NaN" { f64::NAN } else { f64::INFINITY }
}
