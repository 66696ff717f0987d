//! Flags about the data.

use super::validate;
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Which data, and how they are loaded.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Data set: digits (built in), mnist, fashion-mnist
    #[arg(long, value_name = "NAME", default_value = "digits")]
    pub data: String,
    /// Folder in which the files of a data set are, or are put when downloaded
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// Never use the network: missing files are an error
    #[arg(long)]
    pub no_download: bool,
    /// Threads that load and transform images; 0 uses the training thread [default: one a core, at most 4]
    #[arg(short = 'j', long, value_name = "N")]
    pub workers: Option<usize>,
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
            validate::refuse(
                "--mean without --std (or the other way round)",
                "half a normalization",
                "both or none",
            )?;
        }
        Ok(())
    }

    /// Loader threads.
    pub fn workers(&self) -> usize {
        self.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get().min(4)))
    }
}
