//! The readers. What they return does not matter, only that they return.

use cresset_nn::weights;
use cresset_tensor::Generator;
use cresset_train::checkpoint::{Checkpoint, ModelCard};
use cresset_train::{Classifier, EpochRecord};
use cresset_vision::datasets::cifar::{CIFAR10, CIFAR100};
use cresset_vision::datasets::{Dataset, ImageArchive, idx};
use cresset_vision::image::{Color, decode_bytes, orientation_from_exif};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::path::Path;

/// Stands for the path in messages.
const NAME: &str = "hostile";

/// Weights: safetensors.
pub fn safetensors(bytes: &[u8]) {
    let _ = weights::load_bytes(bytes, NAME);
}

/// Weights: PyTorch's zip files, and the pickle in them.
pub fn pth(bytes: &[u8]) {
    let _ = weights::load_bytes(bytes, NAME);
    let _ = weights::load_bytes(&crate::mutate::zip_with_checksums(bytes), NAME);
}

/// Checkpoints. Their checksum finds nearly all damage, so that [`model_card`] goes on behind it.
pub fn checkpoint(bytes: &[u8]) {
    let _ = Checkpoint::from_bytes(bytes, Path::new(NAME));
}

/// The JSON of a model card, in a checkpoint whose checksum is right.
pub fn model_card(bytes: &[u8]) {
    let Ok(card) = serde_json::from_slice::<ModelCard>(bytes) else { return };
    let Ok(folder) = tempfile::tempdir() else { return };
    let path = folder.path().join("hostile.safetensors");
    let model = cresset_nn::Linear::new(3, 2, &mut Generator::new(0));
    if Checkpoint::save(&path, &card, &model, None).is_ok() {
        let _ = Classifier::load(&path);
    }
}

/// Lines of `metrics.jsonl`.
pub fn metrics(bytes: &[u8]) {
    for line in bytes.split(|&byte| byte == b'\n') {
        let _ = serde_json::from_slice::<EpochRecord>(line);
    }
}

/// Configuration files.
pub fn config(bytes: &[u8]) {
    let _ = cresset_cli::check_config(&String::from_utf8_lossy(bytes));
}

/// IDX files of images and of labels.
pub fn idx(bytes: &[u8]) {
    let _ = idx::read_bytes(bytes, 3, Path::new(NAME));
    let _ = idx::read_bytes(bytes, 1, Path::new(NAME));
}

/// Whatever is gzipped: IDX files and archives.
pub fn gzip(bytes: &[u8]) {
    idx(bytes);
    archive(bytes);
}

/// Archives, before they are gzipped.
pub fn tar(bytes: &[u8]) {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    if gzip.write_all(bytes).is_ok()
        && let Ok(bytes) = gzip.finish()
    {
        archive(&bytes);
    }
}

fn archive(bytes: &[u8]) {
    let Ok(archive) = ImageArchive::from_bytes(bytes, Path::new(NAME)) else { return };
    for part in ["", "train"] {
        if let Ok(folder) = archive.folder(part, None, Color::Rgb) {
            (0..folder.len().min(4)).for_each(|index| drop(folder.sample(index)));
        }
    }
}

/// CIFAR's binary batches and lists of classes.
pub fn cifar_binary(bytes: &[u8]) {
    cifar(bytes, false);
}

/// CIFAR's python batches and lists of classes.
pub fn cifar_python(bytes: &[u8]) {
    cifar(bytes, true);
}

fn cifar(bytes: &[u8], is_python: bool) {
    for cifar in [&CIFAR10, &CIFAR100] {
        let _ = cifar.batch(bytes, is_python, Path::new(NAME), &mut Vec::new(), &mut Vec::new());
        let _ = cifar.class_names(bytes, is_python, Path::new(NAME));
    }
}

fn picture(bytes: &[u8]) {
    for color in [Color::Rgb, Color::Gray] {
        let _ = decode_bytes(bytes, color, Path::new(NAME));
    }
}

/// JPEG pictures.
pub fn jpeg(bytes: &[u8]) {
    picture(bytes);
}

/// PNG pictures, also with their checksums put right.
pub fn png(bytes: &[u8]) {
    picture(bytes);
    picture(&crate::mutate::png_with_checksums(bytes));
}

/// WebP pictures.
pub fn webp(bytes: &[u8]) {
    picture(bytes);
}

/// BMP pictures.
pub fn bmp(bytes: &[u8]) {
    picture(bytes);
}

/// GIF pictures.
pub fn gif(bytes: &[u8]) {
    picture(bytes);
}

/// TIFF pictures.
pub fn tiff(bytes: &[u8]) {
    picture(bytes);
}

/// EXIF data, which say which way up a photograph is.
pub fn exif(bytes: &[u8]) {
    let _ = orientation_from_exif(bytes);
}
