//! Softmax and its logarithm over the last dimension of (rows, columns).

#[cfg(test)]
mod tests;

use crate::parallel;
use crate::pointwise::math::exp;
use crate::reduce::sum_lanes;
use crate::scratch;
use crate::vectorize::vectorize;

/// `y = exp(x) / sum(exp(x))` of each row.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn softmax(columns: usize, x: &[f32], y: &mut [f32]) {
    for_each_row_of_exponentials(
        columns,
        x,
        y,
        #[inline(always)]
        |_, _, y| {
            let factor = (1.0 / sum_lanes(y, |y| y)) as f32;
            for y in y.iter_mut() {
                *y *= factor;
            }
        },
    );
}

/// Gradient of [`softmax`] from its output: `dx = y * (dy - sum(dy * y))`.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn softmax_backward(columns: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    for_each_row(
        columns,
        [y, dy],
        dx,
        #[inline(always)]
        |[y, dy], dx| {
            for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = y * dy;
            }
            let dot = sum_lanes(dx, |x| x) as f32;
            for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = y * (dy - dot);
            }
        },
    );
}

/// `y = x - log(sum(exp(x)))` of each row.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn log_softmax(columns: usize, x: &[f32], y: &mut [f32]) {
    for_each_row_of_exponentials(
        columns,
        x,
        y,
        #[inline(always)]
        |x, max, y| {
            let log = sum_lanes(y, |y| y).ln() as f32;
            for (y, x) in y.iter_mut().zip(x) {
                *y = x - max - log;
            }
        },
    );
}

/// Gradient of [`log_softmax`] from its output: `dx = dy - exp(y) * sum(dy)`.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn log_softmax_backward(columns: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    for_each_row(
        columns,
        [y, dy],
        dx,
        #[inline(always)]
        |[y, dy], dx| {
            let sum = sum_lanes(dy, |dy| dy) as f32;
            for ((dx, &y), dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = dy - exp(y) * sum;
            }
        },
    );
}

/// The largest element. A NaN may be passed over: it comes back in the sum of exponentials.
#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (full, rest) = x.as_chunks::<LANES>();
    let mut largest = f32::NEG_INFINITY;
    if let Some((first, full)) = full.split_first() {
        let mut max = *first;
        for x in full {
            for i in 0..LANES {
                max[i] = if max[i] > x[i] { max[i] } else { x[i] };
            }
        }
        for max in max {
            largest = if largest > max { largest } else { max };
        }
    }
    for &x in rest {
        largest = if largest > x { largest } else { x };
    }
    largest
}

/// `y = exp(x - max)` of rows and the largest element of each, which becomes `maxima`. Of all rows together: one of a
/// few classes is shorter than a vector. For use inside of [`vectorize`].
#[inline(always)]
pub(crate) fn exp_rows(columns: usize, x: &[f32], maxima: &mut [f32], y: &mut [f32]) {
    let rows = x.chunks_exact(columns).zip(y.chunks_exact_mut(columns));
    for ((x, y), max) in rows.zip(maxima) {
        *max = largest(x);
        for (y, x) in y.iter_mut().zip(x) {
            *y = x - *max;
        }
    }
    for y in y {
        *y = exp(*y);
    }
}

/// Calls `f` with each row of `x`, its largest element, and the row of `y`, which holds `exp(x - largest)`.
#[track_caller]
#[inline(always)]
fn for_each_row_of_exponentials(
    columns: usize,
    x: &[f32],
    y: &mut [f32],
    f: impl Fn(&[f32], f32, &mut [f32]) + Copy + Sync,
) {
    check(columns, [x], y);
    parallel::for_each_chunk(y, columns, |start, y| {
        let x = &x[start..][..y.len()];
        scratch::with(y.len() / columns, |maxima: &mut [f32]| {
            vectorize(
                #[inline(always)]
                || {
                    exp_rows(columns, x, maxima, y);
                    let rows = x.chunks_exact(columns).zip(y.chunks_exact_mut(columns));
                    for ((x, y), &mut max) in rows.zip(maxima) {
                        f(x, max, y);
                    }
                },
            );
        });
    });
}

/// Calls `f` with each row of the inputs and of `y`.
#[track_caller]
#[inline(always)]
fn for_each_row<const N: usize>(
    columns: usize,
    inputs: [&[f32]; N],
    y: &mut [f32],
    f: impl Fn([&[f32]; N], &mut [f32]) + Copy + Sync,
) {
    check(columns, inputs, y);
    parallel::for_each_chunk(y, columns, |start, y| {
        vectorize(
            #[inline(always)]
            || {
                for (i, y) in y.chunks_exact_mut(columns).enumerate() {
                    f(inputs.map(|x| &x[start + i * columns..][..columns]), y);
                }
            },
        );
    });
}

/// Panics unless `y` has whole rows and the inputs are as long.
#[track_caller]
fn check<const N: usize>(columns: usize, inputs: [&[f32]; N], y: &[f32]) {
    assert!(
        y.is_empty() || (columns > 0 && y.len().is_multiple_of(columns)),
        "softmax: {} elements in rows of {columns}",
        y.len()
    );
    inputs.iter().for_each(|x| assert_eq!(x.len(), y.len(), "softmax: lengths of input and output"));
}
