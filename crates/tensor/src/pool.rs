//! The buffer pool: float buffers, aligned to a cache line, that are reused instead of returned to the system.
//!
//! A training step allocates the same sizes again and again, and fresh pages cost more (the kernel zeroes and
//! maps each at first touch) than many of the kernels that fill them. A freed buffer therefore goes back to a
//! free list of its size class; the next request of that class takes it with whatever it contains. No `unsafe`:
//! every block was zeroed once when it was created, so its contents are always initialized floats.

use bytemuck::{Pod, Zeroable};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// 64 bytes: a cache line, and one AVX-512 register.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; LANES]);
const LANES: usize = 16;

/// Free blocks by their length in lines.
static FREE: Mutex<FreeLists> = Mutex::new(FreeLists { blocks: BTreeMap::new(), lines: 0 });

struct FreeLists {
    blocks: BTreeMap<usize, Vec<Vec<Line>>>,
    lines: usize,
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

/// Lines handed out and not yet returned, and the most of them there have been at once.
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn take(lines: usize) -> Vec<Line> {
    let block = find_or_allocate(class(lines));
    let in_use = IN_USE.fetch_add(block.len(), Relaxed) + block.len();
    PEAK.fetch_max(in_use, Relaxed);
    block
}

fn find_or_allocate(class: usize) -> Vec<Line> {
    let mut free = FREE.lock().unwrap_or_else(|e| e.into_inner());
    // A block up to a quarter too large is still better than fresh pages.
    let found = free.blocks.range_mut(class..=class + class / 4).find_map(|(_, list)| list.pop());
    if let Some(block) = found {
        free.lines -= block.len();
        return block;
    }
    // Nothing fits: give back what has been idle rather than let two working sets pile up.
    let evicted = if free.lines > class { free.evict(class) } else { Vec::new() };
    drop(free);
    drop(evicted);
    bytemuck::allocation::zeroed_vec(class)
}

impl FreeLists {
    /// Removes idle blocks, largest first, until as many lines as are about to be allocated have gone.
    fn evict(&mut self, lines: usize) -> Vec<Vec<Line>> {
        let mut evicted = Vec::new();
        let mut freed = 0;
        while freed < lines {
            let Some(mut list) = self.blocks.last_entry() else { break };
            match list.get_mut().pop() {
                Some(block) => {
                    freed += block.len();
                    evicted.push(block);
                }
                None => drop(list.remove()),
            }
        }
        self.lines -= freed;
        evicted
    }
}

/// Returns all idle blocks to the system.
pub fn release_idle_memory() {
    let blocks = {
        let mut free = FREE.lock().unwrap_or_else(|e| e.into_inner());
        free.lines = 0;
        std::mem::take(&mut free.blocks)
    };
    drop(blocks);
}

/// Bytes that arrays hold in buffers from the pool now. Memory of a caller's `Vec` is not counted.
pub fn memory_in_use() -> usize {
    IN_USE.load(Relaxed) * size_of::<Line>()
}

/// The most bytes that arrays held at once since the start or [`reset_peak_memory`].
pub fn peak_memory() -> usize {
    PEAK.load(Relaxed) * size_of::<Line>()
}

/// Starts measuring [`peak_memory`] anew, from what is in use now.
pub fn reset_peak_memory() {
    PEAK.store(IN_USE.load(Relaxed), Relaxed);
}

/// A fixed-length run of floats. Comes from the pool and returns to it, unless it wraps a caller's `Vec`.
pub(crate) enum Floats {
    Pooled { lines: Vec<Line>, len: usize },
    Owned(Vec<f32>),
}

impl Floats {
    /// `len` floats of unspecified value (NaN in debug builds, so that a kernel that forgets one is noticed).
    pub fn new(len: usize) -> Self {
        let mut floats = Floats::Pooled { lines: take(len.div_ceil(LANES)), len };
        if cfg!(debug_assertions) {
            floats.fill(f32::NAN);
        }
        floats
    }
}

impl Drop for Floats {
    fn drop(&mut self) {
        if let Floats::Pooled { lines, .. } = self {
            let lines = std::mem::take(lines);
            IN_USE.fetch_sub(lines.len(), Relaxed);
            let mut free = FREE.lock().unwrap_or_else(|e| e.into_inner());
            free.lines += lines.len();
            free.blocks.entry(lines.len()).or_default().push(lines);
        }
    }
}

impl Deref for Floats {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match self {
            Floats::Pooled { lines, len } => &bytemuck::cast_slice(lines)[..*len],
            Floats::Owned(v) => v,
        }
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        match self {
            Floats::Pooled { lines, len } => &mut bytemuck::cast_slice_mut(lines)[..*len],
            Floats::Owned(v) => v,
        }
    }
}

impl Clone for Floats {
    fn clone(&self) -> Self {
        let mut copy = Floats::Pooled { lines: take(self.len().div_ceil(LANES)), len: self.len() };
        copy.copy_from_slice(self);
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_block_is_used_again() {
        let first = Floats::new(123_457);
        let address = first.as_ptr();
        drop(first);
        let again = Floats::new(123_000);
        assert_eq!((again.as_ptr(), again.len()), (address, 123_000));
        assert_eq!(address as usize % 64, 0);
    }

    #[test]
    fn classes_waste_at_most_an_eighth() {
        for n in 1..100_000 {
            let c = class(n);
            assert!(c >= n && (c - n) * 8 <= n, "{n} -> {c}");
        }
    }
}
