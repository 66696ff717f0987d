//! Random numbers that depend on what they are for, never on who asks first.
//!
//! Each stream is keyed by (seed, purpose, epoch, index) and starts afresh for every sample, so that neither
//! the number of workers nor a restart in mid-epoch changes what a sample looks like. The key *is* the
//! ChaCha key: different keys are independent streams by construction, with no mixing function to trust.
//! The distributions are written out here so that results do not shift with a dependency's version.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of random numbers is for. Streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
#[non_exhaustive]
pub enum Purpose {
    /// The order of samples in an epoch.
    Shuffle = 1,
    /// The augmentation of one sample.
    Augment = 2,
    /// Mixup and cutmix of one batch.
    Mix = 3,
    /// Which samples are held out for validation.
    Split = 4,
    /// Which samples a preview shows.
    Preview = 5,
}

/// A stream of random numbers (ChaCha with 8 rounds).
#[derive(Clone, Debug)]
pub struct SampleRng(ChaCha8Rng);

impl SampleRng {
    /// The stream for one sample (or batch, or permutation) of one epoch.
    pub fn new(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> Self {
        let mut key = [0u8; 32];
        for (slot, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, index]) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform over `0..n`, without bias.
    ///
    /// # Panics
    /// If `n` is 0.
    #[track_caller]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below(0): there is no number below zero to choose");
        let n = n as u64;
        // Lemire 2019: the high half of a 64x64-bit product, rejecting the few low halves that would bias it.
        let mut product = u128::from(self.0.next_u64()) * u128::from(n);
        if (product as u64) < n {
            let threshold = n.wrapping_neg() % n;
            while (product as u64) < threshold {
                product = u128::from(self.0.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as usize
    }

    /// Uniform over `[0, 1)`, with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform over `[low, high)`; `low` where the two are equal.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        // 1 - u lies in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Beta(`a`, `a`) for `a` > 0, as mixup and cutmix draw it.
    pub fn symmetric_beta(&mut self, a: f64) -> f64 {
        let (x, y) = (self.log_gamma_variate(a), self.log_gamma_variate(a));
        // A logistic of the difference of logarithms: tiny shapes would underflow to 0/0 otherwise.
        1.0 / (1.0 + (y - x).exp())
    }

    /// The logarithm of a Gamma(`shape`, 1) variate (Marsaglia and Tsang 2000).
    fn log_gamma_variate(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.unit()).ln() / shape;
            return self.log_gamma_variate(shape + 1.0) + boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return (d * v).ln();
            }
        }
    }

    /// Shuffles `items` in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_key_matters() {
        let draw = |seed, purpose, epoch, index| SampleRng::new(seed, purpose, epoch, index).unit();
        let base = draw(1, Purpose::Augment, 2, 3);
        assert_eq!(base, draw(1, Purpose::Augment, 2, 3));
        assert_ne!(base, draw(2, Purpose::Augment, 2, 3));
        assert_ne!(base, draw(1, Purpose::Shuffle, 2, 3));
        assert_ne!(base, draw(1, Purpose::Augment, 3, 3));
        assert_ne!(base, draw(1, Purpose::Augment, 2, 4));
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut rng = SampleRng::new(0, Purpose::Augment, 0, 0);
        let n = 20_000;
        let moments = |draw: &mut dyn FnMut() -> f64| {
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..n {
                let x = draw();
                sum += x;
                squares += x * x;
            }
            let mean = sum / f64::from(n);
            (mean, squares / f64::from(n) - mean * mean)
        };
        let near = |(mean, var): (f64, f64), expected: (f64, f64)| {
            assert!((mean - expected.0).abs() < 0.02 && (var - expected.1).abs() < 0.03, "{mean} {var}");
        };
        near(moments(&mut || rng.unit()), (0.5, 1.0 / 12.0));
        near(moments(&mut || rng.normal()), (0.0, 1.0));
        // Var Beta(a, a) = 1 / (4 (2a + 1)).
        for a in [0.2, 1.0, 4.0] {
            near(moments(&mut || rng.symmetric_beta(a)), (0.5, 1.0 / (4.0 * (2.0 * a + 1.0))));
        }
        let mut counts = [0; 5];
        for _ in 0..n {
            counts[rng.below(5)] += 1;
        }
        assert!(counts.iter().all(|c| (3800..4200).contains(c)), "{counts:?}");
    }

    #[test]
    fn a_tiny_beta_is_still_a_number() {
        let mut rng = SampleRng::new(0, Purpose::Mix, 0, 0);
        assert!((0..1000).map(|_| rng.symmetric_beta(1e-4)).all(|x| (0.0..=1.0).contains(&x)));
    }

    #[test]
    fn shuffling_permutes() {
        let mut items: Vec<usize> = (0..100).collect();
        SampleRng::new(7, Purpose::Shuffle, 0, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
