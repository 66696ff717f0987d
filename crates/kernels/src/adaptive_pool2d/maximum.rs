//! Adaptive max pooling.

use super::Geometry;
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::vectorize::vectorize;

/// Maximum of each window of `x` (batch, height, width, channels) into `y` (batch, rows, columns, channels).
///
/// The first of equal maxima wins and a NaN beats every number, as in PyTorch. `indices`, when given,
/// receives for each output element the place of its maximum in the image, `h * width + w`.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn max_forward(g: &Geometry, x: &[f32], y: &mut [f32], indices: Option<&mut [u32]>) {
    g.check(x.len(), y.len());
    let indices = indices.map(|indices| {
        assert_eq!(indices.len(), y.len(), "adaptive_max_pool2d: length of indices");
        DisjointMut::new(indices)
    });
    let ([rows, columns], channels) = (g.output, g.channels);
    parallel::for_each_chunk(y, channels, |start, y| {
        scratch::with(channels, |unwanted: &mut [u32]| {
            for (i, y) in y.chunks_exact_mut(channels).enumerate() {
                let at = start + i * channels;
                let (n, r, c) =
                    (at / channels / columns / rows, at / channels / columns % rows, at / channels % columns);
                let indices = match &indices {
                    // SAFETY: chunks do not overlap, nor do the windows in one.
                    Some(indices) => unsafe { indices.slice(at..at + channels) },
                    None => &mut *unwanted,
                };
                window(g, n, r, c, x, y, indices);
            }
        });
    });
}

/// The channels of output (`r`, `c`) of image `n`.
fn window(g: &Geometry, n: usize, r: usize, c: usize, x: &[f32], y: &mut [f32], indices: &mut [u32]) {
    let (vertical, horizontal) = (g.span(0, r), g.span(1, c));
    vectorize(
        #[inline(always)]
        || {
            y.fill(f32::NEG_INFINITY);
            indices.fill((vertical.start * g.width + horizontal.start) as u32);
            for h in vertical {
                for w in horizontal.clone() {
                    let place = h * g.width + w;
                    let x = &x[(n * g.height * g.width + place) * g.channels..];
                    for ((y, index), &x) in y.iter_mut().zip(&mut *indices).zip(x) {
                        let wins = (x > *y) | x.is_nan();
                        *index = if wins { place as u32 } else { *index };
                        *y = if wins { x } else { *y };
                    }
                }
            }
        },
    );
}

/// Gradient of [`max_forward`]: `dx` from `dy` and the `indices` that it recorded.
///
/// # Panics
/// When the geometry is not valid, a slice has the wrong length or an index lies outside the image.
#[track_caller]
pub fn max_backward(g: &Geometry, dy: &[f32], indices: &[u32], dx: &mut [f32]) {
    g.check(dx.len(), dy.len());
    assert_eq!(indices.len(), dy.len(), "adaptive_max_pool2d: length of indices");
    let (inputs, outputs) = (g.height * g.width * g.channels, g.output[0] * g.output[1] * g.channels);
    parallel::for_each_chunk(dx, inputs, |start, dx| {
        for (i, dx) in dx.chunks_exact_mut(inputs).enumerate() {
            let at = (start / inputs + i) * outputs;
            dx.fill(0.0);
            for (j, (dy, &place)) in dy[at..][..outputs].iter().zip(&indices[at..]).enumerate() {
                dx[place as usize * g.channels + j % g.channels] += dy;
            }
        }
    });
}
