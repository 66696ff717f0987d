//! Running a model over a dataset without gradients.

use crate::error::{Result, TrainError};
use crate::metrics::{ConfusionMatrix, Meter, argmax, cross_entropy, probabilities, rank};
use crate::observer::Observer;
use crate::samples::Samples;
use cresset_nn::{Layer, ModuleExt};
use cresset_tensor::{Tensor, no_grad};
use cresset_vision::loader::DataLoader;
use std::time::Instant;

/// How a model does on a dataset.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Mean cross entropy.
    pub loss: f64,
    /// The share of images whose class was the first choice, 0 to 1.
    pub top1: f64,
    /// The share of images whose class was among the first five choices, 0 to 1.
    pub top5: f64,
    /// Images counted.
    pub images: u64,
    /// Seconds, loading included.
    pub seconds: f64,
    /// Which classes were taken for which.
    pub confusion: ConfusionMatrix,
    /// Some images, evenly spaced, and what the model said.
    pub examples: Vec<Example>,
}

/// What the model said about one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Example {
    /// The sample's number in its dataset.
    pub index: usize,
    /// Its class.
    pub truth: usize,
    /// The model's first choice.
    pub prediction: usize,
    /// The probability the model gave its first choice, 0 to 1.
    pub confidence: f64,
}

/// How many [`Evaluation::examples`] are kept.
const EXAMPLES: usize = 8;

/// Evaluates `model`, which is left in evaluation mode. The observer hears of every batch; if it wants to stop, the
/// result is `None`.
///
/// # Errors
/// If a batch cannot be loaded, or a label is not one of the model's classes.
pub fn evaluate(
    model: &mut dyn Layer,
    loader: &DataLoader,
    observer: &mut dyn Observer,
) -> Result<Option<Evaluation>> {
    model.eval();
    let start = Instant::now();
    let classes = loader.dataset().classes().len();
    let mut meter = Meter::new();
    let mut confusion = ConfusionMatrix::new(classes);
    let mut examples = Vec::new();
    let spacing = (loader.num_samples() / EXAMPLES).max(1);
    let total = loader.num_batches();
    for (done, batch) in loader.epoch(0).enumerate() {
        let batch = batch?;
        let indices = batch.indices.clone();
        let samples = Samples::new(batch, classes)?;
        let logits = no_grad(|| model.forward(&samples.images));
        check_classes(&logits, classes)?;
        for ((row, &truth), index) in logits.to_vec().chunks_exact(classes).zip(&samples.labels).zip(indices)
        {
            let prediction = argmax(row);
            let seen = meter.samples() as usize;
            if seen.is_multiple_of(spacing) && examples.len() < EXAMPLES {
                let confidence = probabilities(row)[prediction];
                examples.push(Example { index, truth, prediction, confidence });
            }
            meter.add_loss(cross_entropy(row, truth), 1);
            meter.add_rank(rank(row, truth));
            confusion.add(truth, prediction);
        }
        observer.evaluated(done + 1, total);
        if observer.should_stop() {
            return Ok(None);
        }
    }
    Ok(Some(Evaluation {
        loss: meter.loss(),
        top1: meter.top1(),
        top5: meter.top5(),
        images: meter.samples(),
        seconds: start.elapsed().as_secs_f64(),
        confusion,
        examples,
    }))
}

/// Makes sure that logits are (N, classes).
pub(crate) fn check_classes(logits: &Tensor, classes: usize) -> Result<()> {
    match logits.shape()[..] {
        [_, model] if model == classes => Ok(()),
        _ => Err(TrainError::Classes { model: logits.shape().last().copied().unwrap_or(0), data: classes }),
    }
}
