//! `cresset stats`

use crate::config::RuntimeArgs;
use crate::data::{SourceArgs, SplitArg};
use crate::ui::number::thousands;
use crate::ui::output;
use anyhow::Result;
use clap::Args;
use cresset_vision::datasets::stats;
use serde::Serialize;
use std::process::ExitCode;

/// Measure mean and standard deviation of a data set, for normalization
#[derive(Args)]
pub struct StatsArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Which part of the data
    #[arg(long, value_name = "NAME", default_value = "train")]
    split: SplitArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

#[derive(Serialize)]
struct Stats {
    mean: Vec<f64>,
    std: Vec<f64>,
    images: usize,
    pixels: u64,
    classes: Vec<ClassCount>,
}

#[derive(Serialize)]
struct ClassCount {
    label: String,
    images: u64,
}

/// Runs the command.
pub fn run(args: &StatsArgs) -> Result<ExitCode> {
    args.runtime.apply()?;
    let dataset = args.source.open_split(args.split)?;
    let found = stats(&*dataset, args.runtime.threads())?;
    let mut counts = vec![0; dataset.classes().len()];
    for index in 0..dataset.len() {
        counts[dataset.label(index)? as usize] += 1;
    }
    let classes = dataset
        .classes()
        .iter()
        .zip(counts)
        .map(|(label, images)| ClassCount { label: label.clone(), images });
    let stats = Stats {
        mean: found.mean,
        std: found.std,
        images: found.images,
        pixels: found.pixels,
        classes: classes.collect(),
    };
    if args.json {
        output::json(&stats)?;
    } else {
        let numbers =
            |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(", ");
        let few = stats.classes.iter().map(|class| class.images).min().unwrap_or(0);
        let many = stats.classes.iter().map(|class| class.images).max().unwrap_or(0);
        output::text(&format!(
            "images   {}\nmean     {}\nstd      {}\nclasses  {}, of {} to {} images\n",
            thousands(stats.images as u64),
            numbers(&stats.mean),
            numbers(&stats.std),
            stats.classes.len(),
            thousands(few),
            thousands(many),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
