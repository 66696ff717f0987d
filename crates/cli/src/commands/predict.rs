//! `cresset predict`

use crate::config::RuntimeArgs;
use crate::config::validate::count;
use crate::ui::number::percent;
use crate::ui::output;
use anyhow::Result;
use clap::Args;
use cresset_train::Classifier;
use cresset_train::metrics::{probabilities, top_k};
use cresset_vision::image::{Color, decode_file};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Classify images
#[derive(Args)]
pub struct PredictArgs {
    /// Weights that `cresset train` wrote
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Images: JPEG, PNG, WebP, BMP, GIF or TIFF, of any size, grey or colour
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// How many classes to name
    #[arg(short = 'k', long, value_name = "K", default_value_t = 5)]
    top_k: usize,
    /// Print JSON: an array with an object for each image
    #[arg(long)]
    json: bool,
    /// With --json: add the raw logits
    #[arg(long, requires = "json")]
    logits: bool,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// The JSON of one image.
#[derive(Serialize)]
struct ImageReport {
    path: String,
    predictions: Vec<Prediction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logits: Option<Vec<f32>>,
}

#[derive(Serialize)]
struct Prediction {
    index: usize,
    label: String,
    probability: f64,
}

/// Images that are in memory at once.
const BATCH: usize = 32;

/// Runs the command.
pub fn run(args: &PredictArgs) -> Result<ExitCode> {
    let k = count("--top-k", args.top_k, 1..=1 << 20)?;
    args.runtime.apply()?;
    let classifier = Classifier::load(&args.weights)?;
    let color = if classifier.card().preprocessing.input[0] == 1 { Color::Gray } else { Color::Rgb };
    let mut reports = Vec::with_capacity(args.images.len());
    for paths in args.images.chunks(BATCH) {
        let images = paths.iter().map(|path| decode_file(path, color)).collect::<Result<Vec<_>, _>>()?;
        for (path, logits) in paths.iter().zip(classifier.logits(&images)?) {
            reports.push(report(path, logits, &classifier.card().classes, k, args.logits));
        }
    }
    if args.json {
        output::json(&reports)?
    } else {
        output::text(&render(&reports))?
    }
    Ok(ExitCode::SUCCESS)
}

fn report(path: &std::path::Path, logits: Vec<f32>, classes: &[String], k: usize, keep: bool) -> ImageReport {
    let probabilities = probabilities(&logits);
    let predictions = top_k(&logits, k)
        .into_iter()
        .map(|index| Prediction { index, label: classes[index].clone(), probability: probabilities[index] })
        .collect();
    ImageReport { path: path.display().to_string(), predictions, logits: keep.then_some(logits) }
}

fn render(reports: &[ImageReport]) -> String {
    let mut out = String::new();
    for ImageReport { path, predictions, .. } in reports {
        let said: Vec<_> =
            predictions.iter().map(|p| format!("{} ({})", p.label, percent(p.probability))).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{path}: {}", said.join(", "));
    }
    out
}
