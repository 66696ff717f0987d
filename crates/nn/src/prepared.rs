//! Weights packed for inference, kept as long as nothing they were made from changes.

use cresset_tensor::ops::PreparedConv2d;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A place for one prepared convolution, and the versions of the parameters and buffers it was made from.
///
/// A copy of a layer starts with an empty one.
#[derive(Default)]
pub(crate) struct PreparedCache(Mutex<Option<(Vec<u64>, Arc<PreparedConv2d>)>>);

impl PreparedCache {
    /// What is kept for `versions`, else what `prepare` makes.
    pub fn get(&self, versions: Vec<u64>, prepare: impl FnOnce() -> PreparedConv2d) -> Arc<PreparedConv2d> {
        let mut kept = self.0.lock().unwrap_or_else(|e| e.into_inner());
        match &*kept {
            Some((of, prepared)) if *of == versions => prepared.clone(),
            _ => {
                let prepared = Arc::new(prepare());
                *kept = Some((versions, prepared.clone()));
                prepared
            }
        }
    }

    /// Frees what is kept: training changes the weights at every step.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = None;
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
