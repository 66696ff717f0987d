//! Normalization, affine map, residual and ReLU in one pass.

use crate::parallel::{self, Order};
use crate::pointwise::positive_part;
use crate::vectorize::vectorize;
use crate::{Element, rows};

/// Folds statistics and affine parameters of each channel into `y = scale * x + shift`.
///
/// `weight` and `bias` of an affine normalization; `None` stands for 1 and 0.
///
/// # Panics
/// When the slices differ in length.
#[track_caller]
pub fn fold(
    mean: &[f32],
    variance: &[f32],
    epsilon: f32,
    weight: Option<&[f32]>,
    bias: Option<&[f32]>,
    scale: &mut [f32],
    shift: &mut [f32],
) {
    let channels = mean.len();
    assert_eq!(variance.len(), channels, "batch_norm: length of variance");
    assert_eq!(weight.map_or(channels, <[f32]>::len), channels, "batch_norm: length of weight");
    assert_eq!(bias.map_or(channels, <[f32]>::len), channels, "batch_norm: length of bias");
    assert_eq!(scale.len(), channels, "batch_norm: length of scale");
    assert_eq!(shift.len(), channels, "batch_norm: length of shift");
    for c in 0..channels {
        let factor =
            weight.map_or(1.0, |w| f64::from(w[c])) / (f64::from(variance[c]) + f64::from(epsilon)).sqrt();
        scale[c] = factor as f32;
        shift[c] = (bias.map_or(0.0, |b| f64::from(b[c])) - f64::from(mean[c]) * factor) as f32;
    }
}

/// `y = scale * x + shift`, then `+ residual` when given, then ReLU when `relu`.
///
/// `x`, `y` and `residual` are (rows, channels), `scale` and `shift` (channels).
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn normalize<E: Element>(
    x: &[E],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[E]>,
    relu: bool,
    y: &mut [E],
) {
    assert_eq!(x.len(), y.len(), "batch_norm: length of x");
    run(Some(x), scale, shift, residual, relu, y);
}

/// [`normalize`] with the result taking the place of `x`.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn normalize_in_place<E: Element>(
    x: &mut [E],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[E]>,
    relu: bool,
) {
    run(None, scale, shift, residual, relu, x);
}

/// `x` is `None` when it is in `y` already.
#[track_caller]
fn run<E: Element>(
    x: Option<&[E]>,
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[E]>,
    relu: bool,
    y: &mut [E],
) {
    let channels = scale.len();
    assert_eq!(shift.len(), channels, "batch_norm: length of shift");
    assert_eq!(residual.map_or(y.len(), <[E]>::len), y.len(), "batch_norm: length of residual");
    if y.is_empty() {
        return;
    }
    assert_eq!(y.len() % channels, 0, "batch_norm: {} elements in rows of {channels}", y.len());
    rows::with_widened([scale, shift], |[scale, shift]| {
        parallel::for_each_chunk_in(Order::Backwards, y, channels, |start, y| {
            let x = x.map(|x| &x[start..][..y.len()]);
            let residual = residual.map(|r| &r[start..][..y.len()]);
            if relu {
                chunk(x, scale, shift, residual, positive_part, y);
            } else {
                chunk(x, scale, shift, residual, |y| y, y);
            }
        });
    });
}

/// One wide row after the other: an `x` elsewhere is first copied to `y`, where it stays in the nearest
/// cache.
#[inline(always)]
fn chunk<E: Element>(
    x: Option<&[E]>,
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[E]>,
    activation: impl Fn(f32) -> f32,
    y: &mut [E],
) {
    let wide = scale.len();
    vectorize(
        #[inline(always)]
        || {
            for (i, y) in y.chunks_mut(wide).enumerate() {
                if let Some(x) = x {
                    y.copy_from_slice(&x[i * wide..][..y.len()]);
                }
                let parameters = scale.iter().zip(shift);
                if let Some(residual) = residual {
                    let residual = &residual[i * wide..];
                    for ((y, (a, b)), r) in y.iter_mut().zip(parameters).zip(residual) {
                        *y = E::narrow(activation(a * y.widen() + b + r.widen()));
                    }
                } else {
                    for (y, (a, b)) in y.iter_mut().zip(parameters) {
                        *y = E::narrow(activation(a * y.widen() + b));
                    }
                }
            }
        },
    );
}
