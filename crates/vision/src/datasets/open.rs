//! Datasets by name or by path: what `--data` means.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::datasets::cifar::{CIFAR10, CIFAR100, Cifar, archive_of};
use crate::datasets::download::Fetch;
use crate::datasets::mnist::{FASHION_MNIST, MNIST, MnistFamily};
use crate::datasets::{Cached, Dataset, ImageArchive, ImageFolder, InMemory, Split, digits, train_val_split};
use crate::image::Color;
use crate::{Result, VisionError};

/// The names that [`open`] knows, besides paths.
pub const NAMES: [&str; 5] = ["digits", "mnist", "fashion-mnist", "cifar10", "cifar100"];

/// The names of the folder that holds the validation data of an image folder, best first.
const VAL_FOLDERS: [&str; 4] = ["val", "valid", "validation", "test"];

/// How to open a dataset.
#[derive(Clone, Debug)]
pub struct DataOptions<'a> {
    /// Where the files of named datasets are, or are downloaded to.
    pub dir: PathBuf,
    /// The share of the training data to hold out for validation, in place of what the dataset sets apart.
    pub val_split: Option<f64>,
    /// The seed of `val_split`.
    pub seed: u64,
    /// The channels of pictures in image folders.
    pub color: Color,
    /// How many bytes of decoded pictures of image folders to keep in memory; 0 for none.
    pub cache: usize,
    /// Whether and how to download.
    pub fetch: Fetch<'a>,
}

impl Default for DataOptions<'_> {
    /// Files in `data`, colour pictures, no cache, no downloads.
    fn default() -> Self {
        let fetch = Fetch::default();
        Self { dir: "data".into(), val_split: None, seed: 0, color: Color::Rgb, cache: 0, fetch }
    }
}

/// A dataset in two parts.
#[derive(Clone)]
pub struct Splits {
    /// What the model learns from.
    pub train: Arc<dyn Dataset>,
    /// What it is judged by: the held-out share, or the dataset's own validation or test part. `None` for an image
    /// folder that has neither.
    pub val: Option<Arc<dyn Dataset>>,
    /// The published mean and standard deviation of the channels, where there are any.
    pub mean_std: Option<(Vec<f32>, Vec<f32>)>,
}

/// Opens a dataset: one of [`NAMES`], a folder of class folders (with `train` and `val`, or without), or a
/// `.tar.gz` of one.
///
/// # Errors
/// If the name is unknown, or the dataset cannot be read or fetched.
pub fn open(data: &str, options: &DataOptions<'_>) -> Result<Splits> {
    let splits = match data {
        "digits" => in_memory(digits::load, Some(([0.3051].as_slice(), [0.3248].as_slice()))),
        "mnist" => mnist(&MNIST, options, ([0.1307].as_slice(), [0.3081].as_slice())),
        "fashion-mnist" => mnist(&FASHION_MNIST, options, ([0.2860].as_slice(), [0.3530].as_slice())),
        "cifar10" => cifar(&CIFAR10, &options.dir, options),
        "cifar100" => cifar(&CIFAR100, &options.dir, options),
        path => by_path(Path::new(path), options),
    }?;
    match options.val_split {
        None => Ok(splits),
        Some(share) => {
            let (train, val) = train_val_split(&splits.train, share, options.seed)?;
            Ok(Splits { train: Arc::new(train), val: Some(Arc::new(val)), ..splits })
        }
    }
}

type MeanStd<'a> = (&'a [f32], &'a [f32]);

fn in_memory(load: impl Fn(Split) -> Result<InMemory>, mean_std: Option<MeanStd<'_>>) -> Result<Splits> {
    Ok(Splits {
        train: Arc::new(load(Split::Train)?),
        val: Some(Arc::new(load(Split::Test)?)),
        mean_std: mean_std.map(|(mean, std)| (mean.to_vec(), std.to_vec())),
    })
}

fn mnist(family: &MnistFamily, options: &DataOptions<'_>, mean_std: MeanStd<'_>) -> Result<Splits> {
    in_memory(|split| family.load(&options.dir, split, &options.fetch), Some(mean_std))
}

fn cifar(cifar: &Cifar, dir: &Path, options: &DataOptions<'_>) -> Result<Splits> {
    let mean_std: MeanStd<'_> = if cifar.name == CIFAR10.name {
        (&[0.4914, 0.4822, 0.4465], &[0.2470, 0.2435, 0.2616])
    } else {
        (&[0.5071, 0.4865, 0.4409], &[0.2673, 0.2564, 0.2762])
    };
    in_memory(|split| cifar.load(dir, split, &options.fetch), Some(mean_std))
}

fn by_path(path: &Path, options: &DataOptions<'_>) -> Result<Splits> {
    if let Some((known, dir)) = archive_of(path).filter(|_| path.is_file()) {
        return cifar(known, &dir, options);
    }
    if path.is_dir() {
        let train = path.join("train");
        if !train.is_dir() {
            return image_folders(ImageFolder::open(path, options.color)?, None, options);
        }
        let train = ImageFolder::open(&train, options.color)?;
        let val = VAL_FOLDERS.iter().map(|name| path.join(name)).find(|dir| dir.is_dir());
        let val = val
            .map(|dir| ImageFolder::open_with_classes(&dir, train.classes(), options.color))
            .transpose()?;
        return image_folders(train, val, options);
    }
    if path.is_file() && is_tar_gz(path) {
        let archive = ImageArchive::open(path)?;
        if !archive.has_part("train") {
            return image_folders(archive.folder("", None, options.color)?, None, options);
        }
        let train = archive.folder("train", None, options.color)?;
        let val = VAL_FOLDERS.iter().find(|part| archive.has_part(part));
        let val = val.map(|part| archive.folder(part, Some(train.classes()), options.color)).transpose()?;
        return image_folders(train, val, options);
    }
    if path.is_file() {
        let reason = "a file that is no .tar.gz; give a folder of class folders, or a .tar.gz of one";
        return Err(VisionError::bad_file(path, reason));
    }
    Err(VisionError::UnknownDataset { name: path.display().to_string(), known: NAMES.join(", ") })
}

fn is_tar_gz(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".tar.gz") || name.ends_with(".tgz")
}

fn image_folders(train: ImageFolder, val: Option<ImageFolder>, options: &DataOptions<'_>) -> Result<Splits> {
    let wrap = |folder: ImageFolder| -> Arc<dyn Dataset> {
        let folder: Arc<dyn Dataset> = Arc::new(folder);
        if options.cache > 0 { Arc::new(Cached::new(folder, options.cache)) } else { folder }
    };
    Ok(Splits { train: wrap(train), val: val.map(wrap), mean_std: None })
}

impl std::fmt::Debug for Splits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let val = self.val.as_ref().map_or(0, |val| val.len());
        write!(f, "Splits({} + {val} samples of {} classes)", self.train.len(), self.train.classes().len())
    }
}
