//! Mean and variance of each channel.

use std::ops::Range;

use crate::vectorize::vectorize;
use crate::{parallel, rows, scratch};

/// Mean and biased variance of each column of `x` (rows, channels).
///
/// Each block of rows is summed around a provisional mean, that of its first eighth, and blocks are combined
/// by the rule of Chan, Golub and LeVeque (1979) in double precision. The provisional mean is at most three
/// standard deviations of the block away from the true one, whatever the data (an eighth of them cannot be
/// further out), so there is no cancellation, however far the mean is from zero. Without rows, mean and
/// variance are NaN.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn statistics(rows: usize, x: &[f32], mean: &mut [f32], variance: &mut [f32]) {
    let channels = mean.len();
    assert_eq!(x.len(), rows * channels, "batch_norm: length of x");
    assert_eq!(variance.len(), channels, "batch_norm: length of variance");
    if channels == 0 {
        return;
    }
    let block = rows::block(channels);
    let partial = |range: Range<usize>| {
        let mut moments = Moments::new(channels);
        for start in range.clone().step_by(block) {
            let end = range.end.min(start + block);
            moments.add_block(&x[start * channels..end * channels]);
        }
        moments
    };
    let merge = |mut a: Moments, b: Moments| {
        a.merge(&b);
        a
    };
    let total = parallel::reduce_blocks(rows, block * rows::BLOCKS_PER_TASK, partial, merge);
    let total = total.unwrap_or_else(|| Moments::new(channels));
    for ((mean, variance), (m, s)) in mean.iter_mut().zip(variance).zip(total.mean.iter().zip(&total.squares))
    {
        *mean = if rows == 0 { f32::NAN } else { *m as f32 };
        *variance = (s / rows as f64) as f32;
    }
}

/// Mean and sum of squared distances from it, of each channel.
struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn new(channels: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; channels], squares: vec![0.0; channels] }
    }

    fn add_block(&mut self, x: &[f32]) {
        let channels = self.mean.len();
        let count = (x.len() / channels) as f64;
        let wide = rows::wide_len(channels);
        scratch::with(3 * wide, |buffer: &mut [f32]| {
            let (shift, sums) = buffer.split_at_mut(wide);
            let (sums, squares) = sums.split_at_mut(wide);
            vectorize(
                #[inline(always)]
                || {
                    provisional_mean(channels, x, shift);
                    sums.fill(0.0);
                    squares.fill(0.0);
                    for pair in x.chunks(2 * wide) {
                        let (a, b) = pair.split_at(wide.min(pair.len()));
                        add_shifted(a, b, shift, sums, squares);
                    }
                    rows::narrow(channels, sums);
                    rows::narrow(channels, squares);
                },
            );
            let block = shift[..channels].iter().zip(&*sums).zip(&*squares).map(|((&m, &s), &q)| {
                let rest = f64::from(s) / count;
                (f64::from(m) + rest, f64::from(q) - f64::from(s) * rest)
            });
            self.combine(count, block);
        });
    }

    fn merge(&mut self, other: &Self) {
        self.combine(other.count, other.mean.iter().copied().zip(other.squares.iter().copied()));
    }

    /// Takes in `count` further rows with the given means and sums of squared distances.
    fn combine(&mut self, count: f64, other: impl Iterator<Item = (f64, f64)>) {
        let total = self.count + count;
        let share = count / total;
        let weight = self.count * share;
        for ((mean, squares), (m, s)) in self.mean.iter_mut().zip(&mut self.squares).zip(other) {
            let d = m - *mean;
            *mean += d * share;
            *squares += s + d * d * weight;
        }
        self.count = total;
    }
}

/// Mean of the first eighth of the rows of `x`, as a wide row.
#[inline(always)]
fn provisional_mean(channels: usize, x: &[f32], mean: &mut [f32]) {
    let count = (x.len() / channels).div_ceil(8);
    mean.fill(0.0);
    for x in x[..count * channels].chunks(mean.len()) {
        for (m, x) in mean.iter_mut().zip(x) {
            *m += x;
        }
    }
    rows::narrow(channels, mean);
    for m in &mut mean[..channels] {
        *m /= count as f32;
    }
    rows::widen(channels, mean);
}

/// Adds two wide rows, of which the second may be shorter or missing, to the sums of `x - shift` and of its
/// square.
#[inline(always)]
fn add_shifted(a: &[f32], b: &[f32], shift: &[f32], sums: &mut [f32], squares: &mut [f32]) {
    if b.len() == shift.len() {
        let inputs = a.iter().zip(b).zip(shift);
        for ((s, q), ((a, b), m)) in sums.iter_mut().zip(squares).zip(inputs) {
            let (a, b) = (a - m, b - m);
            *s += a + b;
            *q += a * a + b * b;
        }
    } else {
        for x in [a, b] {
            for ((s, q), (x, m)) in sums.iter_mut().zip(&mut *squares).zip(x.iter().zip(shift)) {
                let d = x - m;
                *s += d;
                *q += d * d;
            }
        }
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
        // A small negative difference is rounding, but NaN has to stay NaN.
        let v = sum_of_squares[c] / rows as f64 - m * m;
        variance[c] = if v < 0.0 { 0.0 } else { v as f32 };
    }
}

/// Moves the running statistics towards those of a batch of `rows` rows, as PyTorch: `momentum` is the weight
/// of the batch, and the variance enters with Bessel's correction.
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
    let momentum = f64::from(momentum);
    let blend = |running: &mut f32, batch: f64| {
        *running = (momentum * batch + (1.0 - momentum) * f64::from(*running)) as f32;
    };
    let unbias = rows as f64 / (rows as f64 - 1.0);
    running_mean.iter_mut().zip(mean).for_each(|(r, &m)| blend(r, f64::from(m)));
    running_variance.iter_mut().zip(variance).for_each(|(r, &v)| blend(r, f64::from(v) * unbias));
}
