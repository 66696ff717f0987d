//! How long loading takes, on one thread: `RAYON_NUM_THREADS=1 cargo bench -p cresset-vision`.
//!
//! Needs MNIST and the photographs in `shared/data` beside the repository, or in `CRESSET_DATA`. `torchvision_loading.py`
//! beside this file times the same pipeline of photographs in torchvision.

#[path = "../tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Instant;

use cresset_vision::Result;
use cresset_vision::datasets::download::Fetch;
use cresset_vision::datasets::{Dataset, ImageFolder, Split, mnist};
use cresset_vision::image::Color;
use cresset_vision::loader::{DataLoader, LoaderOptions};
use cresset_vision::transforms::{
    Compose, Interpolation, Normalize, RandomHorizontalFlip, RandomResizedCrop,
};

/// Seconds that this thread has spent on a processor, so that a busy machine does not falsify the comparison; by the
/// wall where the system does not count them.
fn seconds() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = counted.and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| START.get_or_init(Instant::now).elapsed().as_secs_f64(), |n| n * 1e-9)
}

fn main() -> Result<()> {
    mnist_epoch()?;
    photographs()
}

/// Decode, RandomResizedCrop(224), flip, normalize: the training pipeline of ImageNet, in the caller's thread.
fn photographs() -> Result<()> {
    let Some(dir) = common::shared_data("imagenet-sample") else { return Ok(()) };
    let data = Arc::new(ImageFolder::open(&dir, Color::Rgb)?);
    let start = seconds();
    for index in 0..data.len() {
        std::hint::black_box(data.sample(index)?);
    }
    println!("photographs: decoding alone {:.1} images/s", data.len() as f64 / (seconds() - start));
    let transforms = Compose::new()
        .then(RandomResizedCrop::new(224, Interpolation::Bilinear)?)
        .then(RandomHorizontalFlip::new(0.5)?)
        .to_tensor()
        .then(Normalize::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225])?);
    let loader = DataLoader::new(data, transforms, LoaderOptions { batch_size: 50, ..Default::default() })?;
    let mut rates: Vec<f64> = Vec::new();
    for epoch in 0..5 {
        let start = seconds();
        for batch in loader.epoch(epoch) {
            std::hint::black_box(batch?);
        }
        rates.push(loader.num_samples() as f64 / (seconds() - start));
    }
    rates.sort_by(f64::total_cmp);
    println!("photographs: the training pipeline {:.1} images/s a core (median of 5)", rates[2]);
    Ok(())
}

/// One epoch of MNIST in batches of 64, shuffled and normalized, in the caller's thread.
fn mnist_epoch() -> Result<()> {
    let Some(dir) = common::shared_data("mnist") else { return Ok(()) };
    let start = seconds();
    let data = Arc::new(mnist::MNIST.load(&dir, Split::Train, &Fetch::default())?);
    println!("mnist: {data:?} read in {:.3} s", (seconds() - start));
    let transforms = Compose::new().to_tensor().then(Normalize::new(&[0.1307], &[0.3081])?);
    let options = LoaderOptions { batch_size: 64, shuffle: true, ..Default::default() };
    let loader = DataLoader::new(data, transforms, options)?;
    let mut times: Vec<f64> = Vec::new();
    for epoch in 0..7 {
        let start = seconds();
        for batch in loader.epoch(epoch) {
            std::hint::black_box(batch?);
        }
        times.push(seconds() - start);
    }
    times.sort_by(f64::total_cmp);
    println!("mnist: an epoch of 60,000 in batches of 64: {:.4} s (median of 7, one core)", times[3]);
    Ok(())
}
