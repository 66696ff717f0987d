//! Winograd's minimal filtering for 3x3 kernels (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
//! 2016): with stride 1 F(4x4, 3x3), 36 multiplications for 16 outputs where a direct convolution does 144, and with
//! stride 2 a decomposition into four such filters, 81 multiplications ([`transform`] has both).
//!
//! Inputs are cut into overlapping tiles, transformed, multiplied with transformed weights, each of the 36 or 81
//! frequencies a matrix product over channels, and transformed back. Where the output is no multiple of four
//! wide, some tiles are of three outputs and leave out the frequencies of infinity: 14 outputs are 4 + 4 + 3 + 3, in
//! 22 instead of 24 multiplications in each direction. With few channels a block of tiles goes
//! through all three steps before the next, so that transformed tiles stay in L2; with many, all outputs of
//! some channels are computed before the next, so that transformed weights do (they are four times as large).
//!
//! The input gradient is the same computation with mirrored weights (stride 1) or the transposed one (stride 2); the
//! weight gradient is the transposed algorithm with the same points.
//!
//! Accuracy: against float64, inputs and weights uniform in [-1, 1), the largest error is below 5e-6 of the
//! output's scale (the square root of the number of terms), about five times that of a direct convolution.

mod convolve;
mod dense_tile;
mod scheme;
mod steps;
mod tiles;
mod transform;
mod weight_gradient;
mod weights;

use super::Conv2dGeometry;
use super::choose::Pass;
use super::prepared::Packed;
use crate::Element;
use crate::gemm::Epilogue;
use convolve::{Filter, Weights, convolve};
use scheme::Scheme;
use tiles::Image;
use weights::{Panels, WeightView};

/// Transformed weights, down and across.
const WEIGHTS: usize = 6;
/// Outputs of a tile of a forward pass, down and across.
const OUT: usize = scheme::CELLS;
/// Tiles that are multiplied at a time: rows of a register tile.
const GROUP: usize = 6;
/// Floats between frequencies. Without them frequencies would often lie a power of two apart, where 36 streams fight for
/// the same few lines of cache.
const GAP: usize = 16;
/// Channels have to come in whole vectors of every instruction set.
const CHANNEL_GRANULE: usize = 16;

/// Whether there is an algorithm for a pass of this convolution.
pub(super) fn applies(pass: Pass, g: &Conv2dGeometry) -> bool {
    let kernel = g.kernel == [3, 3] && g.dilation == [1, 1] && g.groups == 1;
    let strides = match (g.stride, pass) {
        // The mirrored convolution of the input gradient has the padding that is left of two.
        ([1, 1], _) => g.padding.iter().flatten().all(|&p| p <= 2),
        ([2, 2], Pass::InputGradient) => g.padding.iter().all(|p| p[0] == 1),
        ([2, 2], _) => true,
        _ => false,
    };
    let channels = [g.in_channels, g.out_channels].iter().all(|&c| c.is_multiple_of(CHANNEL_GRANULE));
    kernel && strides && channels
}

/// `y = conv2d(x, w)`, then the epilogue. With bfloat16 `x` weights are rounded too.
pub(super) fn forward<E: Element>(
    g: &Conv2dGeometry,
    x: &[E],
    w: &[f32],
    epilogue: Epilogue<E>,
    y: &mut [E],
) {
    convolve(
        &forward_filter(g),
        x,
        Weights::View(&forward_weights(g, w, E::IS_BFLOAT16)),
        epilogue,
        y,
        false,
    );
}

/// Transformed weights for [`forward_packed`].
pub(super) fn pack_weights(g: &Conv2dGeometry, w: &[f32]) -> Packed {
    let w = forward_weights(g, w, false);
    Packed::new(Panels::new(w.inputs, w.outputs).len(), |packed| weights::pack(&w, packed))
}

/// As [`forward`], with transformed weights. Added to what `y` holds if `accumulate`.
pub(super) fn forward_packed(
    g: &Conv2dGeometry,
    x: &[f32],
    w: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
    accumulate: bool,
) {
    convolve(&forward_filter(g), x, Weights::Packed(w), epilogue, y, accumulate);
}

fn forward_filter(g: &Conv2dGeometry) -> Filter {
    Filter {
        scheme: forward_scheme(g),
        images: g.batch,
        input: Image { height: g.in_height, width: g.in_width, channels: g.in_channels },
        output: Image { height: g.out_height(), width: g.out_width(), channels: g.out_channels },
        padding: [g.padding[0][0], g.padding[1][0]],
    }
}

fn forward_scheme(g: &Conv2dGeometry) -> Scheme {
    if g.stride[0] == 1 { Scheme::Stride1 } else { Scheme::Stride2 }
}

fn forward_weights<'a>(g: &Conv2dGeometry, w: &'a [f32], rounded: bool) -> WeightView<'a> {
    WeightView {
        data: w,
        inputs: g.in_channels,
        outputs: g.out_channels,
        input_stride: 1,
        output_stride: 9 * g.in_channels,
        tap_stride: g.in_channels,
        mirrored: false,
        rounded,
        scheme: forward_scheme(g),
    }
}

/// The input gradient: a convolution of `dy` with the mirrored kernel, input and output channels exchanged,
/// and the padding that is left of the kernel's two. With stride 2 none is ([`applies`] says where that is so). Added to
/// what `dx` holds if `accumulate`.
pub(super) fn input_gradient<E: Element>(
    g: &Conv2dGeometry,
    dy: &[E],
    w: &[f32],
    dx: &mut [E],
    accumulate: bool,
) {
    let forward = forward_filter(g);
    let (scheme, padding) = match forward.scheme {
        Scheme::Stride1 => (Scheme::Stride1, forward.padding.map(|p| 2 - p)),
        _ => (Scheme::Stride2Transposed, [0, 0]),
    };
    let filter = Filter { scheme, images: g.batch, input: forward.output, output: forward.input, padding };
    let weights = WeightView {
        data: w,
        inputs: g.out_channels,
        outputs: g.in_channels,
        input_stride: 9 * g.in_channels,
        output_stride: 1,
        tap_stride: g.in_channels,
        mirrored: true,
        rounded: E::IS_BFLOAT16,
        scheme,
    };
    convolve(&filter, dy, Weights::View(&weights), Epilogue::default(), dx, accumulate);
}

/// The weight gradient.
pub(super) fn weight_gradient<E: Element>(g: &Conv2dGeometry, x: &[E], dy: &[E], dw: &mut [f32]) {
    weight_gradient::weight_gradient(&forward_filter(g), x, dy, dw);
}
