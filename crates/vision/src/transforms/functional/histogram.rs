//! Changes of how bytes are distributed.

use super::enhance::map_bytes;
use crate::image::Image;

/// Keeps the upper `bits` of each byte.
pub fn posterize(image: &mut Image, bits: u32) {
    let mask = if bits >= 8 { 0xff } else { !(0xff_u8 >> bits) };
    map_bytes(image, |byte| byte & mask);
}

/// Inverts bytes that are not below `threshold`.
pub fn solarize(image: &mut Image, threshold: f64) {
    map_bytes(image, |byte| if f64::from(byte) < threshold { byte } else { 255 - byte });
}

/// Stretches each channel to the whole range.
pub fn auto_contrast(image: &mut Image) {
    map_channels(image, |counts| {
        let low = counts.iter().position(|&n| n > 0).unwrap_or(0);
        let high = counts.iter().rposition(|&n| n > 0).unwrap_or(0);
        if high <= low {
            return None;
        }
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        // The conversion cuts off the fraction and saturates at both ends.
        Some(std::array::from_fn(|byte| (byte as f64 * scale + offset) as u8))
    });
}

/// Spreads the bytes of each channel evenly (Pillow's `ImageOps.equalize`).
pub fn equalize(image: &mut Image) {
    map_channels(image, |counts| {
        let total: usize = counts.iter().sum();
        let last = counts.iter().rfind(|&&n| n > 0)?;
        let step = (total - last) / 255;
        if step == 0 {
            return None;
        }
        let mut sum = step / 2;
        let mut table = [0; 256];
        for (slot, count) in table.iter_mut().zip(counts) {
            *slot = (sum / step).min(255) as u8;
            sum += count;
        }
        Some(table)
    });
}

/// Replaces the bytes of each channel by a table made from how often each byte occurs in it.
fn map_channels(image: &mut Image, make: impl Fn(&[usize; 256]) -> Option<[u8; 256]>) {
    let channels = image.channels();
    for channel in 0..channels {
        let mut counts = [0usize; 256];
        for &byte in image.pixels().iter().skip(channel).step_by(channels) {
            counts[usize::from(byte)] += 1;
        }
        if let Some(table) = make(&counts) {
            for byte in image.pixels_mut().iter_mut().skip(channel).step_by(channels) {
                *byte = table[usize::from(*byte)];
            }
        }
    }
}
