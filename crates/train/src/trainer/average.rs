//! Exponential moving averages of a model (Polyak and Juditsky 1992; torchvision's `ExponentialMovingAverage`).

use crate::error::{Result, TrainError};
use cresset_nn::{Layer, ModuleExt, StateDict, Strictness};
use cresset_tensor::{Array, DType};
use std::path::Path;

/// How the average of a model is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AverageOptions {
    /// The share of the average that stays at an update, from 0 up to, but not including, 1.
    pub decay: f64,
    /// Steps between updates; at least 1.
    pub every: u64,
    /// While the learning rate warms up, that is for so many epochs, the average is a copy of the model.
    pub warmup_epochs: u64,
}

impl AverageOptions {
    /// torchvision's rule: `decay` is meant for one image a step and one epoch, and is adapted to the batch size, the
    /// steps between updates and the length of the run.
    pub fn scaled(decay: f64, every: u64, images_per_step: u64, epochs: u64) -> Self {
        let adjust = (images_per_step * every) as f64 / epochs.max(1) as f64;
        Self { decay: 1.0 - ((1.0 - decay) * adjust).min(1.0), every, warmup_epochs: 0 }
    }
}

/// The average of a model's parameters and buffers over the steps.
pub(super) struct Average {
    pub options: AverageOptions,
    model: Box<dyn Layer>,
}

impl Average {
    pub fn new(options: AverageOptions, model: &dyn Layer) -> Self {
        Self { options, model: model.clone_layer() }
    }

    /// Takes the model's present state into the average; `copy` makes it the average.
    pub fn update(&self, model: &dyn Layer, copy: bool) {
        let keep = if copy { 0.0 } else { self.options.decay as f32 };
        let current = model.state_dict();
        let averaged = self.model.state_dict().into_iter().map(|(name, old)| {
            let new = &current[&name];
            let value = if keep == 0.0 { new.clone() } else { blend(&old, new, keep) };
            (name, value)
        });
        let averaged: StateDict = averaged.collect();
        self.model
            .load_state_dict(&averaged, Strictness::Strict)
            .expect("a copy of the model has its shapes");
    }

    /// The average, to be evaluated and saved.
    pub fn model(&self) -> &dyn Layer {
        &*self.model
    }

    pub fn model_mut(&mut self) -> &mut dyn Layer {
        &mut *self.model
    }

    /// Goes on from a checkpoint.
    pub fn restore(&self, state: &StateDict, path: &Path) -> Result<()> {
        match self.model.load_state_dict(state, Strictness::Strict) {
            Ok(_) => Ok(()),
            Err(error) => Err(TrainError::bad_checkpoint(path, format!("the average of the model: {error}"))),
        }
    }
}

/// `keep * old + (1 - keep) * new` for floats; counters are copied.
fn blend(old: &Array, new: &Array, keep: f32) -> Array {
    if new.dtype() != DType::F32 {
        return new.clone();
    }
    let (old, new) = (old.contiguous(), new.contiguous());
    let values = old.memory().iter().zip(new.memory()).map(|(&old, &new)| old * keep + new * (1.0 - keep));
    Array::from_vec(values.collect(), new.shape().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decay_is_adapted_as_in_torchvision() {
        let options = AverageOptions::scaled(0.99998, 32, 128, 600);
        assert!((options.decay - (1.0 - 0.00002 * 128.0 * 32.0 / 600.0)).abs() < 1e-12);
        assert_eq!(AverageOptions::scaled(0.5, 32, 128, 1).decay, 0.0);
    }

    #[test]
    fn floats_are_blended_and_counters_copied() {
        let floats = |v: f32| Array::from_vec(vec![v; 3], [3]);
        assert_eq!(blend(&floats(1.0), &floats(2.0), 0.75).to_vec(), [1.25; 3]);
    }
}
