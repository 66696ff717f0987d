//! Reductions: sums, largest magnitude, a check for infinities and NaN.
//!
//! Blocks of fixed size are summed in a fixed number of lanes, and blocks are added in order and in double
//! precision: the result has the same bits at every number of threads and on every instruction set.

use crate::vectorize::vectorize;
use crate::{parallel, rows, scratch};

/// Elements that one task takes.
const BLOCK: usize = 32 * 1024;
/// Elements that are summed in single precision.
const CHAIN: usize = 4096;
/// Independent sums, enough to keep vector units busy.
const LANES: usize = 32;

/// Sum of all elements.
pub fn sum(x: &[f32]) -> f64 {
    sum_of(x, |x| x)
}

/// Sum of the squares of all elements; its square root is the 2-norm.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    sum_of(x, |x| x * x)
}

/// Largest magnitude, 0 for an empty slice, NaN when any element is NaN.
pub fn max_abs(x: &[f32]) -> f32 {
    f32::from_bits(largest_bits(x))
}

/// Whether no element is infinite or NaN.
pub fn all_finite(x: &[f32]) -> bool {
    largest_bits(x) < f32::INFINITY.to_bits()
}

/// Sum of each column of `x` (rows, columns) into `y` (columns): the gradient of a bias.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn sum_columns(rows: usize, columns: usize, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), rows * columns, "sum_columns: length of x");
    assert_eq!(y.len(), columns, "sum_columns: length of y");
    if columns == 0 {
        return;
    }
    let block = rows::block(columns) * columns;
    let partial = |range: std::ops::Range<usize>| {
        let mut total = vec![0.0; columns];
        for x in x[range.start * columns..range.end * columns].chunks(block) {
            add_columns(columns, x, &mut total);
        }
        total
    };
    let add = |mut a: Vec<f64>, b: Vec<f64>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let total = parallel::reduce_blocks(rows, rows::block(columns) * rows::BLOCKS_PER_TASK, partial, add);
    match total {
        Some(total) => y.iter_mut().zip(total).for_each(|(y, t)| *y = t as f32),
        None => y.fill(0.0),
    }
}

fn add_columns(columns: usize, x: &[f32], total: &mut [f64]) {
    scratch::with(rows::wide_len(columns), |sums: &mut [f32]| {
        vectorize(
            #[inline(always)]
            || {
                sums.fill(0.0);
                for x in x.chunks(sums.len()) {
                    for (s, x) in sums.iter_mut().zip(x) {
                        *s += x;
                    }
                }
                rows::narrow(columns, sums);
            },
        );
        total.iter_mut().zip(sums).for_each(|(t, s)| *t += f64::from(*s));
    });
}

#[inline(always)]
fn sum_of(x: &[f32], f: impl Fn(f32) -> f32 + Copy + Sync) -> f64 {
    let block = |range: std::ops::Range<usize>| {
        x[range]
            .chunks(CHAIN)
            .map(|x| {
                vectorize(
                    #[inline(always)]
                    || sum_lanes(x, f),
                )
            })
            .sum()
    };
    parallel::reduce_blocks(x.len(), BLOCK, block, |a: f64, b| a + b).unwrap_or(0.0)
}

/// Sum of `f` of all elements, in lanes of single precision. For use inside of [`vectorize`].
#[inline(always)]
pub(crate) fn sum_lanes(x: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut sums = [0.0; LANES];
    let (full, rest) = x.as_chunks::<LANES>();
    for x in full {
        for i in 0..LANES {
            sums[i] += f(x[i]);
        }
    }
    rest.iter().zip(&mut sums).for_each(|(&x, s)| *s += f(x));
    // Halves onto halves.
    let mut n = LANES / 2;
    while n > 0 {
        for i in 0..n {
            sums[i] += sums[i + n];
        }
        n /= 2;
    }
    f64::from(sums[0])
}

/// The bits of the largest magnitude. Without the sign they order like the numbers, and NaN comes after
/// infinity.
fn largest_bits(x: &[f32]) -> u32 {
    let block = |range: std::ops::Range<usize>| {
        let x = &x[range];
        vectorize(
            #[inline(always)]
            || {
                let mut largest = 0;
                for x in x {
                    largest = x.abs().to_bits().max(largest);
                }
                largest
            },
        )
    };
    parallel::reduce_blocks(x.len(), BLOCK, block, u32::max).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, on_any_threads, random};

    const SIZES: [usize; 8] = [0, 1, 7, 32, 33, 5000, 32 * 1024, 200_003];

    #[test]
    fn sums_match_double_precision() {
        for len in SIZES {
            let x = random(len, 1);
            let (s, q) = on_any_threads(|| (sum(&x), sum_of_squares(&x)));
            let exact: f64 = x.iter().map(|&x| f64::from(x)).sum();
            let squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!((s - exact).abs() <= 1e-6 * (len as f64).sqrt().max(1.0), "{s} {exact}");
            assert!((q - squares).abs() <= 1e-6 * squares, "{q} {squares}");
        }
    }

    #[test]
    fn magnitudes() {
        for len in SIZES {
            let mut x = random(len, 2);
            assert_eq!(on_any_threads(|| max_abs(&x)), x.iter().fold(0.0, |m: f32, x| m.max(x.abs())));
            assert!(on_any_threads(|| all_finite(&x)));
            for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let Some(last) = x.last_mut() else { continue };
                *last = bad;
                assert!(!all_finite(&x));
                let max = max_abs(&x);
                assert!(if bad.is_nan() { max.is_nan() } else { max == f32::INFINITY });
            }
        }
        assert!(all_finite(&[f32::MAX, -f32::MAX, -0.0, f32::MIN_POSITIVE / 4.0]));
    }

    #[test]
    fn column_sums_match_double_precision() {
        for (rows, columns) in
            [(0, 3), (3, 0), (1, 1), (5, 7), (64, 10), (70_000, 2), (3000, 65), (300, 1000)]
        {
            let x = random(rows * columns, 3);
            let y = on_any_threads(|| {
                let mut y = vec![f32::NAN; columns];
                sum_columns(rows, columns, &x, &mut y);
                y
            });
            let column = |c| (0..rows).map(|r| f64::from(x[r * columns + c])).sum();
            let expected: Vec<f64> = (0..columns).map(column).collect();
            assert_close(&y, &expected, 1e-6, 1e-6 * (rows as f64).sqrt(), (rows, columns));
        }
    }
}
