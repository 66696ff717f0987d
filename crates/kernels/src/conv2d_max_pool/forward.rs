//! The loop over images.

use super::direct::Image;
use super::layout::Layout;
use super::maxima::Maxima;
use super::weights::Packed;
use super::{check, winograd};
use crate::conv2d::{self, Conv2dGeometry};
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::dispatch_narrow;

/// Multiply-adds of a task.
const TASK_WORK: usize = 256 * 1024;

/// `y = max_pool2d(max(0, conv2d(x, w) + bias))` with windows of 2 x 2.
///
/// `x` is (N, H, W, C), `w` (O, 3, 3, C), `y` (N, Ho / 2, Wo / 2, O) for the convolution's output size Ho, Wo;
/// an odd last row or column belongs to no window. `places`, when given, receives for each element of `y` where
/// in its window the first largest value was, in the form that [`backward`](super::backward) wants.
///
/// # Panics
/// When `g` is not a plain 3x3 convolution, or a slice has another length than it says.
#[track_caller]
pub fn forward(
    g: &Conv2dGeometry,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
    places: Option<&mut [u16]>,
) {
    check(g, x.len(), w.len(), y.len());
    assert!(bias.is_none_or(|b| b.len() == g.out_channels), "conv2d_max_pool: one bias an output channel");
    assert!(places.as_ref().is_none_or(|p| p.len() == y.len()), "conv2d_max_pool: length of places");
    let layout = Layout::new(g);
    let (input, output) = (layout.input_len(), layout.output_len());
    if output == 0 {
        return;
    }
    let terms = 3 * layout.segment();
    let work = 4 * output * terms;
    let winograd = !conv2d::exact() && winograd::pays(&layout);
    let (transformed_len, tiles_len) =
        if winograd { (winograd::weights_len(&layout), winograd::tiles_len(&layout)) } else { (0, 0) };
    let packed_len = (terms + 1) * Packed::width(g.out_channels);
    let y = DisjointMut::new(y);
    let places = places.map(DisjointMut::new);
    scratch::with(packed_len + transformed_len, |memory: &mut [f32]| {
        let (packed, transformed) = memory.split_at_mut(packed_len);
        let weights = Packed::new(w, bias, g.out_channels, packed);
        if winograd {
            winograd::transform_weights(&layout, weights, transformed);
        }
        let transformed = &*transformed;
        parallel::for_each_range(g.batch, (TASK_WORK / work).max(1), |images| {
            scratch::with(layout.padded_len() + tiles_len, |memory: &mut [f32]| {
                let (padded, tiles) = memory.split_at_mut(layout.padded_len());
                padded.fill(0.0);
                for image in images {
                    layout.pad(&x[image * input..][..input], padded);
                    let range = image * output..(image + 1) * output;
                    // SAFETY: each image has its own part of y and of places.
                    let (y, places) =
                        unsafe { (y.slice(range.clone()), places.as_ref().map(|p| p.slice(range))) };
                    let maxima = Maxima { layout, y, places };
                    if winograd {
                        winograd::image(layout, padded, weights.bias, transformed, tiles, maxima);
                    } else {
                        dispatch_narrow(layout.outputs, Image { layout, padded, weights, maxima });
                    }
                }
            });
        });
    });
}
