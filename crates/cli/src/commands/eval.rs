//! `cresset eval`

use crate::config::RuntimeArgs;
use crate::config::validate::count;
use crate::data::{self, SourceArgs, SplitArg};
use crate::ui::number::{duration, percent, thousands};
use crate::ui::output;
use crate::ui::table::{Align, table};
use anyhow::Result;
use clap::Args;
use cresset_train::{Classifier, Evaluation, evaluate};
use cresset_vision::loader::{DataLoader, LoaderOptions};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure loss and accuracy of trained weights
#[derive(Args)]
pub struct EvalArgs {
    /// Weights that `cresset train` wrote: best.safetensors or last.safetensors
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[command(flatten)]
    source: SourceArgs,
    /// Which part of the data
    #[arg(long, value_name = "NAME", default_value = "test")]
    split: SplitArg,
    /// Images in a batch; changes speed and memory only
    #[arg(short, long, value_name = "N", default_value_t = 64)]
    batch_size: usize,
    /// Threads that load images; 0 uses the computing thread
    #[arg(short = 'j', long, value_name = "N", default_value_t = 1)]
    workers: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// The JSON of an evaluation. Accuracies are shares from 0 to 1.
#[derive(Serialize)]
struct Report<'a> {
    loss: f64,
    top1: f64,
    top5: f64,
    images: u64,
    seconds: f64,
    per_class: Vec<ClassReport<'a>>,
}

#[derive(Serialize)]
struct ClassReport<'a> {
    index: usize,
    label: &'a str,
    images: u64,
    /// Absent from the data: null.
    top1: Option<f64>,
}

/// Runs the command.
pub fn run(args: &EvalArgs) -> Result<ExitCode> {
    let batch_size = count("--batch-size", args.batch_size, 1..=1 << 20)?;
    let workers = count("--workers", args.workers, 0..=256)?;
    args.runtime.apply()?;
    let mut classifier = Classifier::load(&args.weights)?;
    let dataset = args.source.open_split(args.split)?;
    data::require_classes(&classifier.card().classes, &*dataset, &args.source.data)?;
    let options = LoaderOptions { batch_size, workers, ..Default::default() };
    let loader = DataLoader::new(dataset, classifier.pipeline().clone(), options)?;
    let evaluation = evaluate(classifier.model_mut(), &loader, &mut ())?.expect("nobody asked to stop");
    let report = report(&evaluation, &classifier.card().classes);
    if args.json {
        output::json(&report)?
    } else {
        output::text(&render(&report))?
    }
    Ok(ExitCode::SUCCESS)
}

fn report<'a>(evaluation: &Evaluation, classes: &'a [String]) -> Report<'a> {
    let per_class = evaluation.confusion.per_class().into_iter().zip(classes);
    Report {
        loss: evaluation.loss,
        top1: evaluation.top1,
        top5: evaluation.top5,
        images: evaluation.images,
        seconds: evaluation.seconds,
        per_class: per_class
            .map(|(c, label)| ClassReport { index: c.class, label, images: c.images, top1: c.top1() })
            .collect(),
    }
}

fn render(report: &Report<'_>) -> String {
    let rows: Vec<_> = report
        .per_class
        .iter()
        .map(|c| [c.label.to_owned(), thousands(c.images), c.top1.map_or("-".into(), percent)])
        .collect();
    let head = [("class", Align::Left), ("images", Align::Right), ("top-1", Align::Right)];
    format!(
        "loss    {:.4}\ntop-1   {}\ntop-5   {}\nimages  {} in {}\n\n{}",
        report.loss,
        percent(report.top1),
        percent(report.top5),
        thousands(report.images),
        duration(report.seconds),
        table(head, &rows),
    )
}
