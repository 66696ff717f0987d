//! Normalization, affine map, residual and ReLU in one pass.

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
pub fn normalize(
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[f32]>,
    relu: bool,
    y: &mut [f32],
) {
    assert_eq!(x.len(), y.len(), "batch_norm: length of x");
    y.copy_from_slice(x);
    normalize_in_place(y, scale, shift, residual, relu);
}

/// [`normalize`] with the result taking the place of `x`.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn normalize_in_place(x: &mut [f32], scale: &[f32], shift: &[f32], residual: Option<&[f32]>, relu: bool) {
    let channels = scale.len();
    assert_eq!(shift.len(), channels, "batch_norm: length of shift");
    assert_eq!(residual.map_or(x.len(), <[f32]>::len), x.len(), "batch_norm: length of residual");
    for (i, x) in x.iter_mut().enumerate() {
        let mut y = scale[i % channels] * *x + shift[i % channels];
        if let Some(residual) = residual {
            y += residual[i];
        }
        *x = if relu && y < 0.0 { 0.0 } else { y };
    }
}
