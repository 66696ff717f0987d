//! Window means.

use super::Geometry;

/// Average pooling of `x` (batch, height, width, channels) into `y` (batch, rows, columns, channels).
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn forward(g: &Geometry, x: &[f32], y: &mut [f32]) {
    let [rows, columns] = g.output_size();
    let channels = g.channels;
    assert_eq!(x.len(), g.input_len(), "avg_pool2d: length of x");
    assert_eq!(y.len(), g.output_len(), "avg_pool2d: length of y");
    let (vertical, horizontal) = (g.window(0), g.window(1));
    for n in 0..g.batch {
        for r in 0..rows {
            for c in 0..columns {
                let at = ((n * rows + r) * columns + c) * channels;
                let mean = &mut y[at..at + channels];
                mean.fill(0.0);
                for kh in vertical.taps(r) {
                    for kw in horizontal.taps(c) {
                        let (h, w) = (vertical.position(r, kh), horizontal.position(c, kw));
                        let from = ((n * g.height + h) * g.width + w) * channels;
                        mean.iter_mut().zip(&x[from..]).for_each(|(mean, x)| *mean += x);
                    }
                }
                let reciprocal = g.reciprocal(r, c);
                mean.iter_mut().for_each(|mean| *mean *= reciprocal);
            }
        }
    }
}
