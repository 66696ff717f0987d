//! Averages of parameters.

use crate::pointwise::update2;

/// `average += weight * (x - average)`: an exponential moving average with decay `1 - weight`.
///
/// # Panics
/// When the slices differ in length.
#[track_caller]
pub fn lerp(weight: f32, x: &[f32], average: &mut [f32]) {
    update2(average, x, |average, x| average + weight * (x - average));
}
