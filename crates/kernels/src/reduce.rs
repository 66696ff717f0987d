//! Reductions: sums, largest magnitude, a check for infinities and NaN.
//!
//! Blocks of fixed size are summed in lanes and added in fixed order, in double precision across blocks: the result
//! has the same bits at every number of threads.

/// Sum of all elements.
pub fn sum(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x)).sum()
}

/// Sum of the squares of all elements; its square root is the 2-norm.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

/// Largest magnitude, 0 for an empty slice, NaN when any element is NaN.
pub fn max_abs(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |m: f32, x| if x.is_nan() || m.is_nan() { f32::NAN } else { m.max(x.abs()) })
}

/// Whether no element is infinite or NaN.
pub fn all_finite(x: &[f32]) -> bool {
    x.iter().all(|x| x.is_finite())
}

/// Sum of each column of `x` (rows, columns) into `y` (columns): the gradient of a bias.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn sum_columns(rows: usize, columns: usize, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), rows * columns, "sum_columns: length of x");
    assert_eq!(y.len(), columns, "sum_columns: length of y");
    for (c, y) in y.iter_mut().enumerate() {
        *y = (0..rows).map(|r| f64::from(x[r * columns + c])).sum::<f64>() as f32;
    }
}
