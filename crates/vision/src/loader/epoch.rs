//! One pass over a dataset.

use std::sync::Arc;

use crate::Result;
use crate::loader::prefetch::Prefetch;
use crate::loader::{Batch, Core, epoch_order};

/// The batches of one epoch, in order. Ends after the first error.
///
/// Dropping it early stops and joins its workers.
pub struct Epoch {
    plan: Arc<Plan>,
    next: usize,
    prefetch: Option<Prefetch>,
}

/// Which samples make up which batch.
pub(crate) struct Plan {
    pub core: Arc<Core>,
    pub epoch: u64,
    /// The samples in the order of their visit.
    pub order: Vec<usize>,
    /// Batches in the whole epoch.
    pub batches: usize,
}

impl Plan {
    /// Makes batch number `position`; `None` when no sample of it is left.
    pub fn batch(&self, position: usize, cancelled: &(dyn Fn() -> bool + Sync)) -> Result<Option<Batch>> {
        let size = self.core.options.batch_size;
        let end = self.order.len().min((position + 1).saturating_mul(size));
        self.core.batch(self.epoch, position, &self.order[position * size..end], cancelled)
    }
}

impl Epoch {
    pub(crate) fn new(core: Arc<Core>, epoch: u64, first: usize, batches: usize) -> Self {
        let samples = core.dataset.len();
        let options = &core.options;
        let order =
            if options.shuffle { epoch_order(samples, options.seed, epoch) } else { (0..samples).collect() };
        // A thread more than there are batches would have nothing to do.
        let workers = options.workers.min(batches - first);
        let ahead = if options.prefetch == 0 { workers * 2 } else { options.prefetch.max(1) };
        let plan = Arc::new(Plan { core, epoch, order, batches });
        let prefetch = (workers > 0).then(|| Prefetch::start(&plan, first, workers, ahead));
        Self { plan, next: first, prefetch }
    }

    /// The number of the batch that comes next.
    pub fn position(&self) -> usize {
        self.next
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next < self.plan.batches {
            let position = self.next;
            self.next += 1;
            let made = match &mut self.prefetch {
                Some(prefetch) => prefetch.take(position),
                None => self.plan.batch(position, &|| false),
            };
            match made {
                Ok(Some(batch)) => return Some(Ok(batch)),
                Ok(None) => {} // every sample of it was broken and is skipped
                Err(error) => {
                    self.next = self.plan.batches;
                    self.prefetch = None;
                    return Some(Err(error));
                }
            }
        }
        self.prefetch = None;
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.plan.batches - self.next;
        (if self.plan.core.options.skip_broken { 0 } else { left }, Some(left))
    }
}

impl std::fmt::Debug for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Epoch {} at batch {} of {}", self.plan.epoch, self.next, self.plan.batches)
    }
}
