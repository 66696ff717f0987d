//! The order of samples.

use crate::random::{Purpose, SampleRng};

/// The order in which an epoch visits `len` samples: a permutation that (seed, epoch) determines.
pub fn epoch_order(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    SampleRng::new(seed, Purpose::Shuffle, epoch, 0).shuffle(&mut order);
    order
}
