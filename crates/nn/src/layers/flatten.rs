//! Merging dimensions, as `torch.nn.Flatten`.

use crate::{Forward, Module};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Tensor, trace};

/// Merges a run of dimensions into one; by default all but the batch: (N, C, H, W) to (N, C H W).
#[derive(Module, Clone, Debug)]
pub struct Flatten {
    name: LayerName,
    start_dim: isize,
    end_dim: isize,
}

impl Flatten {
    /// Merges all dimensions but the first.
    pub fn new() -> Self {
        Self::dims(1, -1)
    }

    /// Merges dimensions `start` to `end`, both included; negative ones count from the back.
    pub fn dims(start: isize, end: isize) -> Self {
        Self { name: LayerName::default(), start_dim: start, end_dim: end }
    }

    /// The first and the last dimension that are merged.
    pub fn merged(&self) -> (isize, isize) {
        (self.start_dim, self.end_dim)
    }
}

impl Default for Flatten {
    fn default() -> Self {
        Self::new()
    }
}

impl Forward for Flatten {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.flatten_dims(self.start_dim, self.end_dim), || 0)
    }
}
