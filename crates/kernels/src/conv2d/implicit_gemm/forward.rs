use super::patches::{self, with_patches};
use crate::conv2d::Conv2dGeometry;
use crate::conv2d::prepared::Packed;
use crate::gemm::Epilogue;
use crate::gemm::driver::Product;
use crate::gemm::method::{Floats, Method};
use crate::gemm::pack::{Columns, Panels};
use crate::gemm::rows::{Grid, Placement};
use crate::scratch;

/// A row for each output pixel, a column for each output channel; a segment for each tap or row of taps.
pub(in crate::conv2d) fn forward<M: Method>(
    g: &Conv2dGeometry,
    x: &[M::Number],
    w: &[f32],
    method: M,
    epilogue: Epilogue<M::Number>,
    y: &mut [M::Number],
) {
    let segments = segments(g);
    scratch::with(packed_len(g, w, &segments, method), |packed: &mut [f32]| {
        pack_groups(g, w, &segments, method, packed);
        forward_packed(g, x, packed, method, epilogue, y, false);
    });
}

/// The weights of all groups, packed for [`forward_packed`].
pub(in crate::conv2d) fn pack_weights(g: &Conv2dGeometry, w: &[f32], method: Floats) -> Packed {
    let segments = segments(g);
    Packed::new(packed_len(g, w, &segments, method), |packed| pack_groups(g, w, &segments, method, packed))
}

/// Whether [`forward_packed`] adds to its output as it would add a tensor.
pub(in crate::conv2d) fn adds_in_place(g: &Conv2dGeometry, method: Floats) -> bool {
    method.touches_once(g.kernel_len() / patches::segment_len(g).max(1), patches::segment_len(g))
}

/// As [`forward`], with packed weights: one product a group. Added to what `y` holds if `accumulate`.
pub(in crate::conv2d) fn forward_packed<M: Method>(
    g: &Conv2dGeometry,
    x: &[M::Number],
    packed: &[f32],
    method: M,
    epilogue: Epilogue<M::Number>,
    y: &mut [M::Number],
    accumulate: bool,
) {
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
            let b = Panels::Packed(packed);
            method.run(&Product { grid, a, columns: outputs, b, place, accumulate }, y, epilogue);
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

fn packed_len(g: &Conv2dGeometry, w: &[f32], segments: &[usize], method: impl Method) -> usize {
    g.groups * method.packed_len(&columns(g, w, segments, 0))
}

fn pack_groups(g: &Conv2dGeometry, w: &[f32], segments: &[usize], method: impl Method, packed: &mut [f32]) {
    for (group, packed) in packed.chunks_exact_mut(packed.len() / g.groups).enumerate() {
        method.pack(&columns(g, w, segments, group), packed);
    }
}
