//! Batch normalization, as `torch.nn.functional.batch_norm` (Ioffe and Szegedy, 2015), alone or with the addition
//! of a residual and the ReLU that follow it in residual networks.
//!
//! Dimension 1 of the input is channels: (N, C), (N, C, L) or (N, C, H, W). Running statistics are the caller's;
//! [`BatchStats::update_running`] moves them.

use super::images::{dim_back, dim_last};
use super::normalization::{After, Normalization, Normalized};
use super::optional::{given, is_given, one_a_channel, or_absent};
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::op::{Op, apply, apply_and_look};
use crate::recompute::Recompute;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::trace;
use cresset_kernels::batch_norm::{self, Mode};

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

/// Inputs are x, weight, bias and a residual.
#[derive(Debug)]
struct BatchNorm {
    /// Mean and variance to normalize with; without, those of the batch.
    running: Option<[Array; 2]>,
    eps: f32,
    relu: bool,
}

impl Op<4> for BatchNorm {
    type Saved = Normalized;

    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn shape(&self, [x, weight, bias, residual]: [&Shape; 4]) -> Result<Shape, ShapeError> {
        let error = |message: String| Err(ShapeError::new(self.name(), message));
        if x.rank() < 2 {
            return error(format!(
                "expected input (N, C) or (N, C, ...) with channels in dimension 1, found shape {x}"
            ));
        }
        one_a_channel(self.name(), "the weight", weight, x[1], x)?;
        one_a_channel(self.name(), "the bias", bias, x[1], x)?;
        for (name, statistic) in ["running_mean", "running_var"].iter().zip(self.running.iter().flatten()) {
            if *statistic.shape() != [x[1]] {
                let found = statistic.shape();
                return error(format!("{name} has shape {found}, expected ({},) for input shape {x}", x[1]));
            }
        }
        if is_given(residual) && residual != x {
            return error(format!("the residual has shape {residual}, the input {x}; they must be the same"));
        }
        Ok(x.clone())
    }

    fn forward(&self, [x, weight, bias, residual]: [&Array; 4]) -> (Array, Normalized) {
        let x = dim_last(x, 1);
        let (stats, mode) = match &self.running {
            Some(stats) => (stats.clone(), Mode::Running),
            None => (statistics(&x), Mode::Batch),
        };
        let [weight, bias] = [weight, bias].map(|a| given(a).map(Array::contiguous));
        let (eps, relu, after) = (self.eps, self.relu, After::Nothing);
        let mut normalization = Normalization { stats, eps, mode, weight, bias, relu, after };
        let y = normalization.forward(&x, residual);
        (dim_back(&y, 1), Normalized { x, normalization })
    }

    fn backward(&self, saved: Normalized, grad: Array, needs: [bool; 4]) -> [Option<Array>; 4] {
        let gradients = saved.normalization.backward(saved.x, grad, needs[3]);
        [
            needs[0].then(|| dim_back(&gradients.x, 1)),
            needs[1].then_some(gradients.weight),
            needs[2].then_some(gradients.bias),
            gradients.residual.map(|r| dim_back(&r, 1)),
        ]
    }

    fn recompute<'a>(&'a self, saved: &'a Normalized) -> Option<&'a dyn Recompute> {
        saved.recompute()
    }
}

/// Mean and biased variance of each column of rows (N, ..., C).
fn statistics(x: &Array) -> [Array; 2] {
    let channels = x.shape()[x.rank() - 1];
    let (mut mean, mut var) = (Array::empty([channels]), Array::empty([channels]));
    batch_norm::statistics(x.numel() / channels.max(1), x.memory(), mean.memory_mut(), var.memory_mut());
    [mean, var]
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
    train(x, weight, bias, eps, None, false)
}

/// [`batch_norm_train`], plus a residual of x's shape if given, then ReLU, in one pass.
///
/// # Panics
/// As `batch_norm_train`.
#[track_caller]
pub fn batch_norm_add_relu_train(
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f32,
    residual: Option<&Tensor>,
) -> (Tensor, BatchStats) {
    train(x, weight, bias, eps, residual, true)
}

#[track_caller]
fn train(
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f32,
    residual: Option<&Tensor>,
    relu: bool,
) -> (Tensor, BatchStats) {
    check_count(x.shape());
    let inputs = [x, &or_absent(weight), &or_absent(bias), &or_absent(residual)];
    let op = BatchNorm { running: None, eps, relu };
    let (y, stats) = apply_and_look(op, inputs, |saved| saved.normalization.stats.clone());
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
    let running = Some([running_mean.contiguous(), running_var.contiguous()]);
    let op = BatchNorm { running, eps, relu: false };
    apply(op, [x, &or_absent(weight), &or_absent(bias), &or_absent(None)])
}

/// [`batch_norm_eval`], plus a residual of x's shape if given, then ReLU, in one pass.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn batch_norm_add_relu_eval(
    x: &Tensor,
    [running_mean, running_var]: [&Array; 2],
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f32,
    residual: Option<&Tensor>,
) -> Tensor {
    let running = Some([running_mean.contiguous(), running_var.contiguous()]);
    let op = BatchNorm { running, eps, relu: true };
    apply(op, [x, &or_absent(weight), &or_absent(bias), &or_absent(residual)])
}
