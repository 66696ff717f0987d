//! Mean and variance of each channel.

/// Mean and biased variance of each column of `x` (rows, channels).
///
/// Without rows, mean and variance are NaN.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn statistics(rows: usize, x: &[f32], mean: &mut [f32], variance: &mut [f32]) {
    let channels = mean.len();
    assert_eq!(x.len(), rows * channels, "batch_norm: length of x");
    assert_eq!(variance.len(), channels, "batch_norm: length of variance");
    for c in 0..channels {
        let column = || (0..rows).map(|r| f64::from(x[r * channels + c]));
        let m = column().sum::<f64>() / rows as f64;
        mean[c] = m as f32;
        variance[c] = (column().map(|x| (x - m) * (x - m)).sum::<f64>() / rows as f64) as f32;
    }
}

/// Mean and biased variance of each channel from sums over its `rows` elements.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn statistics_from_sums(
    rows: usize,
    sum: &[f64],
    sum_of_squares: &[f64],
    mean: &mut [f32],
    variance: &mut [f32],
) {
    let channels = mean.len();
    assert_eq!(sum.len(), channels, "batch_norm: length of sum");
    assert_eq!(sum_of_squares.len(), channels, "batch_norm: length of sum_of_squares");
    assert_eq!(variance.len(), channels, "batch_norm: length of variance");
    for c in 0..channels {
        let m = sum[c] / rows as f64;
        mean[c] = m as f32;
        variance[c] = (sum_of_squares[c] / rows as f64 - m * m).max(0.0) as f32;
    }
}

/// Moves the running statistics towards those of a batch of `rows` rows, as PyTorch: `momentum` is the weight of the
/// batch, and the variance enters with Bessel's correction.
///
/// # Panics
/// When the slices differ in length.
#[track_caller]
pub fn update_running(
    rows: usize,
    momentum: f32,
    mean: &[f32],
    variance: &[f32],
    running_mean: &mut [f32],
    running_variance: &mut [f32],
) {
    let channels = mean.len();
    assert_eq!(variance.len(), channels, "batch_norm: length of variance");
    assert_eq!(running_mean.len(), channels, "batch_norm: length of running_mean");
    assert_eq!(running_variance.len(), channels, "batch_norm: length of running_variance");
    let unbias = (rows as f64 / (rows as f64 - 1.0)) as f32;
    for (running, &mean) in running_mean.iter_mut().zip(mean) {
        *running = momentum * mean + (1.0 - momentum) * *running;
    }
    for (running, &variance) in running_variance.iter_mut().zip(variance) {
        *running = momentum * (variance * unbias) + (1.0 - momentum) * *running;
    }
}
