//! Training, evaluation and checkpoints.
//!
//! A library without a command line or a terminal: [`Trainer`] tells an [`Observer`] what happens. Results do not
//! depend on the number of threads or loader workers, nor on interruptions: a run that is stopped and resumed ends
//! with the same bits as one that is not.

pub mod checkpoint;
mod classifier;
pub mod doctor;
mod error;
mod evaluate;
mod freeze;
pub mod metrics;
mod observer;
mod options;
mod progress;
mod record;
mod run_dir;
mod samples;
mod trainer;

pub use classifier::Classifier;
pub use error::{Result, TrainError};
pub use evaluate::{Evaluation, Example, evaluate};
pub use freeze::Frozen;
pub use observer::{EpochStart, Observer, StepReport};
pub use options::{LrPolicy, TrainOptions};
pub use progress::{PartialStep, PlateauProgress, Progress};
pub use record::EpochRecord;
pub use run_dir::{RunDir, RunLock};
pub use samples::to_tensors;
pub use trainer::{AverageOptions, LrPoint, Outcome, Trainer, steepest};
