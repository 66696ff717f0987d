//! Brightness, contrast, saturation and sharpness: a blend with a degenerate version of the picture.
//!
//! A factor of 0 gives the degenerate version, 1 the picture, 2 goes as far beyond it (Pillow's `ImageEnhance`).

use crate::image::{Image, luma};

/// Blends with black.
pub fn brightness(image: &mut Image, factor: f64) {
    map_bytes(image, |byte| blend(0, byte, factor as f32));
}

/// Blends with the mean brightness.
pub fn contrast(image: &mut Image, factor: f64) {
    let count = (image.height() * image.width()) as f64;
    let sum: u64 = match image.channels() {
        1 => image.pixels().iter().map(|&gray| u64::from(gray)).sum(),
        _ => image.pixels().as_chunks::<3>().0.iter().map(|&pixel| u64::from(luma(pixel))).sum(),
    };
    let mean = (sum as f64 / count + 0.5) as u8;
    map_bytes(image, |byte| blend(mean, byte, factor as f32));
}

/// Blends with the grey picture; leaves grey pictures alone.
pub fn saturation(image: &mut Image, factor: f64) {
    if image.channels() == 3 {
        for pixel in image.pixels_mut().as_chunks_mut::<3>().0 {
            let gray = luma(*pixel);
            *pixel = pixel.map(|byte| blend(gray, byte, factor as f32));
        }
    }
}

/// Blends with a smoothed picture (a 3x3 mean in which the centre counts five times). The border stays.
pub fn sharpness(image: &mut Image, factor: f64) {
    let [height, width, channels] = image.shape();
    if height < 3 || width < 3 {
        return;
    }
    let stride = width * channels;
    let source = image.pixels().to_vec();
    let out = image.pixels_mut();
    for y in 1..height - 1 {
        for at in y * stride + channels..(y + 1) * stride - channels {
            let row = |start: usize| {
                u32::from(source[start - channels])
                    + u32::from(source[start])
                    + u32::from(source[start + channels])
            };
            let sum = row(at - stride) + row(at) + row(at + stride) + 4 * u32::from(source[at]);
            let smooth = (sum as f32 / 13.0 + 0.5) as u8;
            out[at] = blend(smooth, source[at], factor as f32);
        }
    }
}

/// `from` at 0, `to` at 1; a fraction is cut off, not rounded, as in Pillow.
fn blend(from: u8, to: u8, factor: f32) -> u8 {
    // The conversion saturates at both ends.
    (f32::from(from) + factor * (f32::from(to) - f32::from(from))) as u8
}

/// Replaces every byte by a function of it alone.
pub(super) fn map_bytes(image: &mut Image, map: impl Fn(u8) -> u8) {
    let table: [u8; 256] = std::array::from_fn(|byte| map(byte as u8));
    for byte in image.pixels_mut() {
        *byte = table[usize::from(*byte)];
    }
}
