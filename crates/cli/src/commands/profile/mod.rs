//! `cresset profile`

mod chrome;
mod report;
mod rows;

use super::synthetic::{Mode, Synthetic};
use crate::config::RuntimeArgs;
use crate::config::validate::count;
use crate::ui::output;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use cresset_tensor::profile::{self, Event};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Show where the time of a step goes, by layer and pass
#[derive(Args)]
#[command(after_help = "Environment:
  CRESSET_ISA  Instruction set of all kernels: avx512-bf16, avx512, avx2, neon or scalar
               [default: the best the processor has]")]
pub struct ProfileArgs {
    /// Model; `cresset models` lists them
    model: String,
    /// What a step is
    #[arg(long, value_name = "MODE", default_value = "train")]
    mode: Mode,
    /// Images in the batch
    #[arg(short, long, visible_alias = "batch-size", value_name = "N", default_value_t = 16)]
    batch: usize,
    /// Height and width of the images [default: what the model was designed for]
    #[arg(long, value_name = "N")]
    img_size: Option<usize>,
    /// Train in mixed precision: activations as bfloat16, computed in float32
    #[arg(long)]
    amp: bool,
    /// Steps before the profile
    #[arg(long, value_name = "W", default_value_t = 2)]
    warmup: usize,
    /// Steps that are profiled; medians count
    #[arg(long, value_name = "S", default_value_t = 5)]
    steps: usize,
    /// Order of the table
    #[arg(long, value_name = "ORDER", default_value = "model")]
    sort: Sort,
    /// Write every event of the profiled steps as a Chrome trace, for chrome://tracing or ui.perfetto.dev
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// As the model computes
    Model,
    /// Longest first
    Time,
}

/// A profiled step.
struct Step {
    /// Since the first one began.
    start: Duration,
    time: Duration,
    events: Vec<Event>,
}

/// Runs the command.
pub fn run(args: &ProfileArgs) -> Result<ExitCode> {
    count("--warmup", args.warmup, 0..=1_000_000)?;
    count("--steps", args.steps, 1..=10_000)?;
    args.runtime.apply()?;
    let mut work = Synthetic::new(&args.model, args.mode, args.batch, args.img_size, args.amp)?;
    (0..args.warmup).for_each(|_| work.step());
    let origin = Instant::now();
    let steps: Vec<Step> = (0..args.steps)
        .map(|_| {
            let start = origin.elapsed();
            let ((), events) = profile::record(|| work.step());
            Step { start, time: origin.elapsed() - start, events }
        })
        .collect();
    if let Some(path) = &args.trace {
        let trace = chrome::trace(&format!("cresset profile {}", work.name), &steps);
        let text = serde_json::to_string(&trace)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let report = report::Report::new(&work, args.mode, &steps, args.sort);
    if args.json {
        output::json(&report)?;
    } else {
        output::text(&report.render())?;
    }
    Ok(ExitCode::SUCCESS)
}
