//! The gradient is spread evenly over the window.

use super::Geometry;

/// Gradient of average pooling: `dx` from `dy`.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn backward(g: &Geometry, dy: &[f32], dx: &mut [f32]) {
    let [rows, columns] = g.output_size();
    let channels = g.channels;
    assert_eq!(dx.len(), g.input_len(), "avg_pool2d: length of dx");
    assert_eq!(dy.len(), g.output_len(), "avg_pool2d: length of dy");
    let (vertical, horizontal) = (g.window(0), g.window(1));
    dx.fill(0.0);
    for n in 0..g.batch {
        for r in 0..rows {
            for c in 0..columns {
                let at = ((n * rows + r) * columns + c) * channels;
                let reciprocal = g.reciprocal(r, c);
                for kh in vertical.taps(r) {
                    for kw in horizontal.taps(c) {
                        let (h, w) = (vertical.position(r, kh), horizontal.position(c, kw));
                        let to = ((n * g.height + h) * g.width + w) * channels;
                        let dy = &dy[at..at + channels];
                        dx[to..].iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy * reciprocal);
                    }
                }
            }
        }
    }
}
