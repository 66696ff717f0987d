//! Conversion between grey, colour and ink.

use crate::image::Image;
use crate::image::formats::{Decoded, Layout};

/// Which channels a picture should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Color {
    /// One channel of brightness.
    Gray,
    /// Red, green, blue.
    Rgb,
}

impl Color {
    /// 1 or 3.
    pub fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
        }
    }
}

/// ITU-R 601 brightness in 16-bit fixed point, rounded, as Pillow's `convert("L")`.
pub(crate) fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 0x8000) >> 16) as u8
}

impl Image {
    /// The picture with the channels of `color`: brightness by ITU-R 601, or grey in all three channels.
    #[must_use]
    pub fn to_color(self, color: Color) -> Self {
        let (height, width) = (self.height(), self.width());
        match (self.channels(), color) {
            (3, Color::Gray) => {
                let pixels = self.pixels().as_chunks::<3>().0.iter().map(|&pixel| luma(pixel)).collect();
                Self::from_parts(height, width, 1, pixels)
            }
            (1, Color::Rgb) => {
                let pixels = self.pixels().iter().flat_map(|&gray| [gray; 3]).collect();
                Self::from_parts(height, width, 3, pixels)
            }
            _ => self,
        }
    }
}

/// Drops alpha, as Pillow's `convert("RGB")` does, and turns ink into light.
pub(crate) fn to_image(decoded: Decoded) -> Image {
    let Decoded { width, height, layout, data, .. } = decoded;
    match layout {
        Layout::Gray => Image::from_parts(height, width, 1, data),
        Layout::Rgb => Image::from_parts(height, width, 3, data),
        Layout::GrayAlpha => {
            let pixels = data.as_chunks::<2>().0.iter().map(|&[gray, _]| gray).collect();
            Image::from_parts(height, width, 1, pixels)
        }
        Layout::Rgba => {
            let pixels = data.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
            Image::from_parts(height, width, 3, pixels)
        }
        Layout::Cmyk => {
            let light = |ink: u8, black: u8| {
                let product = u32::from(255 - ink) * u32::from(255 - black);
                ((product + 127) / 255) as u8
            };
            let pixel = |&[c, m, y, k]: &[u8; 4]| [light(c, k), light(m, k), light(y, k)];
            let pixels = data.as_chunks::<4>().0.iter().flat_map(pixel).collect();
            Image::from_parts(height, width, 3, pixels)
        }
    }
}
