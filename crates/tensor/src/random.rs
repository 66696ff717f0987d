//! Random numbers: counter-based, from explicit generators, the same on every machine and thread count.
//!
//! A [`Generator`] is a ChaCha stream cipher: its numbers depend on the seed, the stream and how many were
//! drawn, and on nothing else. Layers that draw during forward (dropout) use the thread's *step key*
//! ([`step_scope`]), so that a run resumed at step *n* draws what the uninterrupted run drew at step *n*.

use crate::array::Array;
use crate::shape::Shape;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::cell::Cell;

/// A seeded source of random numbers.
#[derive(Clone, Debug)]
pub struct Generator(ChaCha8Rng);

impl Generator {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// An independent generator for one purpose: `key` may hold a step, an epoch, a sample index, a call number.
    pub fn keyed(seed: u64, key: &[u64]) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        // FNV-1a over the key, into the remaining 192 bits of the cipher's key.
        for (lane, out) in bytes[8..].chunks_exact_mut(8).enumerate() {
            let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ lane as u64;
            for byte in key.iter().flat_map(|k| k.to_le_bytes()) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
            out.copy_from_slice(&hash.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// A number from [0, 1).
    pub fn uniform(&mut self) -> f32 {
        self.0.random()
    }

    /// A number from the standard normal distribution.
    pub fn normal(&mut self) -> f32 {
        self.0.sample(StandardNormal)
    }

    /// A whole number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.random_range(0..bound.max(1))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A random order of 0..n.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i as u64 + 1) as usize);
        }
        order
    }

    /// An array filled by `draw` in row-major order.
    pub fn fill(&mut self, shape: impl Into<Shape>, mut draw: impl FnMut(&mut Self) -> f32) -> Array {
        let mut a = Array::empty(shape);
        a.memory_mut().iter_mut().for_each(|v| *v = draw(self));
        a
    }
}

thread_local! {
    /// (seed, step, draws so far within the step)
    static STEP: Cell<(u64, u64, u64)> = const { Cell::new((0, 0, 0)) };
}

/// Sets the seed of layers that draw random numbers on this thread, and starts their counter again, as
/// `torch.manual_seed`. A trainer uses [`step_scope`] instead.
pub fn manual_seed(seed: u64) {
    STEP.set((seed, 0, 0));
}

/// While the returned guard lives, layers on this thread draw the numbers of this seed and step.
#[must_use = "the step ends when the guard is dropped"]
pub fn step_scope(seed: u64, step: u64) -> StepScope {
    StepScope { before: STEP.replace((seed, step, 0)) }
}

/// See [`step_scope`].
pub struct StepScope {
    before: (u64, u64, u64),
}

impl Drop for StepScope {
    fn drop(&mut self) {
        STEP.set(self.before);
    }
}

/// The generator of the next random layer call in this step.
pub fn next_call() -> Generator {
    let (seed, step, call) = STEP.get();
    STEP.set((seed, step, call + 1));
    Generator::keyed(seed, &[0x6c_6179_6572, step, call])
}
