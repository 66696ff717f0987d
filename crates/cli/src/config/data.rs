//! Flags about the data.

use super::validate::{self, UsageError};
use crate::data::SourceArgs;
use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;

/// Which data, and how they are loaded.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub source: SourceArgs,
    /// Threads that load and transform images ahead of time; with 0 the threads that compute do it between two steps
    /// [default: one a core, at most 4; 0 if all images are in memory and no --auto-augment changes them]
    #[arg(short = 'j', long, value_name = "N")]
    pub workers: Option<usize>,
    /// Leave out images that cannot be read, and list them at the end, instead of stopping at the first
    #[arg(long)]
    pub skip_broken: bool,
    /// Mean of each channel for normalization, 0 to 1 [default: the data set's]
    #[arg(long, value_name = "X", value_delimiter = ',')]
    pub mean: Option<Vec<f32>>,
    /// Standard deviation of each channel for normalization [default: the data set's]
    #[arg(long, value_name = "X", value_delimiter = ',')]
    pub std: Option<Vec<f32>>,
}

impl DataArgs {
    /// Checks what can be checked before any file is opened.
    pub fn validate(&self) -> Result<()> {
        if let Some(workers) = self.workers {
            validate::count("--workers", workers, 0..=256)?;
        }
        if self.mean.is_some() != self.std.is_some() {
            bail!(UsageError("--mean and --std go together: give both or neither".into()));
        }
        for &mean in self.mean.iter().flatten() {
            if !(0.0..=1.0).contains(&mean) {
                validate::refuse::<()>("--mean", mean, "0 to 1 (divide values in bytes by 255)")?;
            }
        }
        for &std in self.std.iter().flatten() {
            validate::shrinking("--std", f64::from(std))?;
        }
        Ok(())
    }

    /// Loader threads. `cheap`: a batch takes less time than handing it from thread to thread, while the model uses
    /// all cores.
    pub fn workers(&self, cheap: bool) -> usize {
        let default = || match cheap {
            true => 0,
            false => std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
        };
        self.workers.unwrap_or_else(default)
    }
}
