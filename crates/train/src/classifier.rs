//! A trained model, ready for use.

use crate::checkpoint::{Checkpoint, ModelCard};
use crate::error::{Result, TrainError};
use cresset_nn::{Forward, Layer, ModuleExt};
use cresset_tensor::{Array, Generator, Tensor, no_grad};
use cresset_vision::image::Image;
use cresset_vision::models::{self, ModelConfig, WeightsInit};
use cresset_vision::random::{Purpose, SampleRng};
use cresset_vision::transforms::Pipeline;
use std::path::Path;

/// A model in evaluation mode with what one must know to use it, out of one file.
pub struct Classifier {
    card: ModelCard,
    model: Box<dyn Layer>,
    pipeline: Pipeline,
}

impl Classifier {
    /// Reads a checkpoint and builds the model it describes.
    ///
    /// # Errors
    /// If the file is not a checkpoint, or names a model that its weights do not fit.
    pub fn load(path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::load(path)?;
        let pipeline = checkpoint.card.preprocessing.pipeline()?;
        check_sizes(&checkpoint)?;
        let model = build(&checkpoint.card)?;
        checkpoint.load_into(&*model)?;
        Ok(Self::new(checkpoint.card, model, pipeline))
    }

    /// A classifier of its parts.
    pub fn new(card: ModelCard, mut model: Box<dyn Layer>, pipeline: Pipeline) -> Self {
        model.eval();
        Self { card, model, pipeline }
    }

    /// What the model is.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// What is done to every image.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The model, to be evaluated.
    pub fn model_mut(&mut self) -> &mut dyn Layer {
        &mut *self.model
    }

    /// The logits of each picture, of whatever size and colour: one row of as many numbers as there are classes.
    ///
    /// # Errors
    /// If a picture cannot be transformed.
    pub fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let [channels, height, width] = self.card.preprocessing.input;
        let mut pixels = Vec::with_capacity(images.len() * channels * height * width);
        for image in images {
            // Nothing in an evaluation pipeline is random.
            let mut rng = SampleRng::new(0, Purpose::Augment, 0, 0);
            self.pipeline.apply(image.clone(), &mut rng, &mut pixels)?;
        }
        let batch = Tensor::from_channels_last(pixels, [images.len(), channels, height, width]);
        let logits = no_grad(|| self.model.forward(&batch));
        let classes = self.card.classes.len();
        crate::evaluate::check_classes(&logits, classes)?;
        Ok(logits.to_vec().chunks_exact(classes).map(<[f32]>::to_vec).collect())
    }
}

/// Refuses a card whose model would be far larger than the weights for it, before memory is taken for that model.
fn check_sizes(checkpoint: &Checkpoint) -> Result<()> {
    let Checkpoint { path, card, weights, .. } = checkpoint;
    let classes = card.classes.len();
    if !weights.values().any(|array| array.shape().first() == Some(&classes)) {
        let reason = format!("its card has {classes} classes, its weights are for another number");
        return Err(TrainError::bad_checkpoint(path, reason));
    }
    // Other channels and classes than a model was designed for change its first and its last layer, never half of it.
    let (found, designed) =
        (weights.values().map(Array::numel).sum::<usize>(), models::find(&card.model)?.params);
    if card.model != "cnn" && found < designed / 2 {
        let model = &card.model;
        let reason =
            format!("its weights are {found} numbers, those of a {model} about {designed}; they do not fit");
        return Err(TrainError::bad_checkpoint(path, reason));
    }
    // The one family whose size depends on that of its images.
    let [_, height, width] = card.preprocessing.input;
    let features = (height / 4).saturating_mul(width / 4).saturating_mul(16);
    if card.model == "cnn"
        && weights.get("fc1.weight").is_none_or(|fc1| fc1.shape().last() != Some(&features))
    {
        let reason = format!(
            "its weights are of another model than a cnn for {height}x{width} images; they do not fit"
        );
        return Err(TrainError::bad_checkpoint(path, reason));
    }
    Ok(())
}

/// Builds the model of a card, with weights that are about to be replaced.
fn build(card: &ModelCard) -> Result<Box<dyn Layer>> {
    let [in_channels, height, width] = card.preprocessing.input;
    let config = ModelConfig {
        in_channels,
        input_size: (height, width),
        num_classes: card.classes.len(),
        init: WeightsInit::default(),
        dropout: 0.0,
    };
    Ok(models::create(&card.model, &config, &mut Generator::new(0))?)
}
