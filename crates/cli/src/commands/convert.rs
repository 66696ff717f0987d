//! `cresset convert`

use crate::config::validate::UsageError;
use crate::ui::number::{mebibytes, thousands};
use crate::ui::output;
use anyhow::{Result, bail};
use clap::Args;
use cresset_nn::weights;
use cresset_train::checkpoint::split_training;
use std::path::PathBuf;
use std::process::ExitCode;

/// Convert weights between .safetensors and PyTorch's .pth
#[derive(Args)]
pub struct ConvertArgs {
    /// Weights: .safetensors, .pth or .pt
    #[arg(value_name = "IN")]
    from: PathBuf,
    /// Where to write them; the ending says in which format
    #[arg(value_name = "OUT")]
    to: PathBuf,
    /// Replace OUT if it exists
    #[arg(long)]
    overwrite: bool,
}

/// Metadata that tells of things beside the weights, and of their checksum together with those.
const TRAINING_ONLY: [&str; 2] = ["cresset.training", "cresset.checksum"];

/// Runs the command.
pub fn run(args: &ConvertArgs) -> Result<ExitCode> {
    let ConvertArgs { from, to, overwrite } = args;
    let ending = to.extension().and_then(|ending| ending.to_str());
    if !matches!(ending, Some("safetensors" | "pth" | "pt")) {
        bail!(UsageError(format!(
            "OUT is {}, allowed: names that end in .safetensors, .pth or .pt",
            to.display()
        )));
    }
    if to.exists() && !overwrite {
        bail!(UsageError(format!("{} exists; replace it with --overwrite, or name another", to.display())));
    }
    let mut weights = weights::load(from)?;
    let before = weights.tensors.len();
    split_training(&mut weights.tensors);
    if weights.tensors.len() < before {
        // Without the training state the checksum is another one, and resuming is impossible.
        weights.metadata.retain(|key, _| !TRAINING_ONLY.contains(&key.as_str()));
    }
    weights::save(to, &weights.tensors, &weights.metadata)?;
    let numbers: usize = weights.tensors.values().map(cresset_tensor::Array::numel).sum();
    let size = std::fs::metadata(to).map_or(0, |file| file.len());
    output::text(&format!(
        "{}: {} tensors, {} numbers, {}\n",
        to.display(),
        weights.tensors.len(),
        thousands(numbers as u64),
        mebibytes(size)
    ))?;
    Ok(ExitCode::SUCCESS)
}
