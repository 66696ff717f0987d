//! Keeps decoded pictures in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::Result;
use crate::datasets::{Dataset, Sample, check_index};

/// Decodes each sample once and keeps it, as long as there is room: for small pictures that are read every epoch.
pub struct Cached {
    dataset: Arc<dyn Dataset>,
    slots: Vec<OnceLock<Sample>>,
    limit: usize,
    used: AtomicUsize,
}

impl Cached {
    /// A cache over `dataset` of at most `limit` bytes of pixels. Which samples find room never changes what
    /// comes out, only how fast.
    pub fn new(dataset: Arc<dyn Dataset>, limit: usize) -> Self {
        let slots = (0..dataset.len()).map(|_| OnceLock::new()).collect();
        Self { dataset, slots, limit, used: AtomicUsize::new(0) }
    }

    /// Bytes of pixels kept so far.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes `bytes` out of what is left, if there is as much.
    fn reserve(&self, bytes: usize) -> bool {
        let take = |used: usize| used.checked_add(bytes).filter(|&used| used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

impl Dataset for Cached {
    fn len(&self) -> usize {
        self.slots.len()
    }

    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        check_index(index, self.len())?;
        if let Some(sample) = self.slots[index].get() {
            return Ok(sample.clone());
        }
        let sample = self.dataset.sample(index)?;
        let bytes = sample.image.pixels().len();
        if self.reserve(bytes) && self.slots[index].set(sample.clone()).is_err() {
            // Another worker was faster with the same sample.
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(sample)
    }

    fn label(&self, index: usize) -> Result<i64> {
        self.dataset.label(index)
    }

    fn image_size(&self) -> Option<(usize, usize)> {
        self.dataset.image_size()
    }

    fn describe(&self, index: usize) -> String {
        self.dataset.describe(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::{Split, digits};

    #[test]
    fn a_cache_changes_nothing_and_keeps_its_limit() {
        let data: Arc<dyn Dataset> = Arc::new(digits::load(Split::Test).unwrap());
        let cached = Cached::new(Arc::clone(&data), 10 * 28 * 28 + 5);
        for _ in 0..2 {
            for index in 0..data.len() {
                assert_eq!(cached.sample(index).unwrap(), data.sample(index).unwrap());
            }
            assert_eq!(cached.used(), 10 * 28 * 28);
        }
        assert!(cached.sample(data.len()).is_err());
    }
}
