//! Values, and optionally places, of the window maxima.

use super::Geometry;

/// Max pooling of `x` (batch, height, width, channels) into `y` (batch, rows, columns, channels).
///
/// As in PyTorch the first of equal maxima wins and a NaN beats every number. `taps`, when given, receives for
/// each output element the number of the window element that won: `kh * kernel_width + kw`.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn forward(g: &Geometry, x: &[f32], y: &mut [f32], mut taps: Option<&mut [u16]>) {
    let [rows, columns] = g.output_size();
    let channels = g.channels;
    assert_eq!(x.len(), g.input_len(), "max_pool2d: length of x");
    assert_eq!(y.len(), g.output_len(), "max_pool2d: length of y");
    if let Some(taps) = &taps {
        assert_eq!(taps.len(), y.len(), "max_pool2d: length of taps");
    }
    let (vertical, horizontal) = (g.window(0), g.window(1));
    let mut scratch = vec![0u16; channels];
    for n in 0..g.batch {
        for r in 0..rows {
            for c in 0..columns {
                let at = ((n * rows + r) * columns + c) * channels;
                let best = &mut y[at..at + channels];
                let tap = match &mut taps {
                    Some(taps) => &mut taps[at..at + channels],
                    None => &mut scratch[..],
                };
                best.fill(f32::NEG_INFINITY);
                let (vertical_taps, horizontal_taps) = (vertical.taps(r), horizontal.taps(c));
                let first = vertical_taps.start * g.kernel[1] + horizontal_taps.start;
                tap.fill(if vertical_taps.is_empty() || horizontal_taps.is_empty() {
                    0
                } else {
                    first as u16
                });
                for kh in vertical_taps {
                    for kw in horizontal_taps.clone() {
                        let (h, w) = (vertical.position(r, kh), horizontal.position(c, kw));
                        let from = ((n * g.height + h) * g.width + w) * channels;
                        let number = (kh * g.kernel[1] + kw) as u16;
                        for ((best, tap), &x) in best.iter_mut().zip(tap.iter_mut()).zip(&x[from..]) {
                            if x > *best || x.is_nan() {
                                *best = x;
                                *tap = number;
                            }
                        }
                    }
                }
            }
        }
    }
}
