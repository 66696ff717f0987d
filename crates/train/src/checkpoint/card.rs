//! What one must know to use weights.

use cresset_vision::VisionError;
use cresset_vision::image::Color;
use cresset_vision::transforms::{CenterCrop, Channels, Compose, Interpolation, Normalize, Pipeline, Resize};
use serde::{Deserialize, Serialize};

/// The version of the metadata's layout. Files of a higher one are refused with a message.
pub(crate) const FORMAT: u32 = 1;

/// Everything that is needed to use a model's weights: how to build it, what goes in, what comes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The version of this layout.
    pub format: u32,
    /// The version of cresset that wrote it.
    pub cresset: String,
    /// The model's name in the registry.
    pub model: String,
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// What becomes of an image before it enters the model.
    #[serde(flatten)]
    pub preprocessing: Preprocessing,
    /// Epochs trained.
    pub epoch: u64,
    /// Validation accuracy after that epoch, 0 to 1.
    pub val_top1: Option<f64>,
    /// Validation loss after that epoch.
    pub val_loss: Option<f64>,
}

/// What becomes of an image before it enters the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// (channels, height, width) of the model's input.
    pub input: [usize; 3],
    /// The mean of each channel, in units of [0, 1].
    pub mean: Vec<f32>,
    /// The standard deviation of each channel.
    pub std: Vec<f32>,
    /// The shorter side is brought to this length and the centre cut out; without it, the whole picture is brought to
    /// the input's height and width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
}

impl Preprocessing {
    /// What is done to every image before evaluation.
    ///
    /// # Errors
    /// If a number makes no sense.
    pub fn pipeline(&self) -> Result<Pipeline, VisionError> {
        let [channels, height, width] = self.input;
        let normalize = Normalize::new(&self.mean, &self.std)?;
        let color = match (channels, self.mean.len()) {
            (1, 1) => Color::Gray,
            (3, 3) => Color::Rgb,
            (channels, means) => {
                return Err(VisionError::Option {
                    option: "number of image channels".into(),
                    found: format!("{channels}, with {means} means"),
                    allowed: "1 (grey) or 3 (colour), and as many means".into(),
                });
            }
        };
        let images = Compose::new().then(Channels(color));
        let images = match self.resize {
            Some(shorter) if height == width => {
                images.then(Resize::shorter(shorter, Interpolation::Bilinear)?).then(CenterCrop::new(height)?)
            }
            _ => images.then(Resize::exact(height, width, Interpolation::Bilinear)?),
        };
        Ok(images.to_tensor().then(normalize))
    }
}

impl ModelCard {
    /// The card of a model that has not been trained yet.
    pub fn new(model: impl Into<String>, classes: Vec<String>, preprocessing: Preprocessing) -> Self {
        Self {
            format: FORMAT,
            cresset: env!("CARGO_PKG_VERSION").to_owned(),
            model: model.into(),
            classes,
            preprocessing,
            epoch: 0,
            val_top1: None,
            val_loss: None,
        }
    }
}
