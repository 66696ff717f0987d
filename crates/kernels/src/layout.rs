//! Changes of memory layout: channels-first to channels-last and back, and plain transposes.

use crate::parallel;
use crate::simd::{Kernel, MAX_LANES, Simd, dispatch};

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
    // Tasks are whole rows of y, as many as make whole vectors, of one matrix or of several.
    parallel::for_each_chunk(y, rows * MAX_LANES.min(columns), |start, mut y| {
        let mut row = start / rows.max(1);
        while !y.is_empty() {
            let (n, first) = (row / columns, row % columns);
            let count = (columns - first).min(y.len() / rows);
            let (part, rest) = y.split_at_mut(count * rows);
            let x = &x[n * rows * columns + first..(n + 1) * rows * columns];
            transpose_lines(x, columns, rows, part, rows);
            row += count;
            y = rest;
        }
    });
}

/// Transpose of a matrix of `lines` lines, `x_stride` apart, whose elements become the rows of `y`, `y_stride` apart: as many as
/// begin in `y`.
///
/// # Panics
/// When the lines reach beyond `x`, or are more than a row of `y` holds.
#[track_caller]
pub(crate) fn transpose_lines(x: &[f32], x_stride: usize, lines: usize, y: &mut [f32], y_stride: usize) {
    let rows = y.len() / y_stride.max(1);
    assert!(
        lines <= y_stride && (lines == 0 || (lines - 1) * x_stride + rows <= x.len()),
        "transpose: lengths"
    );
    dispatch(Lines { x, x_stride, lines, y, y_stride, rows });
}

struct Lines<'a> {
    x: &'a [f32],
    x_stride: usize,
    lines: usize,
    y: &'a mut [f32],
    y_stride: usize,
    rows: usize,
}

impl Kernel for Lines<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Lines { x, x_stride, lines, y, y_stride, rows } = self;
        let whole = |len: usize| len - len % S::LANES;
        for j in (0..whole(lines)).step_by(S::LANES) {
            for p in (0..whole(rows)).step_by(S::LANES) {
                // SAFETY: the block lies inside of both, as `transpose_lines` checked.
                unsafe {
                    let to = y.as_mut_ptr().add(p * y_stride + j);
                    S::transpose(x.as_ptr().add(j * x_stride + p), x_stride, to, y_stride);
                }
            }
        }
        for j in 0..lines {
            let first = if j < whole(lines) { whole(rows) } else { 0 };
            for p in first..rows {
                y[p * y_stride + j] = x[j * x_stride + p];
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_any_threads;

    #[test]
    fn transposes_of_every_shape() {
        let sizes = [0, 1, 3, 15, 16, 17, 50];
        let shapes = sizes.iter().flat_map(|&r| sizes.map(|c| (3, r, c)));
        for (batch, rows, columns) in
            shapes.chain([(1, 300, 400), (2, 3, 40_000), (2, 40_000, 3), (9, 64, 49)])
        {
            let x: Vec<f32> = (0..batch * rows * columns).map(|i| i as f32).collect();
            let y = on_any_threads(|| {
                let mut y = vec![-1.0; x.len()];
                batched_transpose(batch, rows, columns, &x, &mut y);
                y
            });
            for (i, &y) in y.iter().enumerate() {
                let (r, c, n) = (i % rows, i / rows % columns, i / rows / columns);
                assert_eq!(y, x[(n * rows + r) * columns + c], "({batch}, {rows}, {columns}) element {i}");
            }
        }
    }

    #[test]
    fn channels_last_and_back() {
        let x: Vec<f32> = (0..2 * 3 * 20).map(|i| i as f32).collect();
        let (mut last, mut back) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        nchw_to_nhwc(2, 3, 20, &x, &mut last);
        assert_eq!(last[..4], [0.0, 20.0, 40.0, 1.0]);
        nhwc_to_nchw(2, 3, 20, &last, &mut back);
        assert_eq!(back, x);
    }
}
