use super::patches::{self, with_patches};
use crate::conv2d::Conv2dGeometry;
use crate::conv2d::prepared::Packed;
use crate::gemm::Epilogue;
use crate::gemm::driver::Product;
use crate::gemm::pack::{self, Columns, Panels};
use crate::gemm::rows::{Grid, Placement};
use crate::scratch;

/// A row for each output pixel, a column for each output channel; a segment for each tap or row of taps.
pub(in crate::conv2d) fn forward(
    g: &Conv2dGeometry,
    x: &[f32],
    w: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    packed_first(g, x, w, epilogue, false, y);
}

/// As [`forward`], for elements of `x` and `w` that are pairs of bfloat16 numbers, of two neighbouring channels: `g` counts
/// pairs of them.
pub(in crate::conv2d) fn forward_pairs(
    g: &Conv2dGeometry,
    x: &[f32],
    w: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    packed_first(g, x, w, epilogue, true, y);
}

fn packed_first(g: &Conv2dGeometry, x: &[f32], w: &[f32], epilogue: Epilogue, pairs: bool, y: &mut [f32]) {
    let segments = segments(g);
    scratch::with(packed_len(g, w, &segments), |packed: &mut [f32]| {
        pack_groups(g, w, &segments, packed);
        products(g, x, packed, epilogue, pairs, y);
    });
}

/// The weights of all groups, packed for [`forward_packed`].
pub(in crate::conv2d) fn pack_weights(g: &Conv2dGeometry, w: &[f32]) -> Packed {
    let segments = segments(g);
    Packed::new(packed_len(g, w, &segments), |packed| pack_groups(g, w, &segments, packed))
}

/// As [`forward`], with packed weights.
pub(in crate::conv2d) fn forward_packed(
    g: &Conv2dGeometry,
    x: &[f32],
    packed: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    products(g, x, packed, epilogue, false, y);
}

/// One product a group.
fn products(g: &Conv2dGeometry, x: &[f32], packed: &[f32], epilogue: Epilogue, pairs: bool, y: &mut [f32]) {
    let outputs = g.group_outputs();
    let grid = Grid { width: g.out_width(), height: g.out_height(), images: g.batch };
    let Epilogue { bias, add, relu, mut statistics } = epilogue;
    for (group, packed) in packed.chunks_exact(packed.len() / g.groups).enumerate() {
        let channels = group * outputs..(group + 1) * outputs;
        let place = Placement {
            start: channels.start,
            image: grid.height * grid.width * g.out_channels,
            row: grid.width * g.out_channels,
            column: g.out_channels,
        };
        let epilogue = Epilogue {
            bias: bias.map(|bias| &bias[channels.clone()]),
            add,
            relu,
            statistics: statistics.as_mut().map(|s| s.columns(channels.clone())),
        };
        with_patches(g, group, x, |a| {
            Product { grid, a, columns: outputs, b: Panels::Packed(packed), place, accumulate: false, pairs }
                .run(y, epilogue);
        });
    }
}

/// Where the segments of a kernel start.
fn segments(g: &Conv2dGeometry) -> Vec<usize> {
    (0..g.kernel_len()).step_by(patches::segment_len(g)).collect()
}

/// One group's weights as the columns of B.
fn columns<'a>(g: &Conv2dGeometry, w: &'a [f32], segments: &'a [usize], group: usize) -> Columns<'a> {
    let columns = g.group_outputs();
    Columns {
        data: &w[group * columns * g.kernel_len()..(group + 1) * columns * g.kernel_len()],
        segments,
        segment_len: patches::segment_len(g),
        columns,
        row_stride: 1,
        column_stride: g.kernel_len(),
    }
}

fn packed_len(g: &Conv2dGeometry, w: &[f32], segments: &[usize]) -> usize {
    g.groups * pack::packed_len(&columns(g, w, segments, 0))
}

fn pack_groups(g: &Conv2dGeometry, w: &[f32], segments: &[usize], packed: &mut [f32]) {
    for (group, packed) in packed.chunks_exact_mut(packed.len() / g.groups).enumerate() {
        pack::pack(&columns(g, w, segments, group), packed);
    }
}
