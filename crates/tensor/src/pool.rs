//! The buffer pool: float buffers, aligned to a cache line, that are reused instead of returned to the system.
//!
//! A training step allocates the same sizes again and again, and fresh pages cost more (the kernel zeroes and
//! maps each at first touch) than many of the kernels that fill them. Large buffers are cut out of the [`arena`],
//! where what one layer frees is room for the next, whatever its size. A freed small one goes back to a free list of
//! its size class; the next request of that class takes it with whatever it contains. No `unsafe`: every block was
//! zeroed once when it was created, so its contents are always initialized floats.
//!
//! Idle small blocks are kept as long as all of them together take little more than arrays have needed at once. Beyond
//! that a request takes a block that is too large, or lets idle ones go.

use crate::recycle;
use bytemuck::{Pod, Zeroable};
use cresset_kernels::arena::{self, Block};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

/// 64 bytes: a cache line, and one AVX-512 register.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; LANES]);
const LANES: usize = 16;

/// Free blocks by their length in lines.
static FREE: Mutex<FreeLists> = Mutex::new(FreeLists::new());

struct FreeLists {
    /// By their length, the shortest first. There are few lengths, and each array looks for one.
    blocks: Vec<SameLength>,
    /// Lines of all idle blocks.
    idle: usize,
    /// Lines of all blocks that were taken and not given back.
    in_use: usize,
    /// The most lines that have been in use at once.
    most: usize,
}

/// Idle blocks of one length in lines.
struct SameLength {
    lines: usize,
    idle: Vec<Vec<Line>>,
}

/// Requests are rounded up to classes an eighth of a power of two apart, so that at most 12.5% is wasted and
/// batches of nearly equal size share blocks.
fn class(lines: usize) -> usize {
    if lines <= 16 {
        return lines.max(1);
    }
    let step = lines.next_power_of_two() / 16;
    lines.div_ceil(step) * step
}

/// Bytes that arrays hold, and the most of them there have been at once.
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// How many times as large as a request a block may be, when the alternative is fresh memory.
const TOO_LARGE: usize = 4;

fn free_lists() -> MutexGuard<'static, FreeLists> {
    FREE.lock().unwrap_or_else(|e| e.into_inner())
}

fn find_or_allocate(class: usize) -> Vec<Line> {
    let found = free_lists().take(class);
    found.unwrap_or_else(|evicted| {
        drop(evicted);
        bytemuck::allocation::zeroed_vec(class)
    })
}

impl FreeLists {
    const fn new() -> Self {
        Self { blocks: Vec::new(), idle: 0, in_use: 0, most: 0 }
    }

    /// An idle block for `class` lines, or the blocks to let go before one is made of new memory.
    fn take(&mut self, class: usize) -> Result<Vec<Line>, Vec<Vec<Line>>> {
        // A block up to a quarter too large is as good.
        let found = self.find(class, class + class / 4).map_or_else(|| self.take_other(class), Ok);
        self.in_use += found.as_ref().map_or(class, Vec::len);
        found
    }

    fn take_other(&mut self, class: usize) -> Result<Vec<Line>, Vec<Vec<Line>>> {
        self.most = self.most.max(self.in_use + class);
        let (held, limit) = (self.in_use + self.idle + class, self.most + self.most / 8);
        if held <= limit {
            return Err(Vec::new());
        }
        self.find(class, class * TOO_LARGE).ok_or_else(|| self.evict(held - limit))
    }

    fn give_back(&mut self, block: Vec<Line>) {
        self.in_use -= block.len();
        self.idle += block.len();
        let lines = block.len();
        let at = self.first_from(lines);
        if self.blocks.get(at).is_none_or(|same| same.lines != lines) {
            self.blocks.insert(at, SameLength { lines, idle: Vec::new() });
        }
        self.blocks[at].idle.push(block);
    }

    /// Where blocks of at least so many lines begin.
    fn first_from(&self, lines: usize) -> usize {
        self.blocks.partition_point(|same| same.lines < lines)
    }

    /// Removes an idle block of `smallest` to `largest` lines.
    fn find(&mut self, smallest: usize, largest: usize) -> Option<Vec<Line>> {
        let first = self.first_from(smallest);
        let mut fitting = self.blocks[first..].iter_mut().take_while(|same| same.lines <= largest);
        let block = fitting.find_map(|same| same.idle.pop())?;
        self.idle -= block.len();
        Some(block)
    }

    /// Removes idle blocks, largest first, until this many lines have gone.
    fn evict(&mut self, lines: usize) -> Vec<Vec<Line>> {
        let mut evicted = Vec::new();
        let mut freed = 0;
        while freed < lines {
            let Some(longest) = self.blocks.last_mut() else { break };
            match longest.idle.pop() {
                Some(block) => {
                    freed += block.len();
                    evicted.push(block);
                }
                None => drop(self.blocks.pop()),
            }
        }
        self.idle -= freed;
        evicted
    }
}

