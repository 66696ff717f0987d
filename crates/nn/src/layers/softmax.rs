//! Softmax, as `torch.nn.Softmax`.

use crate::{Forward, Module};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Tensor, trace};

/// Makes probabilities that sum to 1 along a dimension.
///
/// Not to be put before `cross_entropy`, which takes logits and refuses probabilities.
#[derive(Module, Clone, Debug)]
pub struct Softmax {
    name: LayerName,
    dim: isize,
}

impl Softmax {
    /// Along dimension `dim`; negative ones count from the back.
    pub fn new(dim: isize) -> Self {
        Self { name: LayerName::default(), dim }
    }

    /// The dimension.
    pub fn dim(&self) -> isize {
        self.dim
    }
}

impl Forward for Softmax {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.softmax(self.dim), || 0)
    }
}
