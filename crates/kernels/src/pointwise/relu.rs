//! Rectified linear unit. As in PyTorch, NaN stays NaN.

use super::{map, map2, update, update2};

/// `y = max(x, 0)`
#[track_caller]
pub fn relu(x: &[f32], y: &mut [f32]) {
    map(x, y, positive_part);
}

/// [`relu`] in place.
pub fn relu_in_place(x: &mut [f32]) {
    update(x, positive_part);
}

/// Gradient of [`relu`] from its output: `dx = y > 0 ? dy : 0`.
#[track_caller]
pub fn relu_backward(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    map2(dy, y, dx, gate);
}

/// [`relu_backward`] with `dx` taking the place of `dy`.
#[track_caller]
pub fn relu_backward_in_place(y: &[f32], dy: &mut [f32]) {
    update2(dy, y, gate);
}

#[inline(always)]
pub(crate) fn positive_part(x: f32) -> f32 {
    if 0.0 > x { 0.0 } else { x }
}

/// What passes of the gradient `dy` at output `y`; a NaN output lets it pass, as in PyTorch.
#[inline(always)]
pub(crate) fn gate(dy: f32, y: f32) -> f32 {
    if y <= 0.0 { 0.0 } else { dy }
}
