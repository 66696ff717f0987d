//! Normalizing with known statistics, adding a residual, and ReLU: what batch normalization alone and behind a
//! convolution share.

use super::images::dim_last;
use super::optional::given;
use crate::array::Array;
use crate::profile::{self, Cost, Pass};
use cresset_kernels::batch_norm::{self, Backward, Mode, Relu};

/// One normalization `max(0, (x - mean) / sqrt(var + eps) * weight + bias + residual)`. Rows are (N, ..., C): the
/// memory of channels-last images.
pub(super) struct Normalization {
    /// The input, as rows.
    pub x: Array,
    /// Mean and biased variance (C).
    pub stats: [Array; 2],
    pub eps: f32,
    /// Whether the statistics are those of `x` or constants.
    pub mode: Mode,
    pub weight: Option<Array>,
    pub bias: Option<Array>,
    pub relu: bool,
    /// The output, as rows; tells where the ReLU was active if a residual came between it and the normalization.
    pub y: Option<Array>,
}

/// The gradients of a [`Normalization`], by input and residual as rows.
pub(super) struct Gradients {
    pub x: Array,
    pub weight: Array,
    pub bias: Array,
    pub residual: Option<Array>,
}

impl Normalization {
    /// The result, as rows; `residual` is shaped like the input, (N, C, ...). Notes what backward will need.
    pub fn forward(&mut self, residual: &Array) -> Array {
        let residual = given(residual).map(|r| dim_last(r, 1));
        let [scale, shift] = self.scale_and_shift();
        let mut y = Array::empty_like(&self.x);
        let span = profile::begin("batch_norm", Pass::Forward);
        let add = residual.as_ref().map(Array::memory);
        batch_norm::normalize(
            self.x.memory(),
            scale.memory(),
            shift.memory(),
            add,
            self.relu,
            y.memory_mut(),
        );
        span.end(|| Cost::new(0, residual.iter().chain([&self.x]), [&y]));
        self.y = (self.relu && residual.is_some()).then(|| y.clone());
        y
    }

    /// [`forward`](Self::forward) into the input's memory, when there will be no backward.
    pub fn forward_in_place(mut self, residual: &Array) -> Array {
        let residual = given(residual).map(|r| dim_last(r, 1));
        let [scale, shift] = self.scale_and_shift();
        let span = profile::begin("batch_norm", Pass::Forward);
        let add = residual.as_ref().map(Array::memory);
        batch_norm::normalize_in_place(self.x.memory_mut(), scale.memory(), shift.memory(), add, self.relu);
        span.end(|| Cost::new(0, residual.iter().chain([&self.x]), [&self.x]));
        self.x
    }

    fn scale_and_shift(&self) -> [Array; 2] {
        let [mean, var] = &self.stats;
        let (mut scale, mut shift) = (Array::empty_like(mean), Array::empty_like(mean));
        let (weight, bias) = (self.weight.as_ref().map(Array::memory), self.bias.as_ref().map(Array::memory));
        let (mean, var) = (mean.memory(), var.memory());
        batch_norm::fold(mean, var, self.eps, weight, bias, scale.memory_mut(), shift.memory_mut());
        [scale, shift]
    }

    /// From the gradient by the output, shaped (N, C, ...), all gradients; by the residual if asked.
    pub fn backward(self, grad: Array, residual: bool) -> Gradients {
        let [mean, var] = &self.stats;
        let (mut weight, mut bias) = (Array::empty_like(mean), Array::empty_like(mean));
        let (dweight, dbias) = (weight.memory_mut(), bias.memory_mut());
        let gradient = Backward {
            x: self.x.memory(),
            mean: mean.memory(),
            variance: var.memory(),
            epsilon: self.eps,
            weight: self.weight.as_ref().map(Array::memory),
            bias: self.bias.as_ref().map(Array::memory),
            relu: match &self.y {
                _ if !self.relu => Relu::None,
                Some(y) => Relu::Output(y.memory()),
                None => Relu::Recompute,
            },
            mode: self.mode,
        };
        let mut dy = dim_last(&grad, 1);
        drop(grad);
        let span = profile::begin("batch_norm", Pass::Backward);
        if residual {
            let mut x = Array::empty_like(&self.x);
            gradient.run_with_residual(dy.memory_mut(), x.memory_mut(), dweight, dbias);
            span.end(|| Cost::new(0, self.y.iter().chain([&self.x, &dy]), [&x, &dy]));
            return Gradients { x, weight, bias, residual: Some(dy) };
        }
        let x = if dy.is_unique() {
            gradient.run_in_place(dy.memory_mut(), dweight, dbias);
            dy
        } else {
            let mut x = Array::empty_like(&self.x);
            gradient.run(dy.memory(), x.memory_mut(), dweight, dbias);
            x
        };
        span.end(|| Cost::new(0, self.y.iter().chain([&self.x, &x]), [&x]));
        Gradients { x, weight, bias, residual: None }
    }
}
