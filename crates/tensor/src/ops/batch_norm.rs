//! Batch normalization, as `torch.nn.functional.batch_norm` (Ioffe and Szegedy, 2015).
//!
//! Dimension 1 of the input is channels: (N, C), (N, C, L) or (N, C, H, W). Running statistics are the caller's;
//! [`BatchStats::update_running`] moves them.

use super::images::{dim_back, dim_last};
use super::optional::{given, one_a_channel, or_absent};
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::op::{Op, apply, apply_and_look};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::trace;
use cresset_kernels::batch_norm::{self, Backward, Mode, Relu};

/// Mean and variance of each channel over a batch.
#[derive(Clone, Debug)]
pub struct BatchStats {
    /// Mean of each channel (C).
    pub mean: Array,
    /// Variance of each channel (C), divided by the number of values, not by one less.
    pub var_biased: Array,
    /// Values in each channel.
    pub count: usize,
}

impl BatchStats {
    /// Mean and variance (absent in a dry run) of a batch of shape (N, C, ...).
    pub(super) fn new(stats: Option<[Array; 2]>, x: &Shape) -> Self {
        let channels = x.get(1).copied().unwrap_or(0);
        let meta = || [(); 2].map(|()| Array::meta([channels], DType::F32));
        let [mean, var_biased] = stats.unwrap_or_else(meta);
        Self { mean, var_biased, count: x.numel() / channels.max(1) }
    }

    /// Moves running statistics (C) towards those of this batch, as PyTorch: `momentum` is the weight of the batch
    /// and the variance enters with Bessel's correction. Does nothing in a dry run.
    ///
    /// # Panics
    /// If a running statistic is not of shape (C).
    #[track_caller]
    pub fn update_running(&self, momentum: f32, running_mean: &mut Array, running_var: &mut Array) {
        if self.mean.is_meta() {
            return;
        }
        let (mean, var) = (self.mean.memory(), self.var_biased.memory());
        let (running_mean, running_var) = (running_mean.memory_mut(), running_var.memory_mut());
        batch_norm::update_running(self.count, momentum, mean, var, running_mean, running_var);
    }
}

/// The input over channels, and the parameters as slices: what both modes work on.
struct Operands {
    /// (N, ..., C)
    x: Array,
    weight: Option<Array>,
    bias: Option<Array>,
}

impl Operands {
    fn new([x, weight, bias]: [&Array; 3]) -> Self {
        let [weight, bias] = [weight, bias].map(|a| given(a).map(Array::contiguous));
        Self { x: dim_last(x, 1), weight, bias }
    }

    fn channels(&self) -> usize {
        self.x.shape()[self.x.rank() - 1]
    }

    /// Normalizes with the given mean and variance; the result has the channels in dimension 1.
    fn normalize(&self, stats: &[Array; 2], eps: f32) -> Array {
        let [scale, shift] = fold(stats, eps, self.weight.as_ref(), self.bias.as_ref());
        let mut y = Array::empty_like(&self.x);
        batch_norm::normalize(self.x.memory(), scale.memory(), shift.memory(), None, false, y.memory_mut());
        dim_back(&y, 1)
    }

    /// The gradients by x, weight and bias.
    fn backward(
        &self,
        [mean, var]: &[Array; 2],
        epsilon: f32,
        mode: Mode,
        grad: Array,
        needs: [bool; 3],
    ) -> [Option<Array>; 3] {
        let [mut dweight, mut dbias] = [Array::empty([self.channels()]), Array::empty([self.channels()])];
        let gradient = Backward {
            x: self.x.memory(),
            mean: mean.memory(),
            variance: var.memory(),
            epsilon,
            weight: self.weight.as_ref().map(Array::memory),
            bias: self.bias.as_ref().map(Array::memory),
            relu: Relu::None,
            mode,
        };
        let mut dy = dim_last(&grad, 1);
        drop(grad);
        let dx = if dy.is_unique() {
            gradient.run_in_place(dy.memory_mut(), dweight.memory_mut(), dbias.memory_mut());
            dy
        } else {
            let mut dx = Array::empty_like(&dy);
            gradient.run(dy.memory(), dx.memory_mut(), dweight.memory_mut(), dbias.memory_mut());
            dx
        };
        [needs[0].then(|| dim_back(&dx, 1)), needs[1].then_some(dweight), needs[2].then_some(dbias)]
    }
}

/// Scale and shift (C) of each channel that normalize with mean and variance `stats`.
pub(super) fn fold(
    [mean, var]: &[Array; 2],
    eps: f32,
    weight: Option<&Array>,
    bias: Option<&Array>,
) -> [Array; 2] {
    let (mut scale, mut shift) = (Array::empty_like(mean), Array::empty_like(mean));
    let (weight, bias) = (weight.map(Array::memory), bias.map(Array::memory));
    batch_norm::fold(mean.memory(), var.memory(), eps, weight, bias, scale.memory_mut(), shift.memory_mut());
    [scale, shift]
}

