//! Weights packed for inference, kept as long as nothing they were made from changes.

use cresset_kernels::conv2d::choose::Algorithm;
use cresset_tensor::ops::PreparedConv2d;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A place for a prepared convolution, and the versions of the parameters and buffers it was made from.
///
/// There is one for each algorithm, because which is best depends on the size of the batch: the bits of a result
/// must not depend on the batches before it. A copy of a layer starts with an empty cache.
#[derive(Default)]
pub(crate) struct PreparedCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    versions: Vec<u64>,
    prepared: Vec<(Algorithm, Arc<PreparedConv2d>)>,
}

impl PreparedCache {
    /// What is kept for `versions` and an algorithm, else what `prepare` makes.
    pub fn get(
        &self,
        versions: Vec<u64>,
        algorithm: Algorithm,
        prepare: impl FnOnce() -> PreparedConv2d,
    ) -> Arc<PreparedConv2d> {
        let mut kept = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if kept.versions != versions {
            *kept = Kept { versions, prepared: Vec::new() };
        }
        if let Some((_, prepared)) = kept.prepared.iter().find(|(of, _)| *of == algorithm) {
            return prepared.clone();
        }
        let prepared = Arc::new(prepare());
        kept.prepared.push((algorithm, prepared.clone()));
        prepared
    }

    /// Frees what is kept: training changes the weights at every step.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = Kept::default();
    }
}

impl Clone for PreparedCache {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for PreparedCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreparedCache")
    }
}
