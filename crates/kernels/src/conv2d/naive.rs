//! The weight gradient by definition, one output channel after another: the last resort.

use super::Conv2dGeometry;
use crate::parallel::{self, DisjointMut};

/// `dw` from the definition.
pub(super) fn weight_gradient(g: &Conv2dGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let (height, width) = (g.out_height(), g.out_width());
    let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
    let writer = DisjointMut::new(dw);
    parallel::for_each_index(g.out_channels, |o| {
        // SAFETY: each channel has its own part.
        let dw = unsafe { writer.slice(o * g.kernel_len()..(o + 1) * g.kernel_len()) };
        for ([kh, kw], dw) in g.taps().zip(dw.chunks_exact_mut(inputs)) {
            dw.fill(0.0);
            for row in 0..g.batch * height {
                let (n, oh) = (row / height, row % height);
                let ih = (oh * g.stride[0]).wrapping_add_signed(g.tap_offset(0, kh));
                if ih >= g.in_height {
                    continue;
                }
                for ow in 0..width {
                    let iw = (ow * g.stride[1]).wrapping_add_signed(g.tap_offset(1, kw));
                    if iw >= g.in_width {
                        continue;
                    }
                    let pixel = (n * g.in_height + ih) * g.in_width + iw;
                    let x = &x[pixel * g.in_channels + o / outputs * inputs..][..inputs];
                    let dy = dy[(row * width + ow) * g.out_channels + o];
                    dw.iter_mut().zip(x).for_each(|(dw, x)| *dw += x * dy);
                }
            }
        }
    });
}
