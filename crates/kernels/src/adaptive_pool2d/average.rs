//! Adaptive average pooling.

use super::Geometry;

/// Mean of each window of `x` (batch, height, width, channels) into `y` (batch, rows, columns, channels).
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn avg_forward(g: &Geometry, x: &[f32], y: &mut [f32]) {
    g.check(x.len(), y.len());
    let ([rows, columns], channels) = (g.output, g.channels);
    for n in 0..g.batch {
        for r in 0..rows {
            for c in 0..columns {
                let at = ((n * rows + r) * columns + c) * channels;
                let mean = &mut y[at..at + channels];
                mean.fill(0.0);
                let (vertical, horizontal) = (g.span(0, r), g.span(1, c));
                let reciprocal = 1.0 / (vertical.len() * horizontal.len()) as f32;
                for h in vertical {
                    for w in horizontal.clone() {
                        let from = ((n * g.height + h) * g.width + w) * channels;
                        mean.iter_mut().zip(&x[from..]).for_each(|(mean, x)| *mean += x);
                    }
                }
                mean.iter_mut().for_each(|mean| *mean *= reciprocal);
            }
        }
    }
}

/// Gradient of [`avg_forward`]: `dx` from `dy`.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn avg_backward(g: &Geometry, dy: &[f32], dx: &mut [f32]) {
    g.check(dx.len(), dy.len());
    let ([rows, columns], channels) = (g.output, g.channels);
    dx.fill(0.0);
    for n in 0..g.batch {
        for r in 0..rows {
            for c in 0..columns {
                let at = ((n * rows + r) * columns + c) * channels;
                let (vertical, horizontal) = (g.span(0, r), g.span(1, c));
                let reciprocal = 1.0 / (vertical.len() * horizontal.len()) as f32;
                for h in vertical {
                    for w in horizontal.clone() {
                        let to = ((n * g.height + h) * g.width + w) * channels;
                        let dy = &dy[at..at + channels];
                        dx[to..].iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy * reciprocal);
                    }
                }
            }
        }
    }
}
