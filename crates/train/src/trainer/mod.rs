//! The training loop.

mod anomaly;
mod average;
mod epoch;
mod learning_rate;
mod range_test;
mod save;
mod step;

pub use average::AverageOptions;
pub use range_test::{LrPoint, steepest};

use crate::checkpoint::{Checkpoint, ModelCard, TrainingState};
use crate::error::{Result, TrainError};
use crate::evaluate::{Evaluation, evaluate};
use crate::observer::Observer;
use crate::options::TrainOptions;
use crate::progress::Progress;
use crate::record::EpochRecord;
use crate::run_dir::RunDir;
use average::Average;
use cresset_nn::optim::Optimizer;
use cresset_nn::{Layer, ModuleExt};
use cresset_vision::loader::DataLoader;
use std::time::Instant;

/// Trains a model, evaluates it after every epoch, and keeps checkpoints.
///
/// Trained in one go or interrupted and resumed any number of times, a run ends with the same bits.
pub struct Trainer {
    model: Box<dyn Layer>,
    optimizer: Box<dyn Optimizer>,
    /// The learning rate of each group as configured, from which schedules compute.
    base_lrs: Vec<f64>,
    train_data: DataLoader,
    val_data: DataLoader,
    card: ModelCard,
    options: TrainOptions,
    progress: Progress,
    average: Option<Average>,
    run_dir: Option<RunDir>,
    best: Option<Evaluation>,
    /// When the last checkpoint was written, or the trainer made.
    saved_at: Instant,
}

/// How [`Trainer::fit`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done, or [`TrainOptions::patience`] has run out.
    Finished,
    /// The observer asked to stop, or [`TrainOptions::max_steps`] are made; a checkpoint was written if there is an
    /// output folder.
    Stopped,
}

impl Trainer {
    /// A trainer at the beginning of a run. `optimizer` must have been made for `model`.
    ///
    /// # Errors
    /// If the output folder cannot be written.
    pub fn new(
        model: Box<dyn Layer>,
        optimizer: Box<dyn Optimizer>,
        (train_data, val_data): (DataLoader, DataLoader),
        card: ModelCard,
        options: TrainOptions,
    ) -> Result<Self> {
        let run_dir = options.output_dir.as_deref().map(RunDir::create).transpose()?;
        let base_lrs = optimizer.lrs();
        let average = options.average.map(|options| Average::new(options, &*model));
        let progress = Progress::default();
        Ok(Self {
            model,
            optimizer,
            base_lrs,
            train_data,
            val_data,
            card,
            options,
            progress,
            average,
            run_dir,
            best: None,
            saved_at: Instant::now(),
        })
    }

