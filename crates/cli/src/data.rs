//! Data sets by name.

use crate::config::validate::UsageError;
use crate::ui::download::DownloadBar;
use anyhow::{Result, bail};
use cresset_train::checkpoint::Preprocessing;
use cresset_vision::datasets::download::Fetch;
use cresset_vision::datasets::mnist::{FASHION_MNIST, MNIST, MnistFamily};
use cresset_vision::datasets::{Dataset, InMemory, Split, digits, stats};
use std::path::Path;
use std::sync::Arc;

/// The names that `--data` takes.
const NAMES: [&str; 3] = ["digits", "mnist", "fashion-mnist"];

/// Where a data set comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// One of the names that `--data` takes.
    pub name: &'a str,
    /// The folder with its files.
    pub dir: &'a Path,
    /// Whether missing files may be downloaded.
    pub download: bool,
}

/// Loads one split of a data set.
///
/// # Errors
/// If there is no data set of this name, or its files are missing or damaged.
pub fn load(source: Source<'_>, split: Split) -> Result<Arc<InMemory>> {
    let from_files = |family: &MnistFamily| {
        let bar = DownloadBar::default();
        let progress = |progress: cresset_vision::datasets::download::Progress<'_>| bar.show(&progress);
        let fetch = Fetch { allowed: source.download, mirror: None, progress: Some(&progress) };
        family.load(source.dir, split, &fetch)
    };
    Ok(Arc::new(match source.name {
        "digits" => digits::load(split)?,
        "mnist" => from_files(&MNIST)?,
        "fashion-mnist" => from_files(&FASHION_MNIST)?,
        name => bail!(UsageError(format!("--data is {name:?}, allowed: {}", NAMES.join(", ")))),
    }))
}

/// What is done to the images of a data set before they enter a model, unless flags say otherwise.
///
/// # Errors
/// If the images cannot be read.
pub fn preprocessing(name: &str, train: &InMemory) -> Result<Preprocessing> {
    let [height, width, channels] = train.shape();
    let (mean, std) = match name {
        // The figures that everyone uses.
        "mnist" => (vec![0.1307], vec![0.3081]),
        "fashion-mnist" => (vec![0.2860], vec![0.3530]),
        _ => {
            let found = stats(train, 1)?;
            (rounded(&found.mean), rounded(&found.std))
        }
    };
    Ok(Preprocessing { input: [channels, height, width], mean, std, resize: None })
}

/// To four digits, so that what is printed and saved is what is used. A channel that never varies is not divided.
fn rounded(values: &[f64]) -> Vec<f32> {
    let round = |v: f64| ((v * 1e4).round() / 1e4) as f32;
    values.iter().map(|&v| round(v)).collect()
}

/// Refuses data whose classes are not the model's.
///
/// # Errors
/// If the names differ.
pub fn require_classes(model: &[String], data: &dyn Dataset, name: &str) -> Result<()> {
    if model == data.classes() {
        return Ok(());
    }
    let some = |classes: &[String]| {
        let shown = classes.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        format!("{} classes ({shown}{})", classes.len(), if classes.len() > 3 { ", …" } else { "" })
    };
    bail!(
        "the model was trained on {}, {name} has {}; choose the data set the model is for",
        some(model),
        some(data.classes())
    )
}
