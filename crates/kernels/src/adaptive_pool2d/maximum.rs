//! Adaptive max pooling.

use super::Geometry;

/// Maximum of each window of `x` (batch, height, width, channels) into `y` (batch, rows, columns, channels).
///
/// The first of equal maxima wins and a NaN beats every number, as in PyTorch. `indices`, when given, receives
/// for each output element the place of its maximum in the image, `h * width + w`.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn max_forward(g: &Geometry, x: &[f32], y: &mut [f32], mut indices: Option<&mut [u32]>) {
    g.check(x.len(), y.len());
    if let Some(indices) = &indices {
        assert_eq!(indices.len(), y.len(), "adaptive_max_pool2d: length of indices");
    }
    let ([rows, columns], channels) = (g.output, g.channels);
    let mut scratch = vec![0u32; channels];
    for n in 0..g.batch {
        for r in 0..rows {
            for c in 0..columns {
                let at = ((n * rows + r) * columns + c) * channels;
                let best = &mut y[at..at + channels];
                let index = match &mut indices {
                    Some(indices) => &mut indices[at..at + channels],
                    None => &mut scratch[..],
                };
                let (vertical, horizontal) = (g.span(0, r), g.span(1, c));
                best.fill(f32::NEG_INFINITY);
                index.fill((vertical.start * g.width + horizontal.start) as u32);
                for h in vertical {
                    for w in horizontal.clone() {
                        let place = h * g.width + w;
                        let from = (n * g.height * g.width + place) * channels;
                        for ((best, index), &x) in best.iter_mut().zip(index.iter_mut()).zip(&x[from..]) {
                            if x > *best || x.is_nan() {
                                *best = x;
                                *index = place as u32;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Gradient of [`max_forward`]: `dx` from `dy` and the `indices` that it recorded.
///
/// # Panics
/// When the geometry is not valid, a slice has the wrong length or an index lies outside the image.
#[track_caller]
pub fn max_backward(g: &Geometry, dy: &[f32], indices: &[u32], dx: &mut [f32]) {
    g.check(dx.len(), dy.len());
    assert_eq!(indices.len(), dy.len(), "adaptive_max_pool2d: length of indices");
    dx.fill(0.0);
    let (inputs, outputs) = (g.height * g.width * g.channels, g.output[0] * g.output[1] * g.channels);
    for n in 0..g.batch {
        let dx = &mut dx[n * inputs..][..inputs];
        for at in 0..outputs {
            let place = indices[n * outputs + at] as usize;
            dx[place * g.channels + at % g.channels] += dy[n * outputs + at];
        }
    }
}
