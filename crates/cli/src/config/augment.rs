//! Flags about what happens to images before the model sees them.

use super::validate::{count, not_negative, refuse};
use crate::data::SourceArgs;
use anyhow::Result;
use clap::{Args, ValueEnum};
use cresset_train::checkpoint::Preprocessing;
use cresset_vision::datasets::Splits;
use cresset_vision::image::Color;
use cresset_vision::loader::Mix;
use cresset_vision::transforms::{
    Channels, Compose, Interpolation, Normalize, Pipeline, RandAugment, RandomCrop, RandomErasing,
    RandomHorizontalFlip, RandomResizedCrop, Resize, TrivialAugmentWide,
};
use serde::Serialize;

/// A policy of random image operations.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AutoAugment {
    /// RandAugment: two operations of one strength
    #[value(name = "ra")]
    #[serde(rename = "ra")]
    RandAugment,
    /// TrivialAugment Wide: one operation of random strength
    #[value(name = "ta_wide", alias = "ta-wide")]
    #[serde(rename = "ta_wide")]
    TrivialAugmentWide,
}

/// The basic augmentation, which depends on the kind of images.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BasicAugment {
    /// Photographs as "crop-resize", CIFAR as "crop-pad", the built-in digits as "shift", other handwriting as "none"
    Auto,
    /// A random part resized, and mirrored half of the time
    CropResize,
    /// Moved by up to 4 pixels, and mirrored half of the time
    CropPad,
    /// Moved by up to 2 pixels
    Shift,
    /// Nothing
    None,
}

/// What happens to images before the model sees them.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Augmentation")]
pub struct AugmentArgs {
    /// Crops and mirroring of training images
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub augment: BasicAugment,
    /// Side of training images of a folder [default: that of --val-crop-size]
    #[arg(long, value_name = "PIXELS")]
    pub train_crop_size: Option<usize>,
    /// Shorter side of evaluated images of a folder before the crop [default: 8/7 of the crop, 256 for 224]
    #[arg(long, value_name = "PIXELS")]
    pub val_resize_size: Option<usize>,
    /// Side of evaluated images of a folder [default: what the model was designed for]
    #[arg(long, value_name = "PIXELS")]
    pub val_crop_size: Option<usize>,
    /// Policy of random image operations
    #[arg(long, value_name = "NAME")]
    pub auto_augment: Option<AutoAugment>,
    /// Strength of --auto-augment ra, 0 to 30
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub ra_magnitude: usize,
    /// Probability with which a random rectangle is blanked
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true)]
    pub random_erase: f64,
    /// Parameter of the Beta distribution of mixup; 0 is off, 0.2 usual
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    pub mixup_alpha: f64,
    /// Parameter of the Beta distribution of cutmix; 0 is off, 1 usual
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    pub cutmix_alpha: f64,
}

/// Longer sides are a slip of the finger.
const MAX_SIDE: usize = 4096;

impl AugmentArgs {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("--train-crop-size", self.train_crop_size),
            ("--val-resize-size", self.val_resize_size),
            ("--val-crop-size", self.val_crop_size),
        ];
        for (flag, size) in sizes {
            size.map_or(Ok(0), |size| count(flag, size, 1..=MAX_SIDE))?;
        }
        if let (Some(resize), Some(crop)) = (self.val_resize_size, self.val_crop_size)
            && resize < crop
        {
            refuse::<()>("--val-resize-size", resize, &format!("at least the {crop} of --val-crop-size"))?;
        }
        count("--ra-magnitude", self.ra_magnitude, 0..=30)?;
        if !(0.0..=1.0).contains(&self.random_erase) {
            refuse::<()>("--random-erase", self.random_erase, "probabilities from 0 to 1")?;
        }
        not_negative("--mixup-alpha", self.mixup_alpha)?;
        not_negative("--cutmix-alpha", self.cutmix_alpha)?;
        Ok(())
    }

    /// Puts the sizes asked for into what is done to evaluated images.
    ///
    /// # Errors
    /// If sizes were asked for, but the images have one of their own.
    pub fn resize(
        &self,
        source: &SourceArgs,
        splits: &Splits,
        preprocessing: &mut Preprocessing,
    ) -> Result<()> {
        if splits.train.image_size().is_some() {
            let flags = [
                ("--train-crop-size", self.train_crop_size),
                ("--val-resize-size", self.val_resize_size),
                ("--val-crop-size", self.val_crop_size),
            ];
            if let Some((flag, size)) = flags.iter().find_map(|(flag, size)| size.map(|size| (flag, size))) {
                let side = preprocessing.input[1];
                let data = &source.data;
                refuse::<()>(
                    flag,
                    size,
                    &format!("unset with --data {data}, whose images all have {side} pixels a side"),
                )?;
            }
            return Ok(());
        }
        if let Some(crop) = self.val_crop_size {
            preprocessing.input[1..].fill(crop);
            preprocessing.resize = Some((crop * 8).div_ceil(7));
        }
        if let Some(resize) = self.val_resize_size {
            let crop = preprocessing.input[1];
            if resize < crop {
                refuse::<()>("--val-resize-size", resize, &format!("at least the {crop} of the crop"))?;
            }
            preprocessing.resize = Some(resize);
        }
        Ok(())
    }

    /// What is done to training images.
    ///
    /// # Errors
    /// If a number makes no sense.
    pub fn train_pipeline(&self, source: &SourceArgs, preprocessing: &Preprocessing) -> Result<Pipeline> {
        let [channels, height, width] = preprocessing.input;
        let color = if channels == 1 { Color::Gray } else { Color::Rgb };
        let images = Compose::new().then(Channels(color));
        let basic = match self.augment {
            BasicAugment::Auto if preprocessing.resize.is_some() => BasicAugment::CropResize,
            BasicAugment::Auto if channels == 3 => BasicAugment::CropPad,
            BasicAugment::Auto if source.data == "digits" => BasicAugment::Shift,
            BasicAugment::Auto => BasicAugment::None,
            chosen => chosen,
        };
        let (height, width) = self.train_crop_size.map_or((height, width), |side| (side, side));
        let fitted = Resize::exact(height, width, Interpolation::Bilinear)?;
        let images = match basic {
            BasicAugment::CropResize => {
                let crop = RandomResizedCrop::new(height, Interpolation::Bilinear)?;
                images.then(crop).then(RandomHorizontalFlip::new(0.5)?)
            }
            BasicAugment::CropPad => {
                images.then(fitted).then(RandomCrop::new(height, 4)?).then(RandomHorizontalFlip::new(0.5)?)
            }
            BasicAugment::Shift => images.then(fitted).then(RandomCrop::new(height, 2)?),
            _ => images.then(fitted),
        };
        let images = match self.auto_augment {
            None => images,
            Some(AutoAugment::RandAugment) => images.then(RandAugment::new(2, self.ra_magnitude)?),
            Some(AutoAugment::TrivialAugmentWide) => images.then(TrivialAugmentWide),
        };
        let pipeline = images.to_tensor().then(Normalize::new(&preprocessing.mean, &preprocessing.std)?);
        if self.random_erase == 0.0 {
            return Ok(pipeline);
        }
        Ok(pipeline.then(RandomErasing::new(self.random_erase)?))
    }

    /// What is done to whole batches.
    ///
    /// # Errors
    /// If a number makes no sense.
    pub fn mix(&self) -> Result<Option<Mix>> {
        Ok(Mix::new(self.mixup_alpha, self.cutmix_alpha)?)
    }
}
