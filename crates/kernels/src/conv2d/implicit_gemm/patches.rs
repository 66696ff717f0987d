//! Patches of an input as the product wants them.

use crate::Element;
use crate::conv2d::Conv2dGeometry;
use crate::conv2d::pad::{SLACK, with_padded};
use crate::gemm::rows::Patches;

/// Floats of a kernel row up to which the taps of a row are one segment.
const MERGED: usize = 64;

/// Whether the taps of a kernel row are read as one segment: with few channels the loop over a single tap's
/// channels is too short. Neighbouring pixels are neighbours in memory, so all it takes is an input that has
/// its padding.
pub(in crate::conv2d) fn merges(g: &Conv2dGeometry) -> bool {
    g.groups == 1 && g.dilation[1] == 1 && g.kernel[1] > 1 && g.kernel[1] * g.in_channels <= MERGED
}

/// Floats of a segment.
pub(super) fn segment_len(g: &Conv2dGeometry) -> usize {
    if merges(g) { g.kernel[1] * g.in_channels } else { g.group_inputs() }
}

/// Calls `f` with the patches of one group for all output pixels. Segment s is floats `s * len` to
/// `(s + 1) * len` of a kernel.
pub(super) fn with_patches<E: Element, R>(
    g: &Conv2dGeometry,
    group: usize,
    x: &[E],
    f: impl FnOnce(Patches<E>) -> R,
) -> R {
    let len = segment_len(g);
    if merges(g) {
        let taps: Vec<_> = (0..g.kernel[0]).map(|h| [(h * g.dilation[0]) as isize, 0]).collect();
        let zeros = vec![E::default(); len + SLACK];
        return with_padded(g, x, |data, [height, width]| {
            let channels = g.in_channels;
            let (step, taps, zeros) = (g.stride, &taps, &zeros);
            f(Patches { data, height, width, channels, first_channel: 0, len, step, taps, zeros })
        });
    }
    let taps: Vec<_> = g.taps().map(|[h, w]| [g.tap_offset(0, h), g.tap_offset(1, w)]).collect();
    f(Patches {
        data: x,
        height: g.in_height,
        width: g.in_width,
        channels: g.in_channels,
        first_channel: group * len,
        len,
        step: g.stride,
        taps: &taps,
        zeros: &vec![E::default(); len],
    })
}
