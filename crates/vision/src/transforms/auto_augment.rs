//! The operations that RandAugment and TrivialAugment choose from.

use crate::image::Image;
use crate::random::SampleRng;
use crate::transforms::functional;

/// One operation of the search space of AutoAugment (Cubuk et al. 2019).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

/// All of them, in torchvision's order.
pub(crate) const OPS: [Op; 14] = [
    Op::Identity,
    Op::ShearX,
    Op::ShearY,
    Op::TranslateX,
    Op::TranslateY,
    Op::Rotate,
    Op::Brightness,
    Op::Color,
    Op::Contrast,
    Op::Sharpness,
    Op::Posterize,
    Op::Solarize,
    Op::AutoContrast,
    Op::Equalize,
];

/// How far each kind of operation goes at the greatest strength.
pub(crate) struct Space {
    pub shear: f64,
    /// In pixels: (along the rows, along the columns).
    pub translate: (f64, f64),
    pub degrees: f64,
    /// Of brightness, colour, contrast and sharpness.
    pub enhance: f64,
    /// How many of the eight bits are dropped.
    pub posterize: f64,
}

impl Op {
    /// The amount for a strength from 0 to 1, and whether its sign is drawn at random.
    pub fn amount(self, space: &Space, strength: f64) -> (f64, bool) {
        match self {
            Self::Identity | Self::AutoContrast | Self::Equalize => (0.0, false),
            Self::ShearX | Self::ShearY => (space.shear * strength, true),
            Self::TranslateX => (space.translate.0 * strength, true),
            Self::TranslateY => (space.translate.1 * strength, true),
            Self::Rotate => (space.degrees * strength, true),
            Self::Brightness | Self::Color | Self::Contrast | Self::Sharpness => {
                (space.enhance * strength, true)
            }
            Self::Posterize => (8.0 - (space.posterize * strength).round_ties_even(), false),
            Self::Solarize => (255.0 * (1.0 - strength), false),
        }
    }

    /// Draws the sign where there is one, and applies the operation.
    pub fn apply(self, image: Image, space: &Space, strength: f64, rng: &mut SampleRng) -> Image {
        let (amount, signed) = self.amount(space, strength);
        let amount = if signed && rng.chance(0.5) { -amount } else { amount };
        self.apply_amount(image, amount)
    }

    /// Applies the operation with a given amount.
    pub fn apply_amount(self, mut image: Image, amount: f64) -> Image {
        match self {
            Self::Identity => {}
            Self::ShearX => return functional::shear_x(&image, amount),
            Self::ShearY => return functional::shear_y(&image, amount),
            Self::TranslateX => return functional::translate(&image, amount as i64, 0),
            Self::TranslateY => return functional::translate(&image, 0, amount as i64),
            Self::Rotate => return functional::rotate(&image, amount),
            Self::Brightness => functional::brightness(&mut image, 1.0 + amount),
            Self::Color => functional::saturation(&mut image, 1.0 + amount),
            Self::Contrast => functional::contrast(&mut image, 1.0 + amount),
            Self::Sharpness => functional::sharpness(&mut image, 1.0 + amount),
            Self::Posterize => functional::posterize(&mut image, amount as u32),
            Self::Solarize => functional::solarize(&mut image, amount),
            Self::AutoContrast => functional::auto_contrast(&mut image),
            Self::Equalize => functional::equalize(&mut image),
        }
        image
    }
}
