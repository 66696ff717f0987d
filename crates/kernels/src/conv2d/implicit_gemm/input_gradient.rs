use super::patches;
use crate::conv2d::Conv2dGeometry;
use crate::gemm::Epilogue;
use crate::gemm::driver::Product;
use crate::gemm::method::Method;
use crate::gemm::pack::{Columns, Panels};
use crate::gemm::rows::{Grid, Patches, Placement};
use crate::parallel;
use crate::scratch;

/// A row for each input pixel, a column for each input channel; a segment for each tap.
///
/// With a stride of s, an input row `r + s q` meets only those taps that reach it by whole steps, the same for
/// all q: the input falls into s x s classes of pixels, each a product over its own taps, and no zero is ever
/// multiplied. Added to what `dx` holds if `accumulate`.
pub(in crate::conv2d) fn input_gradient<M: Method>(
    g: &Conv2dGeometry,
    dy: &[M::Number],
    w: &[f32],
    method: M,
    dx: &mut [M::Number],
    accumulate: bool,
) {
    if let Some(mirrored) = mirrored(g).filter(|m| patches::merges(m) && !accumulate) {
        return scratch::with(w.len(), |weights: &mut [f32]| {
            mirror(g, w, weights);
            super::forward(&mirrored, dy, weights, method, Epilogue::default(), dx);
        });
    }
    let classes = |axis: usize, len: usize| 0..g.stride[axis].min(len);
    let skips =
        |axis: usize, len: usize| classes(axis, len).any(|first| reaching(g, axis, first).next().is_none());
    if !accumulate && (skips(0, g.in_height) || skips(1, g.in_width)) {
        // As in 1x1 convolutions of stride 2, which never look at three pixels of four.
        parallel::for_each_chunk(dx, 1, |_, dx| dx.fill(M::Number::default()));
    }
    for h in classes(0, g.in_height) {
        for w_class in classes(1, g.in_width) {
            class(g, [h, w_class], dy, w, method, dx, accumulate);
        }
    }
}

/// The forward pass that computes the input gradient of a convolution with stride 1, with mirrored weights.
fn mirrored(g: &Conv2dGeometry) -> Option<Conv2dGeometry> {
    let left = |axis: usize, side: usize| {
        ((g.kernel[axis] - 1) * g.dilation[axis]).checked_sub(g.padding[axis][side])
    };
    if g.stride != [1, 1] || g.groups != 1 {
        return None;
    }
    Some(Conv2dGeometry {
        in_channels: g.out_channels,
        out_channels: g.in_channels,
        in_height: g.out_height(),
        in_width: g.out_width(),
        padding: [[left(0, 0)?, left(0, 1)?], [left(1, 0)?, left(1, 1)?]],
        ..*g
    })
}

/// Turns weights (O, kh, kw, I) into (I, kh, kw, O) with the taps in reverse order.
fn mirror(g: &Conv2dGeometry, w: &[f32], mirrored: &mut [f32]) {
    let (taps, inputs, outputs) = (g.kernel[0] * g.kernel[1], g.in_channels, g.out_channels);
    for (i, to) in mirrored.chunks_exact_mut(taps * outputs).enumerate() {
        for (tap, to) in to.chunks_exact_mut(outputs).enumerate() {
            for (o, to) in to.iter_mut().enumerate() {
                *to = w[(o * taps + taps - 1 - tap) * inputs + i];
            }
        }
    }
}

/// The kernel positions along one axis that reach input positions `first`, `first + stride`, ..., each with
/// the output position it reads for the first of them.
fn reaching(g: &Conv2dGeometry, axis: usize, first: usize) -> impl Iterator<Item = (usize, isize)> + Clone {
    let (g, stride) = (*g, g.stride[axis] as isize);
    (0..g.kernel[axis])
        .map(move |tap| (tap, first as isize - g.tap_offset(axis, tap)))
        .filter(move |(_, distance)| distance.rem_euclid(stride) == 0)
        .map(move |(tap, distance)| (tap, distance.div_euclid(stride)))
}

/// The input pixels whose row and column leave the remainders `first` when divided by the stride.
fn class<M: Method>(
    g: &Conv2dGeometry,
    first: [usize; 2],
    dy: &[M::Number],
    w: &[f32],
    method: M,
    dx: &mut [M::Number],
    accumulate: bool,
) {
    let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
    let mut taps = Vec::new();
    let mut segments = Vec::new();
    for (kh, oh) in reaching(g, 0, first[0]) {
        for (kw, ow) in reaching(g, 1, first[1]) {
            taps.push([oh, ow]);
            segments.push((kh * g.kernel[1] + kw) * inputs);
        }
    }
    if taps.is_empty() {
        return; // dx holds zeros there, or what is added to
    }
    let zeros = vec![M::Number::default(); outputs];
    let size = |axis: usize, len: usize| (len - first[axis]).div_ceil(g.stride[axis]);
    let grid = Grid { width: size(1, g.in_width), height: size(0, g.in_height), images: g.batch };
    let row = g.in_width * g.in_channels;
    for group in 0..g.groups {
        let columns = Columns {
            data: &w[group * outputs * g.kernel_len()..(group + 1) * outputs * g.kernel_len()],
            segments: &segments,
            segment_len: outputs,
            columns: inputs,
            row_stride: g.kernel_len(),
            column_stride: 1,
        };
        let a = Patches {
            data: dy,
            height: g.out_height(),
            width: g.out_width(),
            channels: g.out_channels,
            first_channel: group * outputs,
            len: outputs,
            step: [1, 1],
            taps: &taps,
            zeros: &zeros,
        };
        let place = Placement {
            start: first[0] * row + first[1] * g.in_channels + group * inputs,
            image: g.in_height * row,
            row: g.stride[0] * row,
            column: g.stride[1] * g.in_channels,
        };
        method.with_packed(&columns, |packed| {
            let b = Panels::Packed(packed);
            let product = Product { grid, a, columns: inputs, b, place, accumulate };
            method.run(&product, dx, Epilogue::default());
        });
    }
}
