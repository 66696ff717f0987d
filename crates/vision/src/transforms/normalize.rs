//! Normalize each channel by a mean and a standard deviation.

use crate::random::SampleRng;
use crate::transforms::{Pixels, TensorTransform};
use crate::{Result, VisionError};

/// `(x - mean) / std` for each channel, as `torchvision.transforms.Normalize`, bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalize {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalize {
    /// One mean and one standard deviation for each channel (1 or 3), in units of `[0, 1]`.
    ///
    /// # Errors
    /// If the two differ in length, are not 1 or 3 long, are not finite, a mean lies outside `[0, 1]` (it was
    /// probably measured in bytes), or a standard deviation is not above zero.
    pub fn new(mean: &[f32], std: &[f32]) -> Result<Self> {
        if mean.len() != std.len() || !matches!(mean.len(), 1 | 3) {
            return Err(VisionError::option(
                "Normalize",
                format!("{} means and {} standard deviations", mean.len(), std.len()),
                "as many of each as the image has channels, 1 or 3",
            ));
        }
        if let Some(mean) = mean.iter().find(|m| !(0.0..=1.0).contains(*m)) {
            return Err(VisionError::option(
                "Normalize mean",
                mean,
                "0 to 1 (divide values in bytes by 255)",
            ));
        }
        if let Some(std) = std.iter().find(|s| !(**s > 0.0 && **s <= 1.0)) {
            return Err(VisionError::option(
                "Normalize std",
                std,
                "above 0, at most 1 (a channel that never varies needs no normalization: give it 1)",
            ));
        }
        Ok(Self { mean: mean.to_vec(), std: std.to_vec() })
    }

    /// The mean of each channel.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The standard deviation of each channel.
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    pub(crate) fn wrong_channels(expected: usize, [height, width, channels]: [usize; 3]) -> VisionError {
        VisionError::shape(
            "Normalize",
            format!("found an image of {height}x{width} with {channels} channels"),
            format!(
                "expected {expected} as there are {expected} means; add Channels before it or give {channels} means"
            ),
        )
    }
}

impl TensorTransform for Normalize {
    fn apply(&self, pixels: &mut Pixels<'_>, _rng: &mut SampleRng) -> Result<()> {
        if pixels.channels != self.mean.len() {
            return Err(Self::wrong_channels(
                self.mean.len(),
                [pixels.height, pixels.width, pixels.channels],
            ));
        }
        if let Some(value) = pixels.data.iter().find(|v| !(0.0..=1.0).contains(*v)) {
            return Err(VisionError::shape(
                "Normalize",
                format!("found the value {value}"),
                "expected values from 0 to 1: is the image normalized twice?",
            ));
        }
        for pixel in pixels.data.chunks_exact_mut(self.mean.len()) {
            for ((value, mean), std) in pixel.iter_mut().zip(&self.mean).zip(&self.std) {
                *value = (*value - mean) / std;
            }
        }
        Ok(())
    }

    fn as_normalize(&self) -> Option<&Normalize> {
        Some(self)
    }
}
