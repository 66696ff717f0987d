//! Resize with an antialiasing filter, as Pillow does it.

use std::cell::RefCell;

use fast_image_resize::images::{Image as Target, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::image::Image;
use crate::random::SampleRng;
use crate::transforms::ImageTransform;
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

thread_local! {
    /// Keeps its intermediate buffers from picture to picture.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// Resizes a whole picture.
pub(crate) fn resize(
    image: Image,
    height: usize,
    width: usize,
    interpolation: Interpolation,
) -> Result<Image> {
    if (image.height(), image.width()) == (height, width) {
        return Ok(image);
    }
    let failed = |e: &dyn std::fmt::Display| {
        VisionError::shape(
            "resize",
            format!("found {image:?} for {height}x{width}: {e}"),
            "expected sides of 1 to 2^31 pixels",
        )
    };
    let pixel = if image.channels() == 1 { PixelType::U8 } else { PixelType::U8x3 };
    let side = |n: usize| u32::try_from(n).map_err(|e| failed(&e));
    let source = ImageRef::new(side(image.width())?, side(image.height())?, image.pixels(), pixel)
        .map_err(|e| failed(&e))?;
    let mut target = Target::new(side(width)?, side(height)?, pixel);
    let algorithm = match interpolation {
        Interpolation::Nearest => ResizeAlg::Nearest,
        Interpolation::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Interpolation::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
    };
    let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
    RESIZER
        .with_borrow_mut(|resizer| resizer.resize(&source, &mut target, &options))
        .map_err(|e| failed(&e))?;
    Ok(Image::from_parts(height, width, image.channels(), target.into_vec()))
}
