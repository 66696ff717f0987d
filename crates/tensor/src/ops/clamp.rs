//! Clamping to a range, as `torch.clamp`.

use super::unary::{Keep, unary};
use crate::tensor::Tensor;

/// NaN stays NaN; `max` wins over a larger `min`, as in PyTorch.
fn clamp(x: f32, min: f32, max: f32) -> f32 {
    let x = if x < min { min } else { x };
    if x > max { max } else { x }
}

impl Tensor {
    /// Every element, or the nearest bound if it lies outside `min..=max`. If `min` is greater than `max`, `max`.
    ///
    /// The gradient passes where the input lies within the bounds, also at the bounds themselves.
    #[track_caller]
    pub fn clamp(&self, min: f32, max: f32) -> Tensor {
        unary(
            self,
            "clamp",
            move |x| clamp(x, min, max),
            Keep::Input,
            move |g, x| {
                if x >= min && x <= max { g } else { 0.0 }
            },
        )
    }

    /// [`clamp`](Self::clamp) with only a lower bound.
    #[track_caller]
    pub fn clamp_min(&self, min: f32) -> Tensor {
        self.clamp(min, f32::INFINITY)
    }

    /// [`clamp`](Self::clamp) with only an upper bound.
    #[track_caller]
    pub fn clamp_max(&self, max: f32) -> Tensor {
        self.clamp(f32::NEG_INFINITY, max)
    }
}
