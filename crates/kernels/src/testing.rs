//! Shared by the tests of the kernels: inputs, comparison with double precision, and runs with several
//! numbers of threads.

use std::fmt::Debug;
use std::sync::OnceLock;

use half::bf16;
use rayon::{ThreadPool, ThreadPoolBuilder};

fn pools() -> &'static [ThreadPool] {
    static POOLS: OnceLock<Vec<ThreadPool>> = OnceLock::new();
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
    POOLS.get_or_init(|| [1, 2, 3, 8].map(pool).into())
}

/// What can be compared bit by bit.
pub(crate) trait Bits {
    /// The bits.
    fn bits(&self) -> Vec<u64>;
}

impl Bits for Vec<f32> {
    fn bits(&self) -> Vec<u64> {
        self.iter().map(|x| u64::from(x.to_bits())).collect()
    }
}

impl Bits for f32 {
    fn bits(&self) -> Vec<u64> {
        vec![u64::from(self.to_bits())]
    }
}

impl Bits for f64 {
    fn bits(&self) -> Vec<u64> {
        vec![self.to_bits()]
    }
}

impl Bits for bool {
    fn bits(&self) -> Vec<u64> {
        vec![u64::from(*self)]
    }
}

impl Bits for Vec<u16> {
    fn bits(&self) -> Vec<u64> {
        self.iter().map(|&x| u64::from(x)).collect()
    }
}

impl Bits for Vec<u32> {
    fn bits(&self) -> Vec<u64> {
        self.iter().map(|&x| u64::from(x)).collect()
    }
}

impl<A: Bits, B: Bits> Bits for (A, B) {
    fn bits(&self) -> Vec<u64> {
        [self.0.bits(), self.1.bits()].concat()
    }
}

impl<A: Bits, B: Bits, C: Bits> Bits for (A, B, C) {
    fn bits(&self) -> Vec<u64> {
        [self.0.bits(), self.1.bits(), self.2.bits()].concat()
    }
}

/// Rounded to bfloat16.
pub(crate) fn to_bfloat16(x: &[f32]) -> Vec<bf16> {
    x.iter().map(|&x| bf16::from_f32(x)).collect()
}

/// The same numbers as float32.
pub(crate) fn from_bfloat16(x: &[bf16]) -> Vec<f32> {
    x.iter().map(|x| x.to_f32()).collect()
}

/// Runs `f` with 1, 2, 3 and 8 threads, checks that all results have the same bits, and returns the result.
#[track_caller]
pub(crate) fn on_any_threads<T: Bits + Send>(f: impl Fn() -> T + Sync) -> T {
    let mut results = pools().iter().map(|pool| (pool.current_num_threads(), pool.install(&f)));
    let (_, first) = results.next().expect("at least one pool");
    for (threads, result) in results {
        assert!(first.bits() == result.bits(), "different bits with 1 and with {threads} threads");
    }
    first
}

/// Reproducible numbers, roughly uniform in -2..2 (splitmix64).
pub(crate) fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(len as u64);
    let next = |_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z >> 40) as f32 / (1u64 << 24) as f32) * 4.0 - 2.0
    };
    (0..len).map(next).collect()
}

/// Checks `|actual - expected| <= absolute + relative * |expected|` for each element; NaN equals NaN.
#[track_caller]
pub(crate) fn assert_close(
    actual: &[f32],
    expected: &[f64],
    relative: f64,
    absolute: f64,
    context: impl Debug,
) {
    assert_eq!(actual.len(), expected.len(), "lengths: {context:?}");
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let same = f64::from(a) == e || (a.is_nan() && e.is_nan());
        let close = (f64::from(a) - e).abs() <= absolute + relative * e.abs();
        assert!(same || close, "element {i}: {a} but expected {e}: {context:?}");
    }
}
