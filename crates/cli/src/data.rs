//! Data sets as the commands want them.

use crate::config::validate::{UsageError, refuse};
use crate::ui::download::DownloadBar;
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use cresset_train::checkpoint::Preprocessing;
use cresset_vision::VisionError;
use cresset_vision::datasets::download::{Fetch, Progress};
use cresset_vision::datasets::{self, DataOptions, Dataset, Splits};
use cresset_vision::image::Color;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which data set.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceArgs {
    /// Data set: digits (built in), mnist, fashion-mnist, cifar10, cifar100, a folder of class folders, or a .tar.gz of one
    #[arg(long, value_name = "NAME|DIR", default_value = "digits", help_heading = "Data")]
    pub data: String,
    /// Folder in which the files of a named data set are, or are put when downloaded
    #[arg(long, value_name = "DIR", default_value = "data", help_heading = "Data")]
    pub data_dir: PathBuf,
    /// Never use the network: missing files are an error
    #[arg(long, help_heading = "Data")]
    pub no_download: bool,
    /// Hold out this share of the training data for validation, in place of the data set's own validation part
    #[arg(long, value_name = "X", help_heading = "Data", allow_negative_numbers = true)]
    pub val_split: Option<f64>,
    /// Keep decoded images of a folder in memory, up to so many MiB
    #[arg(long, value_name = "MIB", default_value_t = 0, help_heading = "Data")]
    pub cache: usize,
}

/// A part of a data set.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitArg {
    /// What models learn from
    Train,
    /// What they are judged by
    Test,
}

/// The mean and standard deviation of ImageNet's colours, which everyone uses for photographs.
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

impl SourceArgs {
    /// Opens both parts of the data set.
    ///
    /// # Errors
    /// If there is no data set of this name, or its files are missing or damaged.
    pub fn open(&self) -> Result<Splits> {
        let bar = DownloadBar::default();
        let progress = |progress: Progress<'_>| bar.show(&progress);
        let fetch = Fetch { allowed: !self.no_download, mirror: None, progress: Some(&progress) };
        if let Some(share) = self.val_split.filter(|&share| !(share > 0.0 && share < 1.0)) {
            refuse::<()>("--val-split", share, "shares between 0 and 1, such as 0.1")?;
        }
        let options = DataOptions {
            dir: self.data_dir.clone(),
            val_split: self.val_split,
            // The same share at every run and in `cresset eval`, whatever the seed of the training.
            seed: 0,
            color: Color::Rgb,
            cache: self.cache.saturating_mul(1 << 20),
            fetch,
        };
        datasets::open(&self.data, &options).map_err(|error| match error {
            VisionError::UnknownDataset { .. } => UsageError(error.to_string()).into(),
            other => other.into(),
        })
    }

    /// Opens one part of the data set.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if there is no such part.
    pub fn open_split(&self, split: SplitArg) -> Result<Arc<dyn Dataset>> {
        let splits = self.open()?;
        match split {
            SplitArg::Train => Ok(splits.train),
            SplitArg::Test => self.validation(&splits),
        }
    }

    /// The part that models are judged by.
    ///
    /// # Errors
    /// If there is none.
    pub fn validation(&self, splits: &Splits) -> Result<Arc<dyn Dataset>> {
        splits.val.clone().ok_or_else(|| {
            let data = &self.data;
            UsageError(format!(
                "--data {data} has no validation part; hold out a share with --val-split 0.1, or split it into \
                 {data}/train and {data}/val"
            ))
            .into()
        })
    }

    /// A short name for folders of runs.
    pub fn short_name(&self) -> String {
        let name = Path::new(&self.data).file_name().unwrap_or_default().to_string_lossy();
        name.trim_end_matches(".gz").trim_end_matches(".tar").to_owned()
    }

    /// What is done to the images before they enter a model designed for `designed` (C, H, W), unless flags say
    /// otherwise: a set of equal images and a folder of images of that very size stay as they are, photographs are
    /// resized and cropped as torchvision does.
    ///
    /// # Errors
    /// If the images cannot be read.
    pub fn preprocessing(&self, splits: &Splits, designed: [usize; 3]) -> Result<Preprocessing> {
        if splits.train.image_size().is_none() {
            let size = designed[1];
            let (mean, std) = IMAGENET;
            return Ok(Preprocessing {
                input: [3, size, size],
                mean: mean.to_vec(),
                std: std.to_vec(),
                // 256 for 224.
                resize: Some((size * 8).div_ceil(7)).filter(|_| !all_have_side(&*splits.train, size)),
            });
        }
        let image = splits.train.sample(0)?.image;
        let (mean, std) = match &splits.mean_std {
            Some(published) => published.clone(),
            None => {
                let found = datasets::stats(&*splits.train, 1)?;
                (
                    found.mean.iter().map(|&v| v as f32).collect(),
                    found.std.iter().map(|&v| v as f32).collect(),
                )
            }
        };
        Ok(Preprocessing {
            input: [image.channels(), image.height(), image.width()],
            mean,
            std,
            resize: None,
        })
    }
}

/// Whether the images of a folder seem to be squares of this side: a few from all over it are looked at. A wrong guess
/// does no harm, as other images are then resized to the square.
fn all_have_side(data: &dyn Dataset, side: usize) -> bool {
    const LOOKED_AT: usize = 8;
    let step = (data.len() / LOOKED_AT).max(1);
    let fits = |index| {
        data.sample(index).is_ok_and(|sample| (sample.image.height(), sample.image.width()) == (side, side))
    };
    (0..data.len()).step_by(step).all(fits)
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
