use crate::conv2d::Conv2dGeometry;
use crate::gemm::points::PointSum;
use crate::gemm::rows::{Grid, Patches};

/// The sum over output pixels of the outer products of output gradients and input patches.
pub(in crate::conv2d) fn weight_gradient(g: &Conv2dGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
    let taps: Vec<[isize; 2]> = g.taps().map(|[h, w]| [g.tap_offset(0, h), g.tap_offset(1, w)]).collect();
    let zeros = vec![0.0; inputs];
    for (group, dw) in dw.chunks_exact_mut(outputs * g.kernel_len()).enumerate() {
        let b = Patches {
            data: x,
            height: g.in_height,
            width: g.in_width,
            channels: g.in_channels,
            first_channel: group * inputs,
            len: inputs,
            step: g.stride,
            taps: &taps,
            zeros: &zeros,
        };
        let grid = Grid { width: g.out_width(), height: g.out_height(), images: g.batch };
        let a_first = group * outputs;
        PointSum { grid, a: dy, a_stride: g.out_channels, a_first, rows: outputs, b }.run(dw);
    }
}