/// Checks the shapes of input and parameters.
fn check([x, weight, bias]: [&Shape; 3]) -> Result<Shape, ShapeError> {
    if x.rank() < 2 {
        return Err(ShapeError::new(
            "batch_norm",
            format!("expected input (N, C) or (N, C, ...) with channels in dimension 1, found shape {x}"),
        ));
    }
    one_a_channel("batch_norm", "the weight", weight, x[1], x)?;
    one_a_channel("batch_norm", "the bias", bias, x[1], x)?;
    Ok(x.clone())
}

/// Refuses a batch (N, C, ...) of one value a channel, whose variance would be 0.
#[track_caller]
pub(super) fn check_count(x: &Shape) {
    let one_a_channel = x.rank() >= 2 && x[1] > 0 && x.numel() / x[1] < 2;
    // The batch size of a dry run is made up.
    assert!(
        !one_a_channel || trace::is_active(),
        "batch_norm: expected more than 1 value per channel when training, found input shape {x}; use a larger \
         batch (drop_last drops a last batch of one) or eval()"
    );
}

/// With the statistics of the batch.
#[derive(Debug)]
struct BatchNormTrain {
    eps: f32,
}

impl Op<3> for BatchNormTrain {
    /// What was normalized, and the mean and variance of the batch.
    type Saved = (Operands, [Array; 2]);

    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn shape(&self, inputs: [&Shape; 3]) -> Result<Shape, ShapeError> {
        check(inputs)
    }

    fn forward(&self, inputs: [&Array; 3]) -> (Array, Self::Saved) {
        let operands = Operands::new(inputs);
        let channels = operands.channels();
        let (mut mean, mut var) = (Array::empty([channels]), Array::empty([channels]));
        let rows = operands.x.numel() / channels.max(1);
        batch_norm::statistics(rows, operands.x.memory(), mean.memory_mut(), var.memory_mut());
        let stats = [mean, var];
        (operands.normalize(&stats, self.eps), (operands, stats))
    }

    fn backward(&self, (operands, stats): Self::Saved, grad: Array, needs: [bool; 3]) -> [Option<Array>; 3] {
        operands.backward(&stats, self.eps, Mode::Batch, grad, needs)
    }
}

/// With running statistics, which are constants.
#[derive(Debug)]
struct BatchNormEval {
    /// Mean and variance.
    stats: [Array; 2],
    eps: f32,
}

impl Op<3> for BatchNormEval {
    type Saved = Operands;

    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn shape(&self, inputs: [&Shape; 3]) -> Result<Shape, ShapeError> {
        let x = check(inputs)?;
        for (name, statistic) in ["running_mean", "running_var"].iter().zip(&self.stats) {
            if *statistic.shape() != [x[1]] {
                let found = statistic.shape();
                return Err(ShapeError::new(
                    "batch_norm",
                    format!("{name} has shape {found}, expected ({},) for input shape {x}", x[1]),
                ));
            }
        }
        Ok(x)
    }

    fn forward(&self, inputs: [&Array; 3]) -> (Array, Operands) {
        let operands = Operands::new(inputs);
        (operands.normalize(&self.stats, self.eps), operands)
    }

    fn backward(&self, operands: Operands, grad: Array, needs: [bool; 3]) -> [Option<Array>; 3] {
        operands.backward(&self.stats, self.eps, Mode::Running, grad, needs)
    }
}

/// Normalizes each channel of x (N, C, ...) to mean 0 and variance 1 over the batch, then multiplies by `weight`
/// (C) and adds `bias` (C); also gives the statistics of the batch.
///
/// # Panics
/// If the shapes do not fit, or if there is only one value a channel, whose variance would be 0.
#[track_caller]
pub fn batch_norm_train(
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f32,
) -> (Tensor, BatchStats) {
    check_count(x.shape());
    let inputs = [x, &or_absent(weight), &or_absent(bias)];
    let (y, stats) = apply_and_look(BatchNormTrain { eps }, inputs, |(_, stats)| stats.clone());
    (y, BatchStats::new(stats, x.shape()))
}

/// Normalizes each channel of x (N, C, ...) with given statistics (C), then multiplies by `weight` (C) and adds
/// `bias` (C).
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn batch_norm_eval(
    x: &Tensor,
    running_mean: &Array,
    running_var: &Array,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f32,
) -> Tensor {
    let op = BatchNormEval { stats: [running_mean.contiguous(), running_var.contiguous()], eps };
    apply(op, [x, &or_absent(weight), &or_absent(bias)])
}
