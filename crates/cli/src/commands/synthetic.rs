//! One model on one synthetic batch: what `bench` and `profile` time.

use crate::config::validate::{UsageError, count};
use anyhow::{Result, bail};
use clap::ValueEnum;
use cresset_nn::optim::{Optimizer, Sgd, SgdOptions};
use cresset_nn::{Layer, ModuleExt};
use cresset_tensor::ops::{CrossEntropyOptions, cross_entropy};
use cresset_tensor::profile::{self, Pass};
use cresset_tensor::{Array, Generator, Tensor, autocast, no_grad};
use cresset_vision::models;
use serde::Serialize;
use std::time::Instant;

/// What a step is.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Forward, cross entropy, backward, SGD with momentum
    Train,
    /// Forward in evaluation mode, without gradients
    Infer,
}

impl Mode {
    /// For sentences: `training`.
    pub fn noun(self) -> &'static str {
        match self {
            Mode::Train => "training",
            Mode::Infer => "inference",
        }
    }
}

/// A model and its batch.
pub struct Synthetic {
    /// The model's name in the registry.
    pub name: &'static str,
    /// The shape of the batch: images, channels, height, width.
    pub shape: [usize; 4],
    model: Box<dyn Layer>,
    images: Tensor,
    amp: bool,
    training: Option<Training>,
}

struct Training {
    labels: Tensor,
    optimizer: Sgd,
}

impl Synthetic {
    /// Builds the model for images of its own size, or of `img_size` squared, and makes up a batch. With `amp` it trains
    /// in mixed precision.
    ///
    /// # Errors
    /// If there is no such model, or it does not work on such images, or does not train with `amp`, or no memory holds the
    /// batch.
    pub fn new(name: &str, mode: Mode, batch: usize, img_size: Option<usize>, amp: bool) -> Result<Self> {
        count("--batch", batch, 1..=1 << 20)?;
        if amp && mode == Mode::Infer {
            bail!(UsageError("--amp is for training; inference computes in float32".into()));
        }
        let entry = models::find(name).map_err(|error| UsageError(error.to_string()))?;
        let mut config = entry.default_config();
        if let Some(size) = img_size {
            let size = count("--img-size", size, 1..=16384)?;
            config.input_size = (size, size);
        }
        let mut rng = Generator::new(0);
        let mut model = entry.build(&config, &mut rng)?;
        let shape = [batch, config.in_channels, config.input_size.0, config.input_size.1];
        let len: usize = shape.iter().product();
        let mut pixels = Vec::new();
        if pixels.try_reserve_exact(len).is_err() {
            let gib = (len * size_of::<f32>()) >> 30;
            bail!(UsageError(format!(
                "a batch of {shape:?} takes {gib} GiB, more than there is: lower --batch or --img-size"
            )));
        }
        pixels.extend((0..len).map(|_| rng.normal()));
        let training = match mode {
            Mode::Train => {
                let labels: Vec<i64> =
                    (0..batch).map(|_| rng.below(config.num_classes as u64) as i64).collect();
                let options = SgdOptions { lr: 0.01, momentum: 0.9, ..Default::default() };
                let optimizer = Sgd::new(model.named_parameters(), options);
                model.train();
                Some(Training { labels: Tensor::from_i64(labels, [batch]), optimizer })
            }
            Mode::Infer => {
                model.eval();
                None
            }
        };
        let images = Tensor::constant(Array::from_channels_last(pixels, shape));
        Ok(Self { name: entry.name, shape, model, images, amp, training })
    }

    /// Makes a step. In a profile, its parts are the events of depth 0.
    pub fn step(&mut self) {
        let Some(Training { labels, optimizer }) = &mut self.training else {
            let _part = profile::begin("forward", Pass::Forward);
            return no_grad(|| drop(self.model.forward(&self.images)));
        };
        let part = profile::begin("zero_grad", Pass::Update);
        optimizer.zero_grad();
        drop(part);
        let part = profile::begin("forward", Pass::Forward);
        let logits = autocast(self.amp, || self.model.forward(&self.images));
        let loss = cross_entropy(&logits, &*labels, &CrossEntropyOptions::default());
        drop(logits);
        drop(part);
        let part = profile::begin("backward", Pass::Backward);
        loss.backward();
        drop(part);
        let part = profile::begin("step", Pass::Update);
        optimizer.step();
        drop(part);
        loss.item();
    }
}

/// How long `f` takes, in milliseconds.
pub fn time_ms(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64() * 1e3
}

/// The number in the middle, or between the two in the middle; NaN if there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n => (values[(n - 1) / 2] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians() {
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0, 3.0, 2.0])), (2.0, 2.5));
        assert!(median(vec![]).is_nan());
    }
}
