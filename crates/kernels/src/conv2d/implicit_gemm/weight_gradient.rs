use super::patches::with_patches;
use crate::conv2d::Conv2dGeometry;
use crate::gemm::points::PointSum;
use crate::gemm::rows::Grid;

/// The sum over output pixels of the outer products of output gradients and input patches.
pub(in crate::conv2d) fn weight_gradient(g: &Conv2dGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let rows = g.group_outputs();
    let grid = Grid { width: g.out_width(), height: g.out_height(), images: g.batch };
    for (group, dw) in dw.chunks_exact_mut(rows * g.kernel_len()).enumerate() {
        with_patches(g, group, x, |b| {
            PointSum { grid, a: dy, a_stride: g.out_channels, a_first: group * rows, rows, b }.run(dw);
        });
    }
}
