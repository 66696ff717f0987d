//! A fixed number of random operations of one strength.

use crate::image::Image;
use crate::random::SampleRng;
use crate::transforms::ImageTransform;
use crate::transforms::auto_augment::{OPS, Space};
use crate::{Result, VisionError};

/// RandAugment (Cubuk et al. 2020), torchvision's `RandAugment`.
#[derive(Clone, Copy, Debug)]
pub struct RandAugment {
    ops: usize,
    magnitude: usize,
}

/// Magnitudes are steps on a scale of this many, from 0.
const BINS: usize = 31;

impl RandAugment {
    /// `ops` operations in a row (2 is usual) of `magnitude` 0 to 30 (9 is usual).
    ///
    /// # Errors
    /// If `ops` is above 14 or `magnitude` above 30.
    pub fn new(ops: usize, magnitude: usize) -> Result<Self> {
        if ops > OPS.len() {
            return Err(VisionError::option("RandAugment operations", ops, "0 to 14"));
        }
        if magnitude >= BINS {
            return Err(VisionError::option("RandAugment magnitude", magnitude, "0 to 30"));
        }
        Ok(Self { ops, magnitude })
    }
}

impl Default for RandAugment {
    /// Two operations of magnitude 9.
    fn default() -> Self {
        Self { ops: 2, magnitude: 9 }
    }
}

impl ImageTransform for RandAugment {
    fn apply(&self, image: Image, rng: &mut SampleRng) -> Result<Image> {
        // The paper moves by up to 150 pixels of ImageNet's 331.
        let longest = |side: usize| 150.0 / 331.0 * side as f64;
        let space = Space {
            shear: 0.3,
            translate: (longest(image.width()), longest(image.height())),
            degrees: 30.0,
            enhance: 0.9,
            posterize: 4.0,
        };
        let strength = self.magnitude as f64 / (BINS - 1) as f64;
        Ok((0..self.ops).fold(image, |image, _| {
            let op = OPS[rng.below(OPS.len())];
            op.apply(image, &space, strength, rng)
        }))
    }
}
