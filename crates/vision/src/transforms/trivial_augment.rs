//! One random operation of random strength.

use crate::Result;
use crate::image::Image;
use crate::random::SampleRng;
use crate::transforms::ImageTransform;
use crate::transforms::auto_augment::{OPS, Space};

/// TrivialAugment in its wide search space (Müller and Hutter 2021), torchvision's `TrivialAugmentWide`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrivialAugmentWide;

/// Strengths are steps on a scale of this many, from 0.
const BINS: usize = 31;

const WIDE: Space =
    Space { shear: 0.99, translate: (32.0, 32.0), degrees: 135.0, enhance: 0.99, posterize: 6.0 };

impl ImageTransform for TrivialAugmentWide {
    fn apply(&self, image: Image, rng: &mut SampleRng) -> Result<Image> {
        let op = OPS[rng.below(OPS.len())];
        let strength = rng.below(BINS) as f64 / (BINS - 1) as f64;
        Ok(op.apply(image, &WIDE, strength, rng))
    }
}
