//! Rectified linear unit, as `torch.nn.ReLU`.

use crate::{Forward, Module};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Tensor, trace};

/// `max(x, 0)`, elementwise.
#[derive(Module, Clone, Debug, Default)]
pub struct ReLU {
    name: LayerName,
}

impl ReLU {
    /// The activation as a layer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Forward for ReLU {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.relu(), || 0)
    }
}
