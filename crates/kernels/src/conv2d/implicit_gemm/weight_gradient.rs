use super::patches::{self, with_patches};
use crate::Element;
use crate::conv2d::Conv2dGeometry;
use crate::gemm::outer_kernel::PointTerms;
use crate::gemm::patch_sum::PatchSum;
use crate::gemm::points::PointSum;
use crate::gemm::rows::Grid;
use crate::scratch;

/// The sum over output pixels of the outer products of output gradients and input patches.
pub(in crate::conv2d) fn weight_gradient<E: Element, T: PointTerms<E>>(
    g: &Conv2dGeometry,
    x: &[E],
    dy: &[E],
    dw: &mut [f32],
) {
    if patches::merges(g) {
        return few_channels::<E, T>(g, x, dy, dw);
    }
    let rows = g.group_outputs();
    let grid = Grid { width: g.out_width(), height: g.out_height(), images: g.batch };
    for (group, dw) in dw.chunks_exact_mut(rows * g.kernel_len()).enumerate() {
        with_patches(g, group, x, |b| {
            PointSum { grid, a: dy, a_stride: g.out_channels, a_first: group * rows, rows, b }.run::<T>(dw);
        });
    }
}

/// With few input channels the terms of a patch become the rows.
fn few_channels<E: Element, T: PointTerms<E>>(g: &Conv2dGeometry, x: &[E], dy: &[E], dw: &mut [f32]) {
    let (terms, columns) = (g.kernel_len(), g.out_channels);
    let grid = Grid { width: g.out_width(), height: g.out_height(), images: g.batch };
    scratch::with(dw.len(), |transposed: &mut [f32]| {
        with_patches(g, 0, x, |a| PatchSum { grid, a, b: dy, columns }.run::<T>(transposed));
        for (o, dw) in dw.chunks_exact_mut(terms).enumerate() {
            dw.iter_mut().enumerate().for_each(|(k, dw)| *dw = transposed[k * columns + o]);
        }
    });
}
