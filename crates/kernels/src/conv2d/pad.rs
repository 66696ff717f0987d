//! Copies of inputs with their padding, for kernels with few channels: the copy is small then, and saves the
//! innermost loops from asking where the image ends.

use super::Conv2dGeometry;
use crate::parallel;
use crate::scratch;

/// Calls `f` with `x` surrounded by its zeros, and the height and width of that.
pub(super) fn with_padded<R>(g: &Conv2dGeometry, x: &[f32], f: impl FnOnce(&[f32], [usize; 2]) -> R) -> R {
    let height = g.padding[0][0] + g.in_height + g.padding[0][1];
    let width = g.padding[1][0] + g.in_width + g.padding[1][1];
    if [height, width] == [g.in_height, g.in_width] {
        return f(x, [height, width]);
    }
    let row = width * g.in_channels;
    scratch::with(g.batch * height * row, |padded: &mut [f32]| {
        parallel::for_each_chunk(padded, row, |start, chunk| {
            for (i, row_of) in chunk.chunks_exact_mut(row).enumerate() {
                let (image, y) = ((start / row + i) / height, (start / row + i) % height);
                pad_row(g, x, image, y, row_of);
            }
        });
        f(padded, [height, width])
    })
}

/// Fills one row of a padded image; `y` counts from the top of the padding.
pub(super) fn pad_row(g: &Conv2dGeometry, x: &[f32], image: usize, y: usize, to: &mut [f32]) {
    let (left, len) = (g.padding[1][0] * g.in_channels, g.in_width * g.in_channels);
    let y = y.wrapping_sub(g.padding[0][0]);
    if y >= g.in_height {
        to.fill(0.0);
        return;
    }
    to[..left].fill(0.0);
    to[left..left + len].copy_from_slice(&x[(image * g.in_height + y) * len..][..len]);
    to[left + len..].fill(0.0);
}
