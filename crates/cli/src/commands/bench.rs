//! `cresset bench`

use super::scaling;
use super::synthetic::{Mode, Synthetic, median, time_ms};
use crate::config::RuntimeArgs;
use crate::config::validate::count;
use crate::ui::number::thousands;
use crate::ui::output;
use anyhow::Result;
use clap::Args;
use cresset_kernels::conv2d;
use cresset_kernels::simd::isa;
use serde::Serialize;
use std::process::ExitCode;

/// Time a model on one synthetic batch
#[derive(Args)]
#[command(after_help = "Environment:
  CRESSET_ISA  Instruction set of all kernels: avx512-bf16, avx512, avx2, neon or scalar
               [default: the best the processor has]")]
pub struct BenchArgs {
    /// Model; `cresset models` lists them
    model: String,
    /// What to time
    #[arg(long, value_name = "MODE", default_value = "train")]
    mode: Mode,
    /// Images in the batch
    #[arg(short, long, visible_alias = "batch-size", value_name = "N", default_value_t = 64)]
    batch: usize,
    /// Height and width of the images [default: what the model was designed for]
    #[arg(long, value_name = "N")]
    img_size: Option<usize>,
    /// Train in mixed precision: activations as bfloat16, computed in float32
    #[arg(long)]
    amp: bool,
    /// Steps before the clock starts
    #[arg(long, value_name = "W", default_value_t = 5)]
    warmup: usize,
    /// Steps that are timed; the median counts
    #[arg(long, value_name = "S", default_value_t = 20)]
    steps: usize,
    /// Time blocks of steps with 1, 2, 4, ... up to --threads threads in turn, and print the speed-up
    #[arg(long)]
    scaling: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// The fields are those of `bench/torch_step.py`, so that both can be read by one script.
#[derive(Serialize)]
struct Report {
    engine: String,
    model: &'static str,
    mode: Mode,
    batch: usize,
    options: Vec<&'static str>,
    isa: &'static str,
    threads: usize,
    ms_per_step: f64,
    images_per_second: f64,
    peak_rss_mib: Option<u64>,
    page_faults_per_step: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scaling: Vec<scaling::Row>,
}

/// What the timed steps took.
struct Timing {
    median_ms: f64,
    page_faults_per_step: Option<f64>,
}

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    count("--warmup", args.warmup, 0..=1_000_000)?;
    count("--steps", args.steps, 1..=1_000_000)?;
    args.runtime.apply()?;
    let mut work = Synthetic::new(&args.model, args.mode, args.batch, args.img_size, args.amp)?;
    let threads = args.runtime.threads();
    let scaling =
        if args.scaling { scaling::measure(&mut work, threads, args.warmup, args.steps)? } else { vec![] };
    let Timing { median_ms: ms, page_faults_per_step } = match scaling.last() {
        Some(row) => Timing { median_ms: row.ms_per_step, page_faults_per_step: None },
        None => time(&mut work, args.warmup, args.steps),
    };
    let report = Report {
        engine: format!("cresset {}", env!("CARGO_PKG_VERSION")),
        model: work.name,
        mode: args.mode,
        batch: args.batch,
        options: [("exact-conv", conv2d::exact()), ("amp", args.amp)]
            .into_iter()
            .filter_map(|(option, on)| on.then_some(option))
            .collect(),
        isa: isa().name(),
        threads,
        ms_per_step: (ms * 1e3).round() / 1e3,
        images_per_second: (args.batch as f64 / ms * 1e5).round() / 1e2,
        peak_rss_mib: peak_rss_mib(),
        page_faults_per_step,
        scaling,
    };
    if args.json {
        output::json(&report)?;
    } else {
        output::text(&render(&report, args.steps))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn render(report: &Report, steps: usize) -> String {
    let memory = report.peak_rss_mib.map_or(String::new(), |mib| format!(", {} MiB at most", thousands(mib)));
    let faults =
        report.page_faults_per_step.map_or(String::new(), |n| format!(", {n:.1} page faults a step"));
    let line = format!(
        "{} {} of {} images on {} threads: {:.2} ms a step (median of {steps}), {:.0} images/s{memory}{faults}\n",
        report.model,
        report.mode.noun(),
        report.batch,
        report.threads,
        report.ms_per_step,
        report.images_per_second,
    );
    if report.scaling.is_empty() { line } else { format!("{line}\n{}", scaling::render(&report.scaling)) }
}

fn time(work: &mut Synthetic, warmup: usize, steps: usize) -> Timing {
    (0..warmup).for_each(|_| work.step());
    let faults = page_faults();
    let times = (0..steps).map(|_| time_ms(|| work.step())).collect();
    let faults = page_faults().zip(faults).map(|(after, before)| (after - before) as f64);
    Timing { median_ms: median(times), page_faults_per_step: faults.map(|n| n / steps as f64) }
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
