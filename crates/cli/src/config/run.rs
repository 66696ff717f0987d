//! Flags about the run as a whole: where it goes, from where it starts, what it may use.

use super::RuntimeArgs;
use super::validate::refuse;
use anyhow::Result;
use clap::Args;
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
    /// Also write last.safetensors every N steps, not only after each epoch
    #[arg(long, value_name = "N")]
    pub checkpoint_every: Option<u64>,
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
        if self.checkpoint_every == Some(0) {
            refuse::<()>("--checkpoint-every", 0, "whole numbers of steps from 1 up")?;
        }
        Ok(())
    }
}
