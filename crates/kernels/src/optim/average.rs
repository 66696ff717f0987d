//! Averages of parameters.

use crate::pointwise::update2;

/// `average += weight * (x - average)`, as `torch.lerp`: an exponential moving average with decay `1 -
/// weight`.
///
/// # Panics
/// When the slices differ in length.
#[track_caller]
pub fn lerp(weight: f32, x: &[f32], average: &mut [f32]) {
    update2(
        average,
        x,
        #[inline(always)]
        |average, x| toward(average, x, weight),
    );
}

/// The point at `weight` of the way from `a` to `b`, exact at both ends.
#[inline(always)]
pub(super) fn toward(a: f32, b: f32, weight: f32) -> f32 {
    if weight < 0.5 { a + weight * (b - a) } else { b - (b - a) * (1.0 - weight) }
}
