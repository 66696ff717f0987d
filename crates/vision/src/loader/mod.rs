//! Batches: shuffled, transformed, prefetched.
//!
//! The order of samples and every random number depend on (seed, epoch, sample) alone. With no worker, with
//! one or with twenty, and after a restart in mid-epoch, the same batches come out.

mod batch;
mod collate;
mod epoch;
mod mix;
mod prefetch;
mod sampler;

pub use batch::{Batch, Targets};
pub use epoch::Epoch;
pub use mix::Mix;
pub use sampler::epoch_order;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::datasets::Dataset;
use crate::transforms::Pipeline;
use crate::{Result, VisionError};

/// How a [`DataLoader`] makes batches.
#[derive(Clone, Debug, PartialEq)]
pub struct LoaderOptions {
    /// Samples in a batch; the last may have fewer. At least 1.
    pub batch_size: usize,
    /// A new order each epoch, by (seed, epoch), or the dataset's own.
    pub shuffle: bool,
    /// Leave out the last batch when it is not full.
    pub drop_last: bool,
    /// Threads that load and transform ahead of time; with 0 the threads that compute do it when a batch is asked for.
    pub workers: usize,
    /// How many batches may be ready or in the making ahead of the one in use; 0 means two for each worker.
    pub prefetch: usize,
    /// The seed of the order and of all augmentation.
    pub seed: u64,
    /// Leave out samples that cannot be read, and list them in [`DataLoader::broken`], instead of failing.
    pub skip_broken: bool,
    /// Mixup and cutmix, which turn labels into probabilities.
    pub mix: Option<Mix>,
}

impl Default for LoaderOptions {
    /// Batches of 64 in the dataset's order, made when they are asked for.
    fn default() -> Self {
        Self {
            batch_size: 64,
            shuffle: false,
            drop_last: false,
            workers: 0,
            prefetch: 0,
            seed: 0,
            skip_broken: false,
            mix: None,
        }
    }
}

/// Where the memory of a batch comes from: given a number of floats, as many of them, whatever they are.
pub type BufferSource = Arc<dyn Fn(usize) -> Vec<f32> + Send + Sync>;

/// Makes batches of a dataset, epoch after epoch. Cheap to clone.
#[derive(Clone)]
pub struct DataLoader {
    core: Arc<Core>,
}

/// What the workers share.
pub(crate) struct Core {
    dataset: Arc<dyn Dataset>,
    transforms: Pipeline,
    options: LoaderOptions,
    buffers: BufferSource,
    /// Samples that were left out, with the reason.
    broken: Mutex<BTreeMap<usize, String>>,
}

impl DataLoader {
    /// A loader of `dataset`, each sample sent through `transforms`. Batches reuse the memory of those before them,
    /// once these were turned into tensors and dropped.
    ///
    /// # Errors
    /// If an option is out of its range, or there would not be a single batch.
    pub fn new(dataset: Arc<dyn Dataset>, transforms: Pipeline, options: LoaderOptions) -> Result<Self> {
        Self::with_buffers(dataset, transforms, options, Arc::new(cresset_tensor::recycled_vec))
    }

    /// As [`DataLoader::new`], with the memory of each batch taken from `buffers`, so that a pool can take it
    /// back after the step.
    ///
    /// # Errors
    /// As [`DataLoader::new`].
    pub fn with_buffers(
        dataset: Arc<dyn Dataset>,
        transforms: Pipeline,
        options: LoaderOptions,
        buffers: BufferSource,
    ) -> Result<Self> {
        if options.batch_size == 0 {
            return Err(VisionError::option("batch size", 0, "1 or more"));
        }
        if options.workers > 1024 {
            return Err(VisionError::option("workers", options.workers, "0 to 1024"));
        }
        if dataset.is_empty() {
            return Err(VisionError::shape("batch", "the dataset is empty", "expected at least one sample"));
        }
        if options.drop_last && dataset.len() < options.batch_size {
            return Err(VisionError::option(
                "batch size",
                options.batch_size,
                &format!("1 to {} (the number of samples), as incomplete batches are dropped", dataset.len()),
            ));
        }
        let core = Core { dataset, transforms, options, buffers, broken: Mutex::default() };
        Ok(Self { core: Arc::new(core) })
    }

    /// The dataset.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.core.dataset
    }

    /// The options.
    pub fn options(&self) -> &LoaderOptions {
        &self.core.options
    }

    /// The transforms.
    pub fn transforms(&self) -> &Pipeline {
        &self.core.transforms
    }

    /// Batches in an epoch.
    pub fn num_batches(&self) -> usize {
        let (samples, size) = (self.core.dataset.len(), self.core.options.batch_size);
        if self.core.options.drop_last { samples / size } else { samples.div_ceil(size) }
    }

    /// Samples in an epoch.
    pub fn num_samples(&self) -> usize {
        let samples = self.core.dataset.len();
        samples.min(self.num_batches().saturating_mul(self.core.options.batch_size))
    }

    /// The batches of one epoch, from its beginning.
    pub fn epoch(&self, epoch: u64) -> Epoch {
        self.epoch_from(epoch, 0)
    }

    /// The batches of one epoch from batch number `batch` on, exactly as they come when the epoch is run from
    /// its beginning. Nothing that lies before is read.
    pub fn epoch_from(&self, epoch: u64, batch: usize) -> Epoch {
        Epoch::new(Arc::clone(&self.core), epoch, batch.min(self.num_batches()), self.num_batches())
    }

    /// The samples left out so far because they could not be read, each once, as (index, reason). Always empty
    /// without [`LoaderOptions::skip_broken`].
    pub fn broken(&self) -> Vec<(usize, String)> {
        let broken = self.core.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        broken.iter().map(|(index, reason)| (*index, reason.clone())).collect()
    }
}

impl std::fmt::Debug for DataLoader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataLoader")
            .field("samples", &self.core.dataset.len())
            .field("options", &self.core.options)
            .finish_non_exhaustive()
    }
}
