//! Random brightness, contrast, saturation and hue.

use crate::image::Image;
use crate::random::SampleRng;
use crate::transforms::ImageTransform;
use crate::transforms::functional;
use crate::{Result, VisionError};

/// Changes brightness, contrast, saturation and hue by random amounts in random order. torchvision's `ColorJitter`.
#[derive(Clone, Copy, Debug)]
pub struct ColorJitter {
    brightness: f64,
    contrast: f64,
    saturation: f64,
    hue: f64,
}

impl ColorJitter {
    /// Factors are drawn from `1 - x` (at least 0) to `1 + x` for the first three, the turn of the hue from
    /// `-hue` to `hue` of a circle. 0 leaves a property alone.
    ///
    /// # Errors
    /// If one is negative or not finite, or `hue` is above 0.5.
    pub fn new(brightness: f64, contrast: f64, saturation: f64, hue: f64) -> Result<Self> {
        for (option, value, high) in [
            ("brightness jitter", brightness, f64::MAX),
            ("contrast jitter", contrast, f64::MAX),
            ("saturation jitter", saturation, f64::MAX),
            ("hue jitter", hue, 0.5),
        ] {
            if !(0.0..=high).contains(&value) {
                return Err(VisionError::option(
                    option,
                    value,
                    if high < 1.0 { "0 to 0.5" } else { "0 or more" },
                ));
            }
        }
        Ok(Self { brightness, contrast, saturation, hue })
    }
}

impl ImageTransform for ColorJitter {
    fn apply(&self, mut image: Image, rng: &mut SampleRng) -> Result<Image> {
        let mut order = [0, 1, 2, 3];
        rng.shuffle(&mut order);
        for property in order {
            let strength = [self.brightness, self.contrast, self.saturation, self.hue][property];
            if strength == 0.0 {
                continue;
            }
            let factor = |rng: &mut SampleRng| rng.uniform((1.0 - strength).max(0.0), 1.0 + strength);
            match property {
                0 => functional::brightness(&mut image, factor(rng)),
                1 => functional::contrast(&mut image, factor(rng)),
                2 => functional::saturation(&mut image, factor(rng)),
                _ => functional::hue(&mut image, rng.uniform(-strength, strength)),
            }
        }
        Ok(image)
    }
}
