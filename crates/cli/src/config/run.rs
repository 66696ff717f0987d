//! Flags about the run as a whole: where it goes, from where it starts, what it may use.

use super::RuntimeArgs;
use super::validate::{count, refuse, whole};
use anyhow::Result;
use clap::Args;
use cresset_train::checkpoint::CheckpointEvery;
use serde::Serialize;
use std::path::PathBuf;

/// Where a run goes and where it starts.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// Seed of weights, order and augmentation [default: a random one, printed and saved]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    #[command(flatten)]
    #[serde(flatten)]
    pub runtime: RuntimeArgs,
    /// Also write last.safetensors every N steps, or so often (90s, 10m, 2h), not only after each epoch
    #[arg(long, value_name = "N|TIME")]
    pub checkpoint_every: Option<CheckpointEvery>,
    /// Keep the newest K checkpoints, as step-N.safetensors, rather than only last.safetensors
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = whole, allow_negative_numbers = true)]
    pub keep: usize,
    /// Stop after N steps in all, as if interrupted; --resume goes on
    #[arg(long, value_name = "N", value_parser = whole, allow_negative_numbers = true)]
    pub max_steps: Option<usize>,
    /// Look at the result of every op, and stop at the first NaN or infinity; slower. Loss and gradients are always
    /// looked at
    #[arg(long)]
    pub detect_anomaly: bool,
    /// Folder for everything the run writes [default: runs/DATA-MODEL-1, -2, ...]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing)]
    pub output_dir: Option<PathBuf>,
    /// Replace a run that is already in --output-dir
    #[arg(long)]
    #[serde(skip)]
    pub overwrite: bool,
    /// Go on with an interrupted run: its folder or a checkpoint in it
    #[arg(long, value_name = "DIR|FILE", conflicts_with_all = ["output_dir", "overwrite"])]
    #[serde(skip)]
    pub resume: Option<PathBuf>,
    /// Let --resume change options that change the result
    #[arg(long, requires = "resume")]
    #[serde(skip)]
    pub resume_with_changes: bool,
    /// Read options from a TOML file; its keys are the flags without dashes, and flags win
    #[arg(short, long, value_name = "FILE", conflicts_with = "resume")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

impl RunArgs {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        self.runtime.validate()?;
        // TOML's integers are signed.
        if let Some(seed) = self.seed.filter(|&seed| i64::try_from(seed).is_err()) {
            refuse::<()>("--seed", seed, &format!("whole numbers from 0 to {}", i64::MAX))?;
        }
        count("--keep", self.keep, 1..=1_000_000)?;
        self.max_steps.map_or(Ok(()), |steps| count("--max-steps", steps, 1..=1_000_000_000_000).map(drop))
    }
}
