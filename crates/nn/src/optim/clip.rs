//! Gradient clipping, as `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_`.

use crate::param::Param;
use cresset_kernels::reduce;

/// Which norm [`clip_grad_norm`] measures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum NormType {
    /// The sum of magnitudes.
    L1,
    /// The Euclidean norm.
    #[default]
    L2,
    /// The largest magnitude.
    Max,
}

/// The norm of all gradients together, as if they were one vector. Parameters without a gradient count as zero.
pub fn grad_norm(params: &[Param], norm_type: NormType) -> f64 {
    let grads = params.iter().filter_map(Param::grad).map(|g| g.dense());
    match norm_type {
        NormType::L1 => grads.map(|g| reduce::sum(g.map(f32::abs).memory())).sum(),
        NormType::L2 => grads.map(|g| reduce::sum_of_squares(g.memory())).sum::<f64>().sqrt(),
        // f64::max would drop a NaN.
        NormType::Max => grads
            .map(|g| f64::from(reduce::max_abs(g.memory())))
            .fold(0.0, |a, b| if b.is_nan() || b > a { b } else { a }),
    }
}

/// Scales all gradients together so that their norm is at most `max_norm`, and returns the norm before.
///
/// If the norm is infinite or NaN the gradients are left as they are: check the returned value.
pub fn clip_grad_norm(params: &[Param], max_norm: f64, norm_type: NormType) -> f64 {
    let norm = grad_norm(params, norm_type);
    // The small constant is PyTorch's.
    let scale = (max_norm / (norm + 1e-6)) as f32;
    if norm.is_finite() && scale < 1.0 {
        map_grads(params, |g| g * scale);
    }
    norm
}

/// Limits every element of every gradient to [-`max_value`, `max_value`].
pub fn clip_grad_value(params: &[Param], max_value: f64) {
    let limit = (max_value as f32).abs();
    map_grads(params, |g| if g.is_nan() { g } else { g.clamp(-limit, limit) });
}

fn map_grads(params: &[Param], f: impl Fn(f32) -> f32 + Copy + Sync) {
    params.iter().for_each(|p| p.leaf().map_grad(|g| g.map(f)));
}