/// Returns idle memory to the system: all small blocks, and of the large ones what lies together.
pub fn release_idle_memory() {
    recycle::release();
    let blocks = {
        let mut free = free_lists();
        (free.idle, free.most) = (0, 0);
        std::mem::take(&mut free.blocks)
    };
    drop(blocks);
    arena::release_idle();
}

/// Bytes that arrays hold in buffers from the pool now. Memory of a caller's `Vec` is not counted.
pub fn memory_in_use() -> usize {
    IN_USE.load(Relaxed)
}

/// The most bytes that arrays held at once since the start or [`reset_peak_memory`].
pub fn peak_memory() -> usize {
    PEAK.load(Relaxed)
}

/// Starts measuring [`peak_memory`] anew, from what is in use now.
pub fn reset_peak_memory() {
    PEAK.store(IN_USE.load(Relaxed), Relaxed);
}

/// A fixed-length run of floats. Comes from the pool and returns to it, unless it wraps a caller's `Vec`.
pub(crate) enum Floats {
    Small { lines: Vec<Line>, len: usize },
    Large { block: Block, len: usize },
    Owned(Vec<f32>),
}

impl Floats {
    /// `len` floats of unspecified value (NaN in debug builds, so that a kernel that forgets one is noticed).
    pub fn new(len: usize) -> Self {
        let mut floats = Self::take(len);
        if cfg!(debug_assertions) {
            floats.fill(f32::NAN);
        }
        floats
    }

    fn take(len: usize) -> Self {
        let floats = if len >= arena::LARGE / size_of::<f32>() {
            Floats::Large { block: Block::new(len), len }
        } else {
            Floats::Small { lines: find_or_allocate(class(len.div_ceil(LANES))), len }
        };
        let in_use = IN_USE.fetch_add(floats.bytes(), Relaxed) + floats.bytes();
        PEAK.fetch_max(in_use, Relaxed);
        floats
    }

    /// Bytes of the pool that this holds.
    fn bytes(&self) -> usize {
        match self {
            Floats::Small { lines, .. } => size_of_val(lines.as_slice()),
            Floats::Large { block, .. } => size_of_val::<[f32]>(block),
            Floats::Owned(_) => 0,
        }
    }
}

impl Drop for Floats {
    fn drop(&mut self) {
        IN_USE.fetch_sub(self.bytes(), Relaxed);
        match self {
            Floats::Small { lines, .. } => free_lists().give_back(std::mem::take(lines)),
            Floats::Large { .. } => {}
            Floats::Owned(vector) => recycle::recycle(std::mem::take(vector)),
        }
    }
}

impl Deref for Floats {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match self {
            Floats::Small { lines, len } => &bytemuck::cast_slice(lines)[..*len],
            Floats::Large { block, len } => &block[..*len],
            Floats::Owned(v) => v,
        }
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        match self {
            Floats::Small { lines, len } => &mut bytemuck::cast_slice_mut(lines)[..*len],
            Floats::Large { block, len } => &mut block[..*len],
            Floats::Owned(v) => v,
        }
    }
}

impl Clone for Floats {
    fn clone(&self) -> Self {
        let mut copy = Self::take(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_block_is_used_again() {
        let first = Floats::new(3457);
        let address = first.as_ptr();
        drop(first);
        let again = Floats::new(3430);
        assert_eq!((again.as_ptr(), again.len()), (address, 3430));
        assert_eq!(address as usize % 64, 0);
    }

    #[test]
    fn a_large_one_is_counted_in_pages_and_copied() {
        let mut large = Floats::new(arena::LARGE / size_of::<f32>() + 1);
        assert_eq!(large.bytes(), arena::LARGE + 4096);
        large.fill(1.5);
        let copy = large.clone();
        assert_eq!((copy.len(), copy[copy.len() - 1]), (large.len(), 1.5));
        assert_ne!(copy.as_ptr(), large.as_ptr());
    }

    #[test]
    fn classes_waste_at_most_an_eighth() {
        for n in 1..if cfg!(miri) { 1000 } else { 100_000 } {
            let c = class(n);
            assert!(c >= n && (c - n) * 8 <= n, "{n} -> {c}");
        }
    }

    #[test]
    fn steps_of_unlike_arrays_settle_without_fresh_memory() {
        // Not the global pool, which other tests share.
        let mut pool = FreeLists::new();
        let mut step = || {
            let (mut fresh, mut previous) = (0, Vec::new());
            for lines in [4096, 4096, 1024, 2048, 512, 1024, 256] {
                let block = pool.take(lines).unwrap_or_else(|_| {
                    fresh += lines;
                    bytemuck::allocation::zeroed_vec(lines)
                });
                pool.give_back(std::mem::replace(&mut previous, block));
            }
            pool.give_back(previous);
            fresh
        };
        assert!(step() < 2 * 4096 + 2048);
        assert_eq!(step(), 0);
    }
}
