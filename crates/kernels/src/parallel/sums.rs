//! Sums over tasks, of which little goes from one core to another.

use super::{DisjointMut, Order, pool, threads_for};
use crate::pointwise::add_assign;
use crate::scratch;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Tasks that are added up before others. One thread mostly computes them one after the other, and then their sum stays in its
/// cache.
const GROUP: usize = 8;
/// Floats of a cache line.
const LINE: usize = 16;

/// How far a group has been added up, and by which participant. As long as a cache line, so that no two are in the same and the
/// thread keeps its own. (Not aligned to one: such memory takes the allocator longer.)
struct Owner([AtomicU64; 8]);

impl Owner {
    /// Nobody.
    fn new() -> Self {
        Self([const { AtomicU64::new(u64::MAX) }; 8])
    }

    /// Whether `participant` computed all until `last`.
    fn is(&self, participant: usize, last: usize) -> bool {
        self.0[0].load(Relaxed) == Self::of(participant, last)
    }

    fn set(&self, participant: usize, last: usize) {
        self.0[0].store(Self::of(participant, last), Relaxed);
    }

    fn of(participant: usize, last: usize) -> u64 {
        (participant as u64) << 32 | last as u64
    }

    /// The last task of the sum.
    fn last(&self) -> usize {
        (self.0[0].load(Relaxed) & u64::from(u32::MAX)) as usize
    }
}

/// `total` becomes the sum of what `f(range, part)` writes to its `part`, as long as `total`, for each range of `block` items of
/// `0..len` (the last may be shorter).
///
/// Ranges are added in groups of fixed size, each from its first to its last, and then groups in order, whoever computed them:
/// the bits do not depend on the number of threads.
///
/// # Panics
/// When there are more ranges than numbers of 32 bits.
pub fn sum_blocks(len: usize, block: usize, total: &mut [f32], f: impl Fn(Range<usize>, &mut [f32]) + Sync) {
    let block = block.max(1);
    let tasks = len.div_ceil(block);
    assert!(u32::try_from(tasks).is_ok(), "sum_blocks: {tasks} blocks");
    let f = |task: usize, part: &mut [f32]| f(task * block..len.min((task + 1) * block), part);
    let (floats, stride) = (total.len(), total.len().max(1).next_multiple_of(LINE));
    let owners: Vec<Owner> = (0..tasks.div_ceil(GROUP)).map(|_| Owner::new()).collect();
    // The part of a group's first task becomes the sum as far as its thread gets; only what others took from it stays apart.
    scratch::with(tasks * stride, |parts: &mut [f32]| {
        let writer = DisjointMut::new(&mut *parts);
        pool::run(tasks, threads_for(tasks), Order::Forwards, &|participant, task| {
            let first = task / GROUP * GROUP;
            let owner = &owners[task / GROUP];
            let follows = task > first && owner.is(participant, task - 1);
            if follows {
                // SAFETY: the participant computed the group's first task and all since then; nobody else writes to its part.
                let sum = unsafe { writer.slice(first * stride..first * stride + floats) };
                scratch::with(floats, |part: &mut [f32]| {
                    f(task, part);
                    add_assign(sum, part);
                });
            } else {
                // SAFETY: each task has a part of its own, and so far only this one has used it.
                f(task, unsafe { writer.slice(task * stride..task * stride + floats) });
            }
            if follows || task == first {
                owner.set(participant, task);
            }
        });
        total.fill(0.0);
        for (group, owner) in owners.iter().enumerate() {
            let (first, end) = (group * GROUP, tasks.min((group + 1) * GROUP));
            let (sum, rest) = parts[first * stride..end * stride].split_at_mut(stride);
            for part in rest.chunks_exact(stride).skip(owner.last() - first) {
                add_assign(&mut sum[..floats], &part[..floats]);
            }
            add_assign(total, &sum[..floats]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_any_threads;

    #[test]
    fn sums_have_the_same_bits_whoever_computes_them() {
        for (tasks, len) in [(0, 3), (1, 0), (1, 5), (7, 1), (8, 16), (21, 33), (64, 700)] {
            let number = |task: usize, i: usize| ((task * 7919 + i * 104729) % 1000) as f32 / 300.0 - 1.0;
            let sum = || {
                let mut total = vec![7.0; len];
                sum_blocks(3 * tasks, 3, &mut total, |range, part| {
                    let task = range.start / 3;
                    assert_eq!((range.len(), part.len()), (3, len));
                    // Some take longer, so that others take tasks from them.
                    (0..task % 5 * 200).for_each(|_| std::hint::spin_loop());
                    part.iter_mut().enumerate().for_each(|(i, p)| *p = number(task, i));
                });
                total
            };
            let found = on_any_threads(sum);
            for (i, found) in found.iter().enumerate() {
                let expected: f64 = (0..tasks).map(|task| f64::from(number(task, i))).sum();
                assert!((f64::from(*found) - expected).abs() < 1e-4, "{tasks} tasks, element {i}");
            }
        }
    }
}
