//! Copies of inputs with their padding, for kernels with few channels: the copy is small then, and saves the
//! innermost loops from asking where the image ends.

use super::Conv2dGeometry;
use crate::{Element, parallel, scratch};

/// Zeros behind the last image, so that whole vectors of a patch can be read.
pub(super) const SLACK: usize = 16;

/// Calls `f` with `x` surrounded by its zeros, [`SLACK`] behind it, and the height and width of that.
pub(super) fn with_padded<E: Element, R>(
    g: &Conv2dGeometry,
    x: &[E],
    f: impl FnOnce(&[E], [usize; 2]) -> R,
) -> R {
    let height = g.padding[0][0] + g.in_height + g.padding[0][1];
    let width = g.padding[1][0] + g.in_width + g.padding[1][1];
    let row = width * g.in_channels;
    let len = g.batch * height * row;
    scratch::with(len + SLACK, |padded: &mut [E]| {
        padded[len..].fill(E::default());
        parallel::for_each_chunk(&mut padded[..len], row, |start, chunk| {
            for (i, row_of) in chunk.chunks_exact_mut(row).enumerate() {
                let (image, y) = ((start / row + i) / height, (start / row + i) % height);
                pad_row(g, x, image, y, row_of);
            }
        });
        f(padded, [height, width])
    })
}

/// Fills one row of a padded image; `y` counts from the top of the padding.
pub(super) fn pad_row<E: Element>(g: &Conv2dGeometry, x: &[E], image: usize, y: usize, to: &mut [E]) {
    let (left, len) = (g.padding[1][0] * g.in_channels, g.in_width * g.in_channels);
    let y = y.wrapping_sub(g.padding[0][0]);
    if y >= g.in_height {
        to.fill(E::default());
        return;
    }
    to[..left].fill(E::default());
    to[left..left + len].copy_from_slice(&x[(image * g.in_height + y) * len..][..len]);
    to[left + len..].fill(E::default());
}
