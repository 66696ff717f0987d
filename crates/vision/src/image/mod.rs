//! One picture in memory, and how it gets there.

mod color;
mod decode;
mod formats;
mod orientation;

pub use color::Color;
pub(crate) use color::luma;
pub use decode::{decode_bytes, decode_file, write_png};
pub use orientation::from_exif as orientation_from_exif;

use crate::{Result, VisionError};

/// A picture of bytes in (height, width, channel) order, with 1 (grey) or 3 (red, green, blue) channels.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    height: usize,
    width: usize,
    channels: usize,
    pixels: Vec<u8>,
}

impl Image {
    /// A picture from its bytes, `pixels[(row * width + column) * channels + channel]`.
    ///
    /// # Errors
    /// If a side is 0, `channels` is neither 1 nor 3, or the number of bytes is not their product.
    pub fn new(height: usize, width: usize, channels: usize, pixels: Vec<u8>) -> Result<Self> {
        let len = height.checked_mul(width).and_then(|n| n.checked_mul(channels));
        if height == 0 || width == 0 || !matches!(channels, 1 | 3) || len != Some(pixels.len()) {
            return Err(VisionError::shape(
                "image",
                format!("{} bytes for {height}x{width} with {channels} channels", pixels.len()),
                "expected height * width * channels bytes, with 1 or 3 channels and no side of zero",
            ));
        }
        Ok(Self { height, width, channels, pixels })
    }

    /// A picture of one colour.
    ///
    /// # Panics
    /// If a side is 0, or `color` has neither 1 nor 3 channels.
    #[track_caller]
    pub fn filled(height: usize, width: usize, color: &[u8]) -> Self {
        assert!(
            height > 0 && width > 0 && matches!(color.len(), 1 | 3),
            "Image::filled({height}, {width}, {color:?}): no side may be zero, a colour has 1 or 3 channels"
        );
        Self { height, width, channels: color.len(), pixels: color.repeat(height * width) }
    }

    /// For callers that computed `pixels` from the very sizes they pass.
    pub(crate) fn from_parts(height: usize, width: usize, channels: usize, pixels: Vec<u8>) -> Self {
        debug_assert_eq!(pixels.len(), height * width * channels);
        Self { height, width, channels, pixels }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// 1 or 3.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// (height, width, channels).
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// The bytes in (height, width, channel) order.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The bytes, to be changed in place.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The bytes, taken out.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}x{}x{})", self.height, self.width, self.channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        assert!(Image::new(2, 2, 3, vec![0; 12]).is_ok());
        for (h, w, c, len) in
            [(2, 2, 3, 11), (0, 2, 3, 0), (2, 2, 4, 16), (usize::MAX, 2, 3, 6), (1, 0, 1, 0)]
        {
            let error = Image::new(h, w, c, vec![0; len]).unwrap_err().to_string();
            assert!(error.contains("expected height * width * channels bytes"), "{error}");
        }
    }
}
