//! Normalizing with known statistics, adding a residual, and ReLU: what batch normalization alone and behind a
//! convolution share.

use super::images::{dim_back, dim_last};
use super::optional::given;
use crate::array::Array;
use crate::float::{Float, with_float};
use crate::profile::{self, Cost, Pass};
use crate::recompute::Recompute;
use cresset_kernels::batch_norm::{self, Backward, Mode, Relu};

/// One normalization `max(0, (x - mean) / sqrt(var + eps) * weight + bias + residual)`. Rows are (N, ..., C): the
/// memory of channels-last images.
pub(super) struct Normalization {
    /// Mean and biased variance (C).
    pub stats: [Array; 2],
    pub eps: f32,
    /// Whether the statistics are those of `x` or constants.
    pub mode: Mode,
    pub weight: Option<Array>,
    pub bias: Option<Array>,
    pub relu: bool,
    pub after: After,
}

/// What came between a normalization and its ReLU, as `forward` found it.
pub(super) enum After {
    /// Nothing: the input tells where the ReLU was active, and what the output was.
    Nothing,
    /// A residual, which is not kept. The output, as rows, tells where the ReLU was active, if there was one.
    Residual(Option<Array>),
}

/// A normalization and its input, as rows: enough to have the output again, unless a residual was added.
pub(super) struct Normalized {
    pub x: Array,
    pub normalization: Normalization,
}

impl Normalized {
    /// Where the output can be had again.
    pub fn recompute(&self) -> Option<&dyn Recompute> {
        matches!(self.normalization.after, After::Nothing).then_some(self)
    }
}

impl Recompute for Normalized {
    fn output(&self) -> Array {
        dim_back(&self.normalization.apply(&self.x, None), 1)
    }
}

/// The gradients of a [`Normalization`], by input and residual as rows.
pub(super) struct Gradients {
    pub x: Array,
    pub weight: Array,
    pub bias: Array,
    pub residual: Option<Array>,
}

impl Normalization {
    /// The result of rows `x`, as rows; `residual` has their shape before they were rows, (N, C, ...). Notes what
    /// backward will need.
    pub fn forward(&mut self, x: &Array, residual: &Array) -> Array {
        let residual = given(residual).map(|r| dim_last(r, 1));
        let y = self.apply(x, residual.as_ref());
        self.note(&y, residual.is_some());
        y
    }

    /// [`forward`](Self::forward) into the memory of `x`, when backward will not need it.
    pub fn forward_in_place(&mut self, mut x: Array, residual: &Array) -> Array {
        let residual = given(residual).map(|r| dim_last(r, 1));
        let [scale, shift] = self.scale_and_shift();
        let span = profile::begin("batch_norm", Pass::Forward);
        with_float!(x, E => {
            let (scale, shift, add) = (scale.memory(), shift.memory(), residual.as_ref().map(Array::memory_of));
            batch_norm::normalize_in_place::<E>(x.memory_of_mut(), scale, shift, add, self.relu);
        });
        span.end(|| Cost::new(0, residual.iter().chain([&x]), [&x]));
        self.note(&x, residual.is_some());
        x
    }

    fn apply(&self, x: &Array, residual: Option<&Array>) -> Array {
        let [scale, shift] = self.scale_and_shift();
        let span = profile::begin("batch_norm", Pass::Forward);
        let y = with_float!(x, E => {
            let mut y = Array::empty_like_of::<E>(x);
            let (scale, shift, add) = (scale.memory(), shift.memory(), residual.map(Array::memory_of));
            batch_norm::normalize::<E>(x.memory_of(), scale, shift, add, self.relu, y.memory_of_mut());
            y
        });
        span.end(|| Cost::new(0, residual.into_iter().chain([x]), [&y]));
        y
    }

    fn note(&mut self, y: &Array, residual: bool) {
        if residual {
            self.after = After::Residual(self.relu.then(|| y.clone()));
        }
    }

    fn scale_and_shift(&self) -> [Array; 2] {
        let [mean, var] = &self.stats;
        let (mut scale, mut shift) = (Array::empty_like(mean), Array::empty_like(mean));
        let (weight, bias) = (self.weight.as_ref().map(Array::memory), self.bias.as_ref().map(Array::memory));
        let (mean, var) = (mean.memory(), var.memory());
        batch_norm::fold(mean, var, self.eps, weight, bias, scale.memory_mut(), shift.memory_mut());
        [scale, shift]
    }

    /// From the input as rows, whose memory is used again if nobody else holds it, and the gradient by the output,
    /// shaped (N, C, ...), all gradients; by the residual if asked.
    pub fn backward(self, x: Array, grad: Array, residual: bool) -> Gradients {
        with_float!(x, E => self.backward_of::<E>(x, grad.to_float::<E>(), residual))
    }

    fn backward_of<E: Float>(self, mut x: Array, grad: Array, residual: bool) -> Gradients {
        let [mean, var] = &self.stats;
        let (mut weight, mut bias) = (Array::empty_like(mean), Array::empty_like(mean));
        let (dweight, dbias) = (weight.memory_mut(), bias.memory_mut());
        let gradient = Backward {
            mean: mean.memory(),
            variance: var.memory(),
            epsilon: self.eps,
            weight: self.weight.as_ref().map(Array::memory),
            bias: self.bias.as_ref().map(Array::memory),
            relu: match &self.after {
                After::Nothing if self.relu => Relu::Recompute,
                After::Residual(Some(y)) => Relu::Output(y.memory_of::<E>()),
                _ => Relu::None,
            },
            mode: self.mode,
        };
        let mut dy = dim_last(&grad, 1);
        drop(grad);
        let span = profile::begin("batch_norm", Pass::Backward);
        if residual {
            gradient.run_with_residual(x.memory_of_mut(), dy.memory_of_mut(), dweight, dbias);
            let y = match &self.after {
                After::Residual(y) => y.as_ref(),
                After::Nothing => None,
            };
            span.end(|| Cost::new(0, y.into_iter().chain([&x, &dy]), [&x, &dy]));
            return Gradients { x, weight, bias, residual: Some(dy) };
        }
        let dx = if dy.is_unique() {
            gradient.run(x.memory_of(), dy.memory_of_mut(), dweight, dbias);
            dy
        } else {
            gradient.run_beside(x.memory_of_mut(), dy.memory_of(), dweight, dbias);
            x
        };
        span.end(|| Cost::new(0, [&dx, &dx], [&dx]));
        Gradients { x: dx, weight, bias, residual: None }
    }
}
