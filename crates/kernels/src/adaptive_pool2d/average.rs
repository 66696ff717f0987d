//! Adaptive average pooling.

use super::Geometry;
use crate::window_mean::WindowMean;

/// Mean of each window of `x` (batch, height, width, channels) into `y` (batch, rows, columns, channels).
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn avg_forward(g: &Geometry, x: &[f32], y: &mut [f32]) {
    g.check(x.len(), y.len());
    means(g).forward(x, y);
}

/// Gradient of [`avg_forward`]: `dx` from `dy`.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn avg_backward(g: &Geometry, dy: &[f32], dx: &mut [f32]) {
    g.check(dx.len(), dy.len());
    means(g).backward(dy, dx);
}

fn means(g: &Geometry) -> WindowMean {
    let spans = |axis: usize| (0..g.output[axis]).map(|i| g.span(axis, i)).collect::<Vec<_>>();
    let (vertical, horizontal) = (spans(0), spans(1));
    let factor = |h: usize, w: usize| 1.0 / (h * w) as f32;
    let factors = vertical.iter().flat_map(|v| horizontal.iter().map(|h| factor(v.len(), h.len()))).collect();
    WindowMean { size: [g.height, g.width], channels: g.channels, vertical, horizontal, factors }
}
