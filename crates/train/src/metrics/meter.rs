//! Loss and accuracy over many samples.

use serde::{Deserialize, Serialize};

/// Adds up loss, top-1 and top-5 hits, sample by sample. Part of a checkpoint in mid-epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    samples: u64,
    loss: f64,
    top1: u64,
    top5: u64,
}

impl Meter {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the summed loss of `samples` samples.
    pub fn add_loss(&mut self, sum: f64, samples: usize) {
        self.loss += sum;
        self.samples += samples as u64;
    }

    /// Counts one sample's hit or miss, given the [rank](crate::metrics::rank) of its class.
    pub fn add_rank(&mut self, rank: usize) {
        self.top1 += u64::from(rank < 1);
        self.top5 += u64::from(rank < 5);
    }

    /// Samples so far.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The mean loss; NaN before the first sample.
    pub fn loss(&self) -> f64 {
        self.loss / self.samples as f64
    }

    /// The share of first choices that were right, 0 to 1; NaN before the first sample.
    pub fn top1(&self) -> f64 {
        self.top1 as f64 / self.samples as f64
    }

    /// The share of samples whose class was among the first five choices, 0 to 1.
    pub fn top5(&self) -> f64 {
        self.top5 as f64 / self.samples as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_shares() {
        let mut meter = Meter::new();
        meter.add_loss(6.0, 3);
        meter.add_loss(2.0, 1);
        [0, 4, 5, 0].into_iter().for_each(|rank| meter.add_rank(rank));
        assert_eq!((meter.loss(), meter.top1(), meter.top5(), meter.samples()), (2.0, 0.5, 0.75, 4));
    }

    #[test]
    fn survives_a_checkpoint_to_the_last_bit() {
        let mut meter = Meter::new();
        (1..200).for_each(|i| meter.add_loss(1.0 / f64::from(i), 1));
        let text = serde_json::to_string(&meter).unwrap();
        assert_eq!(serde_json::from_str::<Meter>(&text).unwrap(), meter);
    }
}
