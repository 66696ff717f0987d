//! From flags and a TOML file to a configuration that is known to make sense.
//!
//! Each file holds one group of flags of `cresset train`: the raw flags with their defaults, and their check. The
//! same structs are read from `--config FILE.toml` and written to a run's `config.toml`, so a key in a file is a
//! flag without its dashes.

mod augment;
mod data;
mod evaluation;
pub mod file;
mod finetune;
mod optimizer;
#[cfg(test)]
mod recipes;
mod run;
mod runtime;
mod schedule;
mod train;
pub mod validate;

pub use augment::AugmentArgs;
pub use data::DataArgs;
pub use evaluation::EvaluationArgs;
pub use finetune::FineTuneArgs;
pub use optimizer::{OptimizerArgs, OptimizerKind};
pub use run::RunArgs;
pub use runtime::RuntimeArgs;
pub use schedule::{ScheduleArgs, SchedulerKind};
pub use train::{TrainArgs, TrialArgs};
