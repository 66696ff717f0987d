//! Mirror images.

use crate::image::Image;
use crate::random::SampleRng;
use crate::transforms::ImageTransform;
use crate::{Result, VisionError};

/// Mirrors left to right with a given probability.
#[derive(Clone, Copy, Debug)]
pub struct RandomHorizontalFlip {
    p: f64,
}

/// Mirrors top to bottom with a given probability.
#[derive(Clone, Copy, Debug)]
pub struct RandomVerticalFlip {
    p: f64,
}

impl RandomHorizontalFlip {
    /// With probability `p`; 0.5 is usual.
    ///
    /// # Errors
    /// If `p` is not from 0 to 1.
    pub fn new(p: f64) -> Result<Self> {
        check_probability("horizontal flip", p)?;
        Ok(Self { p })
    }
}

impl RandomVerticalFlip {
    /// With probability `p`.
    ///
    /// # Errors
    /// If `p` is not from 0 to 1.
    pub fn new(p: f64) -> Result<Self> {
        check_probability("vertical flip", p)?;
        Ok(Self { p })
    }
}

impl ImageTransform for RandomHorizontalFlip {
    fn apply(&self, mut image: Image, rng: &mut SampleRng) -> Result<Image> {
        if rng.chance(self.p) {
            let (width, channels) = (image.width(), image.channels());
            for row in image.pixels_mut().chunks_exact_mut(width * channels) {
                match channels {
                    1 => row.reverse(),
                    _ => row.as_chunks_mut::<3>().0.reverse(),
                }
            }
        }
        Ok(image)
    }
}

impl ImageTransform for RandomVerticalFlip {
    fn apply(&self, mut image: Image, rng: &mut SampleRng) -> Result<Image> {
        if rng.chance(self.p) {
            let (height, stride) = (image.height(), image.width() * image.channels());
            let (upper, lower) = image.pixels_mut().split_at_mut(height / 2 * stride);
            for (top, bottom) in upper.chunks_exact_mut(stride).zip(lower.rchunks_exact_mut(stride)) {
                top.swap_with_slice(bottom);
            }
        }
        Ok(image)
    }
}

pub(crate) fn check_probability(option: &str, p: f64) -> Result<()> {
    if (0.0..=1.0).contains(&p) {
        return Ok(());
    }
    Err(VisionError::option(&format!("probability of {option}"), p, "0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn flipped(transform: &dyn ImageTransform, channels: usize) -> Vec<u8> {
        let image = Image::new(3, 2, channels, (0..6 * channels as u8).collect()).unwrap();
        transform.apply(image, &mut SampleRng::new(0, Purpose::Augment, 0, 0)).unwrap().into_pixels()
    }

    #[test]
    fn flips_mirror_pixels_not_channels() {
        let (horizontal, vertical) =
            (RandomHorizontalFlip::new(1.0).unwrap(), RandomVerticalFlip::new(1.0).unwrap());
        assert_eq!(flipped(&horizontal, 1), [1, 0, 3, 2, 5, 4]);
        assert_eq!(flipped(&horizontal, 3)[..6], [3, 4, 5, 0, 1, 2]);
        assert_eq!(flipped(&vertical, 1), [4, 5, 2, 3, 0, 1]);
        assert_eq!(flipped(&vertical, 3)[..6], [12, 13, 14, 15, 16, 17]);
        assert_eq!(flipped(&RandomVerticalFlip::new(0.0).unwrap(), 1), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn probabilities_are_checked() {
        for p in [-0.1, 1.1, f64::NAN] {
            assert!(RandomHorizontalFlip::new(p).is_err() && RandomVerticalFlip::new(p).is_err());
        }
    }
}
