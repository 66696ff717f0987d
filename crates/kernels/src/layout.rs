//! Changes of memory layout: channels-first to channels-last and back, and plain transposes.

use crate::parallel;
use crate::vectorize::vectorize;

/// Side of the square blocks that are transposed at a time: their rows are whole cache lines on both sides.
const BLOCK: usize = 16;

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
    // Tasks are whole rows of y, as many as make whole blocks, of one matrix or of several.
    parallel::for_each_chunk(y, rows * BLOCK.min(columns), |start, mut y| {
        let mut row = start / rows.max(1);
        while !y.is_empty() {
            let (n, first) = (row / columns, row % columns);
            let count = (columns - first).min(y.len() / rows);
            let (part, rest) = y.split_at_mut(count * rows);
            let x = &x[n * rows * columns + first..(n + 1) * rows * columns];
            vectorize(
                #[inline(always)]
                || transpose_columns(rows, columns, count, x, part),
            );
            row += count;
            y = rest;
        }
    });
}

/// Writes the first `count` columns of `x`, whose rows are `columns` apart, as rows of length `rows` to `y`.
#[inline(always)]
fn transpose_columns(rows: usize, columns: usize, count: usize, x: &[f32], y: &mut [f32]) {
    for r0 in (0..rows).step_by(BLOCK) {
        let height = BLOCK.min(rows - r0);
        for c0 in (0..count).step_by(BLOCK) {
            let width = BLOCK.min(count - c0);
            if height == BLOCK && width == BLOCK {
                block(&x[r0 * columns + c0..], columns, &mut y[c0 * rows + r0..], rows);
                continue;
            }
            for c in c0..c0 + width {
                for r in r0..r0 + height {
                    y[c * rows + r] = x[r * columns + c];
                }
            }
        }
    }
}

/// One whole block. By way of an array of known size, whose transpose the compiler can do in registers.
#[inline(always)]
fn block(x: &[f32], x_stride: usize, y: &mut [f32], y_stride: usize) {
    let mut rows = [[0.0; BLOCK]; BLOCK];
    for (i, row) in rows.iter_mut().enumerate() {
        row.copy_from_slice(&x[i * x_stride..][..BLOCK]);
    }
    for i in 0..BLOCK {
        let y = &mut y[i * y_stride..][..BLOCK];
        for j in 0..BLOCK {
            y[j] = rows[j][i];
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
