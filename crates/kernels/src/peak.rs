//! What the machine can do at most: multiply-adds on registers, and copying memory. The yardsticks of profiles and
//! benchmarks, measured with the threads of the surrounding rayon pool.

use crate::parallel;
use crate::pointwise;
use crate::simd::{Kernel, Simd, dispatch};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Independent chains of multiply-adds: more than latency times units needs, fewer than there are registers.
const CHAINS: usize = 12;

/// Multiply-adds on registers alone, a fixed number of them; returns how many FLOPs that was.
struct FmaLoop(usize);

impl Kernel for FmaLoop {
    type Out = f64;
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f64 {
        // SAFETY: register operations only.
        unsafe {
            let mut sums = [S::splat(1.0); CHAINS];
            let (a, b) = (S::splat(black_box(0.5)), S::splat(black_box(0.25)));
            for _ in 0..self.0 {
                for sum in &mut sums {
                    *sum = S::fma(*sum, a, b);
                }
            }
            black_box(sums.map(|v| S::reduce_sum(v)));
            (self.0 * CHAINS * 2 * S::LANES) as f64
        }
    }
}

/// FLOP/s of all threads together in float32, a multiply-add counting as two; the best of about `time`.
pub fn flops(time: Duration) -> f64 {
    const ITERATIONS: usize = 100_000;
    let threads = parallel::num_threads();
    let flops = dispatch(FmaLoop(1)) * (ITERATIONS * threads) as f64;
    let best = best(time, || {
        parallel::for_each_index(threads, |_| {
            dispatch(FmaLoop(ITERATIONS));
        });
    });
    flops / best.as_secs_f64()
}

/// Bytes a second, read and written together, of copying an array again and again when source and target hold `bytes`
/// bytes together; the best of about `time`. Small ones stay in the caches.
pub fn copy_bandwidth(bytes: usize, time: Duration) -> f64 {
    let len = (bytes / (2 * size_of::<f32>())).max(1);
    let (source, mut target) = (vec![1.0; len], vec![0.0; len]);
    let best = best(time, || pointwise::copy(&source, black_box(&mut target)));
    (2 * size_of::<f32>() * len) as f64 / best.as_secs_f64()
}

/// The shortest of the runs of `f` that fit into `time`, at least three after one to warm up.
fn best(time: Duration, mut f: impl FnMut()) -> Duration {
    f();
    let (start, mut best, mut runs) = (Instant::now(), Duration::MAX, 0);
    while runs < 3 || start.elapsed() < time {
        let run = Instant::now();
        f();
        best = best.min(run.elapsed());
        runs += 1;
    }
    best.max(Duration::from_nanos(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_a_processor() {
        let time = Duration::from_millis(2);
        // The lower bounds leave room for an emulated one.
        assert!((1e5..1e14).contains(&flops(time)));
        assert!((1e6..1e13).contains(&copy_bandwidth(1 << 16, time)));
        assert!(copy_bandwidth(0, time) > 0.0);
    }
}
