//! Changes of memory layout: channels-first to channels-last and back, and plain transposes.

/// Transpose of `x` (rows, columns) into `y` (columns, rows).
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn transpose(rows: usize, columns: usize, x: &[f32], y: &mut [f32]) {
    batched_transpose(1, rows, columns, x, y);
}

/// Transpose of each of `batch` matrices: `x` (batch, rows, columns) into `y` (batch, columns, rows).
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn batched_transpose(batch: usize, rows: usize, columns: usize, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), batch * rows * columns, "transpose: length of x");
    assert_eq!(y.len(), x.len(), "transpose: length of y");
    for n in 0..batch {
        for r in 0..rows {
            for c in 0..columns {
                y[(n * columns + c) * rows + r] = x[(n * rows + r) * columns + c];
            }
        }
    }
}

/// `x` (batch, channels, positions) into `y` (batch, positions, channels); positions are height times width.
///
/// The same function turns convolution weights (out, in, kh, kw) into (out, kh, kw, in).
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn nchw_to_nhwc(batch: usize, channels: usize, positions: usize, x: &[f32], y: &mut [f32]) {
    batched_transpose(batch, channels, positions, x, y);
}

/// `x` (batch, positions, channels) into `y` (batch, channels, positions); positions are height times width.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn nhwc_to_nchw(batch: usize, channels: usize, positions: usize, x: &[f32], y: &mut [f32]) {
    batched_transpose(batch, positions, channels, x, y);
}
