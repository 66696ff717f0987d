//! A random part of a picture, enlarged or shrunk to a fixed size.

use crate::image::Image;
use crate::random::SampleRng;
use crate::transforms::ImageTransform;
use crate::transforms::crop::crop;
use crate::transforms::resize::{Interpolation, check_side, resize};
use crate::{Result, VisionError};

/// Cuts out a random share of the area with a random aspect ratio and resizes it to a square: the training crop
/// of ImageNet recipes (Szegedy et al. 2015), torchvision's `RandomResizedCrop`.
#[derive(Clone, Copy, Debug)]
pub struct RandomResizedCrop {
    size: usize,
    scale: (f64, f64),
    ratio: (f64, f64),
    interpolation: Interpolation,
}

impl RandomResizedCrop {
    /// To `size` pixels a side, from 8% to 100% of the area with aspect ratios from 3:4 to 4:3.
    ///
    /// # Errors
    /// If `size` is 0 or above 16,384.
    pub fn new(size: usize, interpolation: Interpolation) -> Result<Self> {
        check_side("crop", size)?;
        Ok(Self { size, scale: (0.08, 1.0), ratio: (3.0 / 4.0, 4.0 / 3.0), interpolation })
    }

    /// With another range for the share of the area.
    ///
    /// # Errors
    /// If the range is not within 0 (exclusive) and 1, or is reversed.
    pub fn scale(self, low: f64, high: f64) -> Result<Self> {
        if !(low > 0.0 && low <= high && high <= 1.0) {
            let found = format!("{low} to {high}");
            return Err(VisionError::option(
                "crop scale",
                found,
                "two shares of the area, 0 < low <= high <= 1",
            ));
        }
        Ok(Self { scale: (low, high), ..self })
    }

    /// Top, left, height and width of the part to cut out.
    fn part(&self, height: usize, width: usize, rng: &mut SampleRng) -> [usize; 4] {
        let area = (height * width) as f64;
        let log_ratio = (self.ratio.0.ln(), self.ratio.1.ln());
        for _ in 0..10 {
            let target = area * rng.uniform(self.scale.0, self.scale.1);
            let ratio = rng.uniform(log_ratio.0, log_ratio.1).exp();
            let w = (target * ratio).sqrt().round_ties_even() as usize;
            let h = (target / ratio).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                return [rng.below(height - h + 1), rng.below(width - w + 1), h, w];
            }
        }
        // The picture is too long for any of these: the largest centre part of an allowed ratio.
        let ratio = width as f64 / height as f64;
        let (h, w) = if ratio < self.ratio.0 {
            (((width as f64 / self.ratio.0).round_ties_even() as usize).clamp(1, height), width)
        } else if ratio > self.ratio.1 {
            (height, ((height as f64 * self.ratio.1).round_ties_even() as usize).clamp(1, width))
        } else {
            (height, width)
        };
        [(height - h) / 2, (width - w) / 2, h, w]
    }
}

impl ImageTransform for RandomResizedCrop {
    fn apply(&self, image: Image, rng: &mut SampleRng) -> Result<Image> {
        let [top, left, height, width] = self.part(image.height(), image.width(), rng);
        resize(crop(&image, top, left, height, width), self.size, self.size, self.interpolation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn parts_have_the_asked_for_area_and_ratio() {
        let transform = RandomResizedCrop::new(8, Interpolation::Bilinear).unwrap().scale(0.25, 0.5).unwrap();
        for index in 0..200 {
            let mut rng = SampleRng::new(1, Purpose::Augment, 0, index);
            let [top, left, h, w] = transform.part(300, 400, &mut rng);
            assert!(top + h <= 300 && left + w <= 400);
            let (area, ratio) = ((h * w) as f64 / 120_000.0, w as f64 / h as f64);
            assert!((0.24..0.51).contains(&area) && (0.74..1.35).contains(&ratio), "{area} {ratio}");
        }
    }

    #[test]
    fn thin_pictures_fall_back_to_their_centre() {
        let transform = RandomResizedCrop::new(8, Interpolation::Bicubic).unwrap();
        let mut rng = SampleRng::new(1, Purpose::Augment, 0, 0);
        assert_eq!(transform.scale(1.0, 1.0).unwrap().part(10, 1000, &mut rng), [0, 493, 10, 13]);
        for (h, w) in [(1, 1), (1, 500), (500, 1)] {
            let image = transform.apply(Image::filled(h, w, &[7; 3]), &mut rng).unwrap();
            assert!(image.shape() == [8, 8, 3] && image.pixels().iter().all(|&p| p == 7));
        }
        assert!(transform.scale(0.0, 1.0).is_err() && transform.scale(0.5, 0.4).is_err());
    }
}
