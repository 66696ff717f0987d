//! The gradient goes where the maximum was found.

use super::Geometry;

/// Gradient of max pooling: `dx` from `dy` and the `taps` that [`forward`](super::forward) recorded.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn backward(g: &Geometry, dy: &[f32], taps: &[u16], dx: &mut [f32]) {
    let [rows, columns] = g.output_size();
    let channels = g.channels;
    assert_eq!(dx.len(), g.input_len(), "max_pool2d: length of dx");
    assert_eq!(dy.len(), g.output_len(), "max_pool2d: length of dy");
    assert_eq!(taps.len(), dy.len(), "max_pool2d: length of taps");
    dx.fill(0.0);
    for n in 0..g.batch {
        for r in 0..rows {
            for c in 0..columns {
                let at = ((n * rows + r) * columns + c) * channels;
                for channel in 0..channels {
                    let tap = usize::from(taps[at + channel]);
                    let h = (r * g.stride[0] + tap / g.kernel[1] * g.dilation[0]).wrapping_sub(g.padding[0]);
                    let w = (c * g.stride[1] + tap % g.kernel[1] * g.dilation[1]).wrapping_sub(g.padding[1]);
                    if h < g.height && w < g.width {
                        dx[((n * g.height + h) * g.width + w) * channels + channel] += dy[at + channel];
                    }
                }
            }
        }
    }
}