    /// Goes on where a checkpoint left off.
    ///
    /// # Errors
    /// If the checkpoint has no training state, or is of another model, optimizer or data set.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let bad = |reason: String| TrainError::bad_checkpoint(&checkpoint.path, reason);
        let Some(TrainingState { progress, optimizer, average, gradients, .. }) = &checkpoint.training else {
            return Err(bad(
                "holds weights but no training state; resume from last.safetensors, or start a new run from these \
                 weights with --weights"
                    .into(),
            ));
        };
        let batches = self.train_data.num_batches();
        let first = progress.partial.map_or(0, |step| step.first);
        if progress.batch > batches || first > progress.batch {
            let batch = progress.batch;
            return Err(bad(format!(
                "stands at batch {batch} of an epoch, but the data set has {batches}: is it another one?"
            )));
        }
        checkpoint.load_into(&*self.model)?;
        self.optimizer
            .load_state(optimizer)
            .map_err(|source| TrainError::OptimizerState { path: checkpoint.path.clone(), source })?;
        if let Some(own) = &self.average {
            own.restore(average, &checkpoint.path)?;
        }
        for (name, param) in self.model.named_parameters() {
            let Some(grad) = gradients.get(&name) else { continue };
            let value = param.array();
            if grad.shape() != value.shape() || grad.dtype() != value.dtype() {
                return Err(bad(format!("the gradient of {name} is not of its shape {}", value.shape())));
            }
            param.leaf().set_grad(Some(grad.in_layout_of(&value)));
        }
        if let Some(dir) = &self.run_dir {
            dir.rewrite_metrics(&progress.history)?;
        }
        self.progress = progress.clone();
        self.restore_plateau();
        Ok(())
    }

    /// Trains until all epochs are done or the observer asks to stop.
    ///
    /// # Errors
    /// If data cannot be loaded, a checkpoint cannot be written, or a loss is not finite.
    pub fn fit(&mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        self.saved_at = Instant::now();
        while self.progress.epoch < self.options.epochs && !self.is_out_of_patience() {
            if self.has_made_all_steps() {
                return Ok(Outcome::Stopped);
            }
            let evaluation = match self.train_epoch(observer)? {
                true => self.evaluate(observer)?,
                false => None,
            };
            let Some(evaluation) = evaluation else {
                self.save_last(observer)?;
                return Ok(Outcome::Stopped);
            };
            self.finish_epoch(evaluation, observer)?;
            if self.progress.epoch < self.options.epochs && observer.should_stop() {
                return Ok(Outcome::Stopped);
            }
        }
        Ok(Outcome::Finished)
    }

    /// Evaluates the model, or its moving average if there is one, as it is.
    ///
    /// # Errors
    /// If data cannot be loaded.
    pub fn evaluate(&mut self, observer: &mut dyn Observer) -> Result<Option<Evaluation>> {
        let model = match &mut self.average {
            Some(average) => average.model_mut(),
            None => &mut *self.model,
        };
        evaluate(model, &self.val_data, observer)
    }

    /// Takes note of an epoch: record, best weights, checkpoint, next learning rate. The checkpoint comes before the
    /// line in `metrics.jsonl`, which a resume can write again from the checkpoint.
    fn finish_epoch(&mut self, evaluation: Evaluation, observer: &mut dyn Observer) -> Result<()> {
        self.require_finite("the validation loss", evaluation.loss, self.progress.batch)?;
        let lr = self.current_lr();
        let progress = &mut self.progress;
        let images_per_second = progress.meter.samples() as f64 / progress.train_seconds.max(1e-9);
        let record = EpochRecord {
            epoch: progress.epoch + 1,
            train_loss: progress.meter.loss(),
            train_top1: progress.meter.top1(),
            val_loss: evaluation.loss,
            val_top1: evaluation.top1,
            lr,
            train_seconds: round_to_millis(progress.train_seconds),
            eval_seconds: round_to_millis(evaluation.seconds),
            train_images_per_second: (images_per_second * 10.0).round() / 10.0,
        };
        let is_best = record.beats(progress.best());
        if is_best {
            progress.best_epoch = record.epoch;
        }
        progress.history.push(record);
        progress.epoch += 1;
        progress.batch = 0;
        progress.meter = Default::default();
        progress.train_seconds = 0.0;
        self.learning_rate_after_epoch(evaluation.loss);
        if is_best {
            self.save_best(observer)?;
        }
        self.save_last(observer)?;
        if let Some(dir) = &self.run_dir {
            dir.append_metrics(&record)?;
        }
        observer.epoch_finished(&record, &evaluation, is_best);
        if is_best {
            self.best = Some(evaluation);
        }
        Ok(())
    }

    /// Whether the last epochs were no better than the best before them, once too often.
    fn is_out_of_patience(&self) -> bool {
        let since_best = self.progress.epoch - self.progress.best_epoch;
        self.options.patience.is_some_and(|patience| self.progress.epoch > 0 && since_best >= patience)
    }

    /// Whether the steps are made to which the run was limited.
    fn has_made_all_steps(&self) -> bool {
        self.options.max_steps.is_some_and(|steps| self.progress.step >= steps)
    }

    fn require_finite(&self, what: &'static str, value: f64, batch: usize) -> Result<()> {
        if value.is_finite() {
            return Ok(());
        }
        Err(TrainError::NotFinite { what, value, epoch: self.progress.epoch + 1, batch, cause: None })
    }

    /// The model.
    pub fn model(&self) -> &dyn Layer {
        &*self.model
    }

    /// How the trainer trains.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// The data that is trained on.
    pub fn train_data(&self) -> &DataLoader {
        &self.train_data
    }

    /// The data that is evaluated after each epoch.
    pub fn val_data(&self) -> &DataLoader {
        &self.val_data
    }

    /// What the model is.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// How far the run has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What the evaluation of the best epoch found, unless that epoch lies before a resume.
    pub fn best_evaluation(&self) -> Option<&Evaluation> {
        self.best.as_ref()
    }
}

/// Fewer digits than the clock gives, as many as anyone reads.
fn round_to_millis(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
