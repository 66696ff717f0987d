//! `cresset bench`

use crate::config::RuntimeArgs;
use crate::config::validate::{UsageError, count};
use crate::ui::number::thousands;
use crate::ui::output;
use anyhow::Result;
use clap::{Args, ValueEnum};
use cresset_nn::optim::{Optimizer, Sgd, SgdOptions};
use cresset_nn::{Forward, Layer, ModuleExt};
use cresset_tensor::ops::{CrossEntropyOptions, cross_entropy};
use cresset_tensor::{Array, Generator, Tensor, no_grad};
use cresset_vision::models;
use serde::Serialize;
use std::process::ExitCode;
use std::time::Instant;

/// Time a model on one synthetic batch
#[derive(Args)]
pub struct BenchArgs {
    /// Model; `cresset models` lists them
    model: String,
    /// What to time
    #[arg(long, value_name = "MODE", default_value = "train")]
    mode: Mode,
    /// Images in the batch
    #[arg(short, long, visible_alias = "batch-size", value_name = "N", default_value_t = 64)]
    batch: usize,
    /// Steps before the clock starts
    #[arg(long, value_name = "W", default_value_t = 5)]
    warmup: usize,
    /// Steps that are timed; the median counts
    #[arg(long, value_name = "S", default_value_t = 20)]
    steps: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// Forward, cross entropy, backward, SGD with momentum
    Train,
    /// Forward in evaluation mode, without gradients
    Infer,
}

/// The fields are those of `pytorch_step.py`, so that both can be read by one script.
#[derive(Serialize)]
struct Report {
    engine: String,
    model: &'static str,
    mode: Mode,
    batch: usize,
    options: [&'static str; 0],
    threads: usize,
    ms_per_step: f64,
    images_per_second: f64,
    peak_rss_mib: Option<u64>,
    page_faults_per_step: Option<f64>,
}

/// What the timed steps took.
struct Timing {
    median_ms: f64,
    page_faults_per_step: Option<f64>,
}

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    count("--batch", args.batch, 1..=1 << 20)?;
    count("--warmup", args.warmup, 0..=1_000_000)?;
    count("--steps", args.steps, 1..=1_000_000)?;
    let entry = models::find(&args.model).map_err(|error| UsageError(error.to_string()))?;
    args.runtime.apply()?;
    let mut rng = Generator::new(0);
    let mut model = entry.build(&entry.default_config(), &mut rng)?;
    let [channels, height, width] = entry.input;
    let shape = [args.batch, channels, height, width];
    let images = Tensor::constant(Array::from_channels_last(
        (0..shape.iter().product()).map(|_| rng.normal()).collect(),
        shape,
    ));
    let Timing { median_ms: ms, page_faults_per_step } = match args.mode {
        Mode::Train => {
            let labels =
                (0..args.batch).map(|_| rng.below(entry.num_classes as u64) as i64).collect::<Vec<_>>();
            time_training(&mut *model, &images, &Tensor::from_i64(labels, [args.batch]), args)
        }
        Mode::Infer => {
            model.eval();
            time(args, || no_grad(|| drop(model.forward(&images))))
        }
    };
    let report = Report {
        engine: format!("cresset {}", env!("CARGO_PKG_VERSION")),
        model: entry.name,
        mode: args.mode,
        batch: args.batch,
        options: [],
        threads: args.runtime.threads(),
        ms_per_step: (ms * 1e3).round() / 1e3,
        images_per_second: (args.batch as f64 / ms * 1e5).round() / 1e2,
        peak_rss_mib: peak_rss_mib(),
        page_faults_per_step,
    };
    if args.json {
        output::json(&report)?;
    } else {
        let memory =
            report.peak_rss_mib.map_or(String::new(), |mib| format!(", {} MiB at most", thousands(mib)));
        let faults = page_faults_per_step.map_or(String::new(), |n| format!(", {n:.1} page faults a step"));
        output::text(&format!(
            "{} {} of {} images on {} threads: {:.2} ms a step (median of {}), {:.0} images/s{memory}{faults}\n",
            report.model,
            if args.mode == Mode::Train { "training" } else { "inference" },
            report.batch,
            report.threads,
            ms,
            args.steps,
            report.images_per_second,
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn time_training(model: &mut dyn Layer, images: &Tensor, labels: &Tensor, args: &BenchArgs) -> Timing {
    model.train();
    let options = SgdOptions { lr: 0.01, momentum: 0.9, ..Default::default() };
    let mut optimizer = Sgd::new(model.named_parameters(), options);
    time(args, || {
        optimizer.zero_grad();
        let loss = cross_entropy(&model.forward(images), labels, &CrossEntropyOptions::default());
        loss.backward();
        optimizer.step();
        loss.item();
    })
}

fn time(args: &BenchArgs, mut step: impl FnMut()) -> Timing {
    (0..args.warmup).for_each(|_| step());
    let faults = page_faults();
    let mut times: Vec<f64> = (0..args.steps)
        .map(|_| {
            let start = Instant::now();
            step();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let faults = page_faults().zip(faults).map(|(after, before)| (after - before) as f64);
    times.sort_by(f64::total_cmp);
    let (low, high) = (times[(times.len() - 1) / 2], times[times.len() / 2]);
    Timing { median_ms: (low + high) / 2.0, page_faults_per_step: faults.map(|n| n / args.steps as f64) }
}

/// How often the process touched a page that was not mapped yet, where the system tells (`ru_minflt`).
fn page_faults() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name may hold anything, so fields are counted from its closing parenthesis.
    stat.rsplit_once(')')?.1.split_whitespace().nth(7)?.parse().ok()
}

/// The most memory the process ever had, where the system tells.
fn peak_rss_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024)
}
