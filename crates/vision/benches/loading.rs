//! How long loading takes: `cargo bench -p cresset-vision`.
//!
//! Needs MNIST in `shared/data` beside the repository, or in `CRESSET_DATA`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::Instant;

use cresset_vision::Result;
use cresset_vision::datasets::download::Fetch;
use cresset_vision::datasets::{Split, mnist};
use cresset_vision::loader::{DataLoader, LoaderOptions};
use cresset_vision::transforms::{Compose, Normalize};

fn main() -> Result<()> {
    mnist_epoch()
}

/// One epoch of MNIST in batches of 64, shuffled and normalized, in the caller's thread.
fn mnist_epoch() -> Result<()> {
    let Some(dir) = common::shared_data("mnist") else { return Ok(()) };
    let start = Instant::now();
    let data = Arc::new(mnist::MNIST.load(&dir, Split::Train, &Fetch::default())?);
    println!("mnist: {data:?} read in {:.3} s", start.elapsed().as_secs_f64());
    let transforms = Compose::new().to_tensor().then(Normalize::new(&[0.1307], &[0.3081])?);
    let options = LoaderOptions { batch_size: 64, shuffle: true, ..Default::default() };
    let loader = DataLoader::new(data, transforms, options)?;
    let mut times: Vec<f64> = Vec::new();
    for epoch in 0..7 {
        let start = Instant::now();
        for batch in loader.epoch(epoch) {
            std::hint::black_box(batch?);
        }
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    println!("mnist: an epoch of 60,000 in batches of 64: {:.4} s (median of 7, one core)", times[3]);
    Ok(())
}
