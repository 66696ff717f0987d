//! `cresset preview`

use crate::config::AugmentArgs;
use crate::config::validate::{UsageError, count};
use crate::data::SourceArgs;
use crate::ui::output;
use anyhow::Result;
use clap::Args;
use cresset_vision::image::write_png;
use cresset_vision::models;
use cresset_vision::preview::preview;
use std::path::PathBuf;
use std::process::ExitCode;

/// Draw a grid of training images as the model will see them, with their labels
#[derive(Args)]
pub struct PreviewArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    augment: AugmentArgs,
    /// Model whose image size is used for folders; `cresset models` lists them
    #[arg(long, value_name = "NAME", default_value = "resnet18")]
    model: String,
    /// Where to write the picture
    #[arg(short, long, value_name = "FILE.png", default_value = "grid.png")]
    out: PathBuf,
    /// Rows of the grid
    #[arg(long, value_name = "N", default_value_t = 4)]
    rows: usize,
    /// Columns of the grid
    #[arg(long, value_name = "N", default_value_t = 8)]
    columns: usize,
    /// Which images, and what happens to them
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Runs the command.
pub fn run(args: &PreviewArgs) -> Result<ExitCode> {
    count("--rows", args.rows, 1..=100)?;
    count("--columns", args.columns, 1..=100)?;
    args.augment.validate()?;
    let entry = models::find(&args.model).map_err(|error| UsageError(error.to_string()))?;
    let splits = args.source.open()?;
    let mut preprocessing = args.source.preprocessing(&splits, entry.input)?;
    args.augment.resize(&args.source, &splits, &mut preprocessing)?;
    let pipeline = args.augment.train_pipeline(&args.source, &preprocessing)?;
    let grid = preview(&*splits.train, pipeline.images(), args.rows, args.columns, args.seed)?;
    write_png(&grid, &args.out)?;
    output::text(&format!(
        "{}: {} images, {}x{} pixels\n",
        args.out.display(),
        args.rows * args.columns,
        grid.width(),
        grid.height()
    ))?;
    Ok(ExitCode::SUCCESS)
}
