//! All flags of `cresset train` together.

use super::validate::fraction;
use super::{
    AugmentArgs, DataArgs, EvaluationArgs, FineTuneArgs, OptimizerArgs, RunArgs, ScheduleArgs, file,
};
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Train a model
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrainArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub augment: AugmentArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub finetune: FineTuneArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub optimizer: OptimizerArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub schedule: ScheduleArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub evaluation: EvaluationArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub run: RunArgs,
}

/// What is trained, but not how long and where: the flags of commands that try a training out.
#[derive(Args, Clone, Debug)]
pub struct TrialArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    augment: AugmentArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    finetune: FineTuneArgs,
    #[command(flatten)]
    optimizer: OptimizerArgs,
}

impl TrialArgs {
    /// A training with these flags, and the defaults of all others.
    ///
    /// # Errors
    /// If the defaults are not valid: never.
    pub fn into_train(self) -> Result<TrainArgs> {
        let Self { data, augment, model, finetune, optimizer } = self;
        let defaults = file::layered(&[], &file::Table::new(), "defaults")?;
        Ok(TrainArgs { data, augment, model, finetune, optimizer, ..defaults })
    }
}

/// Which model, and its first weights.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Model; `cresset models` lists them
    #[arg(long, value_name = "NAME", default_value = "cnn")]
    pub model: String,
    /// Start from these weights instead of random ones
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Start the last norm of every residual branch at zero, so that each block starts as the identity
    #[arg(long)]
    pub zero_init_residual: bool,
    /// Probability with which the inputs of the last layer are dropped in training
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true)]
    pub dropout: f64,
}

impl TrainArgs {
    /// Every key a configuration file may have.
    pub fn keys() -> Vec<String> {
        let never = ["config", "resume", "resume-with-changes", "overwrite", "verbose"];
        let command = Self::augment_args(clap::Command::new("train"));
        let longs = command.get_arguments().filter_map(|arg| arg.get_long());
        longs.filter(|key| !never.contains(key)).map(str::to_owned).collect()
    }

    /// Checks every range and how the flags fit each other.
    ///
    /// # Errors
    /// The first flag that is out of its range.
    pub fn validate(&self) -> Result<()> {
        self.data.validate()?;
        self.augment.validate()?;
        fraction("--dropout", self.model.dropout)?;
        self.finetune.validate()?;
        self.evaluation.validate()?;
        self.optimizer.validate()?;
        self.schedule.validate(self.optimizer.epochs, self.optimizer.lr)?;
        self.run.validate()
    }
}
