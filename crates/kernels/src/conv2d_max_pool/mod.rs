//! A 3x3 convolution, ReLU and 2x2 max pooling as one operation, for few input channels.
//!
//! Forward computes the four convolutions of a pooling window in registers and writes the largest, so that the
//! feature map before the pooling never exists. Backward uses that the gradient by that map is zero but for
//! one element of each window: it does a quarter of the multiplications of a dense convolution, and neither
//! that gradient nor its ReLU is ever written.
//!
//! * `layout`: an image with its padding, the windows on it, the places in a window
//! * `forward`: the loop over images; `direct` and `winograd` compute values and `maxima` says where in its window each
//!   was found; `weights` are packed for both
//! * `backward`: the loop over images and the gradients that it feeds, `weight_gradient` and `input_gradient`
//!
//! Accuracy: outputs are within 2e-6 of the square root of the number of terms from float64, by either algorithm (inputs
//! and weights in [-2, 2)); input gradients are one sum of products, weight gradients sums over a few images, added in
//! order. The same bits come out at every number of threads.

mod backward;
mod direct;
mod forward;
mod input_gradient;
mod layout;
mod maxima;
#[cfg(test)]
mod tests;
mod weight_gradient;
mod weights;
mod winograd;

pub use backward::{Gradients, OutputGradient, backward};
pub use forward::forward;

use crate::conv2d::Conv2dGeometry;
use crate::max_pool2d;
use layout::Layout;

/// Input channels from which on dense algorithms, Winograd above all, are faster.
const MAX_CHANNELS: usize = 32;

/// Whether this convolution followed by this pooling is one of these.
pub fn applies(conv: &Conv2dGeometry, pool: &max_pool2d::Geometry) -> bool {
    let plain = conv.kernel == [3, 3] && conv.stride == [1, 1] && conv.dilation == [1, 1] && conv.groups == 1;
    if !plain || conv.in_channels >= MAX_CHANNELS || conv.validate().is_err() {
        return false;
    }
    let halves = max_pool2d::Geometry {
        batch: conv.batch,
        height: conv.out_height(),
        width: conv.out_width(),
        channels: conv.out_channels,
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0, 0],
        dilation: [1, 1],
        ceil_mode: false,
    };
    *pool == halves && pool.validate().is_ok() && Layout::new(conv).largest_place() <= usize::from(u16::MAX)
}

/// Elements of the output: one for each output channel of each window.
pub fn output_len(g: &Conv2dGeometry) -> usize {
    g.batch * Layout::new(g).output_len()
}

/// Panics unless `g` is a geometry of this module and the slices fit it.
#[track_caller]
fn check(g: &Conv2dGeometry, x: usize, w: usize, y: usize) {
    if let Err(error) = g.validate() {
        panic!("{error}");
    }
    assert!(
        g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1] && g.groups == 1,
        "conv2d_max_pool: not a plain 3x3 convolution: {g:?}"
    );
    let layout = Layout::new(g);
    assert!(!layout.windows.contains(&0), "conv2d_max_pool: no window fits: {g:?}");
    assert!(layout.largest_place() <= usize::from(u16::MAX), "conv2d_max_pool: images too wide: {g:?}");
    for (name, found, expected) in
        [("input", x, g.in_len()), ("weight", w, g.weight_len()), ("output", y, output_len(g))]
    {
        assert!(
            found == expected,
            "conv2d_max_pool: the {name} has {found} elements, {g:?} and its pooling have {expected}"
        );
    }
}
