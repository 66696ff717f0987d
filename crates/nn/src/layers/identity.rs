//! Nothing, as `torch.nn.Identity`.

use crate::{Forward, Module};
use cresset_tensor::Tensor;

/// Gives back its input: a placeholder where a model may have a layer or none.
#[derive(Module, Clone, Debug, Default)]
pub struct Identity;

impl Identity {
    /// The placeholder.
    pub fn new() -> Self {
        Self
    }
}

impl Forward for Identity {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.clone()
    }
}
