//! Flags of every command that computes.

use super::validate::count;
use anyhow::{Context, Result};
use clap::{ArgAction, Args};
use cresset_kernels::conv2d::set_exact;
use serde::Serialize;

/// What a command may use, and how much it says.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RuntimeArgs {
    /// Threads that compute; results do not depend on it [default: one a core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Convolve without Winograd's and Strassen's algorithms, which are faster and round a little more
    #[arg(long)]
    pub exact_conv: bool,
    /// Say more; twice for debugging
    #[arg(short, long, action = ArgAction::Count)]
    #[serde(skip)]
    pub verbose: u8,
}

impl RuntimeArgs {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        self.threads.map_or(Ok(()), |threads| count("--threads", threads, 1..=1024).map(drop))
    }

    /// Starts the logger and the threads, and chooses the convolutions.
    pub fn apply(&self) -> Result<()> {
        self.validate()?;
        // Without the flag the environment decides.
        if self.exact_conv {
            set_exact(true);
        }
        let level = match self.verbose {
            0 => tracing::Level::WARN,
            1 => tracing::Level::INFO,
            _ => tracing::Level::DEBUG,
        };
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(std::io::stderr)
            .with_target(false)
            .without_time()
            .with_ansi(false)
            .init();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads.unwrap_or(0));
        pool.build_global().context("cannot start the computing threads")
    }

    /// Threads that compute.
    pub fn threads(&self) -> usize {
        rayon::current_num_threads()
    }
}
