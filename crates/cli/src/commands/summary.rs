//! `cresset summary`

use crate::config::validate::{UsageError, count};
use crate::ui::number::{mebibytes, shape, thousands};
use crate::ui::output;
use crate::ui::table::{Align, table};
use anyhow::Result;
use clap::Args;
use cresset_nn::{Layer, ModuleExt};
use cresset_tensor::Generator;
use cresset_tensor::trace::{DryRun, dry_run};
use cresset_vision::models::{self, ModelConfig};
use serde::Serialize;
use std::process::ExitCode;

/// Show a model's layers, output shapes, parameters and multiply-accumulates
#[derive(Args)]
pub struct SummaryArgs {
    /// Model; `cresset models` lists them
    model: String,
    /// Channels, height and width of the images [default: what the model was designed for]
    #[arg(long, value_name = "CxHxW", value_parser = parse_input)]
    input: Option<[usize; 3]>,
    /// Classes to tell apart [default: as many as the model was designed for]
    #[arg(long, value_name = "N")]
    num_classes: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The JSON of a model, for one image.
#[derive(Serialize)]
struct Summary {
    params: usize,
    macs: u64,
    layers: Vec<LayerSummary>,
}

#[derive(Serialize)]
struct LayerSummary {
    name: String,
    kind: &'static str,
    output: Vec<usize>,
    params: usize,
    macs: u64,
}

/// Runs the command.
pub fn run(args: &SummaryArgs) -> Result<ExitCode> {
    let entry = models::find(&args.model).map_err(|error| UsageError(error.to_string()))?;
    let mut config = entry.default_config();
    if let Some([channels, height, width]) = args.input {
        config.in_channels = channels;
        config.input_size = (height, width);
    }
    if let Some(classes) = args.num_classes {
        config.num_classes = count("--num-classes", classes, 1..=1 << 20)?;
    }
    let model = entry.build(&config, &mut Generator::new(0))?;
    let summary = summarize(&*model, &config)?;
    if args.json {
        output::json(&summary)?;
    } else {
        output::text(&render(entry.name, &config, &summary))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn summarize(model: &dyn Layer, config: &ModelConfig) -> Result<Summary> {
    let (height, width) = config.input_size;
    let DryRun { layers, .. } = dry_run([1, config.in_channels, height, width], |x| model.forward(x))?;
    Ok(Summary {
        params: model.num_parameters(),
        macs: layers.iter().map(|layer| layer.macs).sum(),
        layers: layers
            .into_iter()
            .map(|layer| LayerSummary {
                name: layer.name,
                kind: layer.kind,
                output: layer.output.to_vec(),
                params: layer.params,
                macs: layer.macs,
            })
            .collect(),
    })
}

fn render(name: &str, config: &ModelConfig, summary: &Summary) -> String {
    let number = |n: u64| if n == 0 { "-".to_owned() } else { thousands(n) };
    let rows: Vec<_> = summary
        .layers
        .iter()
        .map(|layer| {
            let LayerSummary { name, kind, output, params, macs } = layer;
            [name.clone(), (*kind).to_owned(), shape(output), number(*params as u64), number(*macs)]
        })
        .collect();
    let head = [
        ("layer", Align::Left),
        ("kind", Align::Left),
        ("output", Align::Right),
        ("params", Align::Right),
        ("multiply-adds", Align::Right),
    ];
    let (height, width) = config.input_size;
    let outputs: usize = summary.layers.iter().map(|layer| layer.output.iter().product::<usize>()).sum();
    format!(
        "{name} on {} images, {} classes\n\n{}\nparameters     {} ({})\nmultiply-adds  {} an image\noutputs        {} an image\n",
        shape(&[config.in_channels, height, width]),
        config.num_classes,
        table(head, &rows),
        thousands(summary.params as u64),
        mebibytes(summary.params as u64 * 4),
        thousands(summary.macs),
        mebibytes(outputs as u64 * 4),
    )
}

/// Reads `3x224x224`.
fn parse_input(text: &str) -> Result<[usize; 3], String> {
    let sides: Option<Vec<usize>> = text.split(['x', ',']).map(|side| side.trim().parse().ok()).collect();
    match sides.as_deref() {
        Some(&[c @ 1..=1024, h @ 1..=16384, w @ 1..=16384]) => Ok([c, h, w]),
        _ => {
            Err("expected channels, height and width as 3x224x224, each at least 1, sides at most 16384"
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_three_numbers() {
        assert_eq!(parse_input("3x224x32"), Ok([3, 224, 32]));
        for wrong in ["", "3x224", "0x1x1", "3x-1x2", "1x1x99999", "axbxc", "1x2x3x4"] {
            assert!(parse_input(wrong).is_err(), "{wrong}");
        }
    }
}
