//! `cresset stats`

use crate::config::RuntimeArgs;
use crate::data::{self, Source};
use crate::ui::number::{shape, thousands};
use crate::ui::output;
use anyhow::Result;
use clap::{Args, ValueEnum};
use cresset_vision::datasets::{Dataset, Split, stats};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure mean and standard deviation of a data set, for normalization
#[derive(Args)]
pub struct StatsArgs {
    /// Data set
    #[arg(long, value_name = "NAME", default_value = "digits")]
    data: String,
    /// Folder with the files of the data set
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Never use the network: missing files are an error
    #[arg(long)]
    no_download: bool,
    /// Which part of the data
    #[arg(long, value_name = "NAME", default_value = "train")]
    split: SplitArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// A part of a data set.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitArg {
    Train,
    Test,
}

impl From<SplitArg> for Split {
    fn from(split: SplitArg) -> Self {
        match split {
            SplitArg::Train => Split::Train,
            SplitArg::Test => Split::Test,
        }
    }
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
    let source = Source { name: &args.data, dir: &args.data_dir, download: !args.no_download };
    let dataset = data::load(source, args.split.into())?;
    let found = stats(&*dataset, args.runtime.threads())?;
    let mut counts = vec![0; dataset.classes().len()];
    for &label in dataset.labels() {
        counts[label as usize] += 1;
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
        let [height, width, channels] = dataset.shape();
        let numbers =
            |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(", ");
        let few = stats.classes.iter().map(|class| class.images).min().unwrap_or(0);
        let many = stats.classes.iter().map(|class| class.images).max().unwrap_or(0);
        output::text(&format!(
            "images   {} of {}\nmean     {}\nstd      {}\nclasses  {}, of {} to {} images\n",
            thousands(stats.images as u64),
            shape(&[channels, height, width]),
            numbers(&stats.mean),
            numbers(&stats.std),
            stats.classes.len(),
            thousands(few),
            thousands(many),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
