//! Crops of a fixed size: the centre, or anywhere.

use crate::image::Image;
use crate::random::SampleRng;
use crate::transforms::ImageTransform;
use crate::transforms::resize::check_side;
use crate::{Result, VisionError};

/// Cuts out the centre; a smaller picture gets a black border first. torchvision's `CenterCrop`.
#[derive(Clone, Copy, Debug)]
pub struct CenterCrop {
    height: usize,
    width: usize,
}

impl CenterCrop {
    /// A square of `size` pixels a side.
    ///
    /// # Errors
    /// If `size` is 0 or above 16,384.
    pub fn new(size: usize) -> Result<Self> {
        check_side("crop", size)?;
        Ok(Self { height: size, width: size })
    }
}

impl ImageTransform for CenterCrop {
    fn apply(&self, image: Image, _rng: &mut SampleRng) -> Result<Image> {
        let short = |wanted: usize, found: usize| wanted.saturating_sub(found);
        let (down, right) = (short(self.height, image.height()), short(self.width, image.width()));
        let image = if down + right > 0 {
            pad(&image, [down / 2, right / 2, down.div_ceil(2), right.div_ceil(2)])
        } else {
            image
        };
        // Half a pixel goes to the even side, as Python rounds.
        let start = |found: usize, wanted: usize| ((found - wanted) as f64 / 2.0).round_ties_even() as usize;
        let (top, left) = (start(image.height(), self.height), start(image.width(), self.width));
        Ok(crop(&image, top, left, self.height, self.width))
    }
}

/// Adds a black border, then cuts out a square anywhere. torchvision's `RandomCrop`.
#[derive(Clone, Copy, Debug)]
pub struct RandomCrop {
    size: usize,
    padding: usize,
}

impl RandomCrop {
    /// A square of `size` pixels a side, out of the picture with `padding` pixels added on each side. CIFAR's
    /// usual augmentation is 32 and 4.
    ///
    /// # Errors
    /// If `size` is 0, or one of them is above 16,384.
    pub fn new(size: usize, padding: usize) -> Result<Self> {
        check_side("crop", size)?;
        if padding > 0 {
            check_side("padding", padding)?;
        }
        Ok(Self { size, padding })
    }
}

impl ImageTransform for RandomCrop {
    fn apply(&self, image: Image, rng: &mut SampleRng) -> Result<Image> {
        let (size, border) = (self.size, 2 * self.padding);
        let (height, width) = (image.height() + border, image.width() + border);
        if height < size || width < size {
            return Err(VisionError::shape(
                "RandomCrop",
                format!("found {}x{} with a padding of {}", image.height(), image.width(), self.padding),
                format!("expected at least {size}x{size}; add padding, or a Resize before it"),
            ));
        }
        let (top, left) = (rng.below(height - size + 1), rng.below(width - size + 1));
        if self.padding == 0 {
            return Ok(crop(&image, top, left, size, size));
        }
        Ok(window(
            &image,
            top as isize - self.padding as isize,
            left as isize - self.padding as isize,
            size,
            size,
        ))
    }
}

/// Cuts out the part of `height` rows from `top` on and `width` columns from `left` on.
///
/// # Panics
/// If the part is empty or reaches beyond the picture.
#[track_caller]
pub fn crop(image: &Image, top: usize, left: usize, height: usize, width: usize) -> Image {
    assert!(
        height > 0 && width > 0 && top + height <= image.height() && left + width <= image.width(),
        "crop: {height}x{width} at row {top}, column {left} is no part of {image:?}"
    );
    let channels = image.channels();
    let stride = image.width() * channels;
    let mut pixels = Vec::with_capacity(height * width * channels);
    for y in top..top + height {
        let start = y * stride + left * channels;
        pixels.extend_from_slice(&image.pixels()[start..start + width * channels]);
    }
    Image::from_parts(height, width, channels, pixels)
}

/// Adds black borders: top, left, bottom, right.
fn pad(image: &Image, [top, left, bottom, right]: [usize; 4]) -> Image {
    let (height, width) = (image.height() + top + bottom, image.width() + left + right);
    window(image, -(top as isize), -(left as isize), height, width)
}

/// Cuts out a part that may reach beyond the picture; what lies outside is black.
fn window(image: &Image, top: isize, left: isize, height: usize, width: usize) -> Image {
    let channels = image.channels();
    let mut pixels = vec![0; height * width * channels];
    let stride = image.width() * channels;
    // The columns of the window that show the picture.
    let first = (-left).clamp(0, width as isize) as usize;
    let last = (image.width() as isize - left).clamp(first as isize, width as isize) as usize;
    for (y, row) in pixels.chunks_exact_mut(width * channels).enumerate() {
        let from = top + y as isize;
        if (0..image.height() as isize).contains(&from) && first < last {
            let start = from as usize * stride + (left + first as isize) as usize * channels;
            let visible = (last - first) * channels;
            row[first * channels..last * channels].copy_from_slice(&image.pixels()[start..start + visible]);
        }
    }
    Image::from_parts(height, width, channels, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn random_crops_reach_every_place_and_only_those() {
        let image = Image::new(3, 3, 1, (1..=9).collect()).unwrap();
        let transform = RandomCrop::new(3, 2).unwrap();
        let mut centres = [0; 10];
        for index in 0..500 {
            let mut rng = SampleRng::new(0, Purpose::Augment, 0, index);
            let cropped = transform.apply(image.clone(), &mut rng).unwrap();
            assert_eq!(cropped.shape(), [3, 3, 1]);
            centres[usize::from(cropped.pixels()[4])] += 1;
        }
        // 25 places: 9 with a pixel of the picture in the centre, 16 with the border there.
        assert!(centres[0] > 250 && centres[1..].iter().all(|&n| n > 5), "{centres:?}");
    }

    #[test]
    fn a_crop_larger_than_the_picture_is_an_error() {
        let mut rng = SampleRng::new(0, Purpose::Augment, 0, 0);
        let transform = RandomCrop::new(32, 1).unwrap();
        let error = transform.apply(Image::filled(29, 40, &[0]), &mut rng).unwrap_err().to_string();
        assert!(error.contains("found 29x40 with a padding of 1; expected at least 32x32"), "{error}");
        assert!(
            RandomCrop::new(0, 4).is_err()
                && CenterCrop::new(0).is_err()
                && CenterCrop::new(1 << 20).is_err()
        );
    }
}
