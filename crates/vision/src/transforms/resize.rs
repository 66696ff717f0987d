//! Resize to a size or to a shorter side.

use crate::image::Image;
use crate::random::SampleRng;
use crate::transforms::ImageTransform;
use crate::transforms::resample::resample;
use crate::{Result, VisionError};

/// The filter of a resize. All but `Nearest` widen with the step when they shrink, which avoids aliasing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// The closest pixel.
    Nearest,
    /// A triangle (Pillow's `BILINEAR`, torchvision's default).
    #[default]
    Bilinear,
    /// A cubic with a = -0.5 (Pillow's `BICUBIC`).
    Bicubic,
}

impl Interpolation {
    /// Reads "nearest", "bilinear" or "bicubic".
    ///
    /// # Errors
    /// If it is none of them.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "nearest" => Ok(Self::Nearest),
            "bilinear" => Ok(Self::Bilinear),
            "bicubic" => Ok(Self::Bicubic),
            _ => Err(VisionError::option("interpolation", name, "nearest, bilinear or bicubic")),
        }
    }
}

/// Resizes to an exact size, or so that the shorter side has a given length. torchvision's `Resize`.
#[derive(Clone, Copy, Debug)]
pub struct Resize {
    size: Size,
    interpolation: Interpolation,
}

#[derive(Clone, Copy, Debug)]
enum Size {
    Shorter(usize),
    Exact(usize, usize),
}

/// Sides beyond this are a mistake, or an attack on memory.
pub(crate) const MAX_SIDE: usize = 1 << 14;

impl Resize {
    /// Makes the shorter side `size` pixels long and keeps the aspect ratio.
    ///
    /// # Errors
    /// If `size` is 0 or above 16,384.
    pub fn shorter(size: usize, interpolation: Interpolation) -> Result<Self> {
        check_side("resize", size)?;
        Ok(Self { size: Size::Shorter(size), interpolation })
    }

    /// Makes the picture `height` by `width`, whatever its aspect ratio was.
    ///
    /// # Errors
    /// If a side is 0 or above 16,384.
    pub fn exact(height: usize, width: usize, interpolation: Interpolation) -> Result<Self> {
        check_side("resize", height)?;
        check_side("resize", width)?;
        Ok(Self { size: Size::Exact(height, width), interpolation })
    }
}

impl ImageTransform for Resize {
    fn apply(&self, image: Image, _rng: &mut SampleRng) -> Result<Image> {
        let (height, width) = match self.size {
            Size::Exact(height, width) => (height, width),
            Size::Shorter(size) => {
                let (h, w) = (image.height(), image.width());
                // Whole numbers round down, as in torchvision.
                if h <= w { (size, size * w / h) } else { (size * h / w, size) }
            }
        };
        resize(image, height, width, self.interpolation)
    }
}

pub(crate) fn check_side(option: &str, side: usize) -> Result<()> {
    if (1..=MAX_SIDE).contains(&side) {
        return Ok(());
    }
    Err(VisionError::option(option, side, "1 to 16384 pixels"))
}

/// Resizes a whole picture.
///
/// # Errors
/// If a side is 0 or above 16,384.
pub fn resize(image: Image, height: usize, width: usize, interpolation: Interpolation) -> Result<Image> {
    check_side("resize", height)?;
    check_side("resize", width)?;
    if (image.height(), image.width()) == (height, width) {
        return Ok(image);
    }
    Ok(resample(&image, height, width, interpolation))
}
