//! Smooth activations: `torch.nn.LeakyReLU`, `Sigmoid`, `Tanh`, `GELU`, `SiLU`.

use crate::{Forward, Module};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Tensor, trace};

/// `x` where positive, else `slope * x` (Maas et al., 2013).
#[derive(Module, Clone, Debug)]
pub struct LeakyReLU {
    name: LayerName,
    slope: f32,
}

impl LeakyReLU {
    /// With this slope for negative numbers; PyTorch's default is 0.01.
    pub fn new(slope: f32) -> Self {
        Self { name: LayerName::default(), slope }
    }

    /// The slope for negative numbers.
    pub fn slope(&self) -> f32 {
        self.slope
    }
}

/// With slope 0.01, as PyTorch.
impl Default for LeakyReLU {
    fn default() -> Self {
        Self::new(0.01)
    }
}

impl Forward for LeakyReLU {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.leaky_relu(self.slope), || 0)
    }
}

/// `1 / (1 + exp(-x))`
#[derive(Module, Clone, Debug, Default)]
pub struct Sigmoid {
    name: LayerName,
}

impl Sigmoid {
    /// The activation as a layer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Forward for Sigmoid {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.sigmoid(), || 0)
    }
}

/// Hyperbolic tangent.
#[derive(Module, Clone, Debug, Default)]
pub struct Tanh {
    name: LayerName,
}

impl Tanh {
    /// The activation as a layer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Forward for Tanh {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.tanh(), || 0)
    }
}

/// `x` times the normal distribution function of `x` (Hendrycks and Gimpel, 2016).
#[derive(Module, Clone, Debug, Default)]
pub struct GELU {
    name: LayerName,
    approximate: bool,
}

impl GELU {
    /// The exact function.
    pub fn new() -> Self {
        Self::default()
    }

    /// The formula with tanh: PyTorch's `approximate="tanh"`.
    pub fn tanh() -> Self {
        Self { approximate: true, ..Self::default() }
    }

    /// Whether this is the formula with tanh.
    pub fn is_approximate(&self) -> bool {
        self.approximate
    }
}

impl Forward for GELU {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(if self.approximate { x.gelu_tanh() } else { x.gelu() }, || 0)
    }
}

/// `x * sigmoid(x)`, also called swish (Elfwing et al., 2017).
#[derive(Module, Clone, Debug, Default)]
pub struct SiLU {
    name: LayerName,
}

impl SiLU {
    /// The activation as a layer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Forward for SiLU {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.silu(), || 0)
    }
}
