//! Fully connected layer, as `torch.nn.Linear`.

use super::error::{LayerError, or_panic};
use crate::{Forward, Module, ModuleExt, Param, init};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Array, Generator, Tensor, trace};

/// `y = x W^T + b`: (..., in) to (..., out).
#[derive(Module, Clone, Debug)]
pub struct Linear {
    name: LayerName,
    /// (out, in)
    pub weight: Param,
    /// (out)
    pub bias: Option<Param>,
}

impl Linear {
    /// A layer with bias, initialized as PyTorch's: uniform in ±1/√in.
    ///
    /// # Panics
    /// If a size is 0.
    #[track_caller]
    pub fn new(in_features: usize, out_features: usize, rng: &mut Generator) -> Self {
        Self::builder(in_features, out_features).build(rng)
    }

    /// Starts from [`new`](Self::new)'s settings.
    pub fn builder(in_features: usize, out_features: usize) -> LinearBuilder {
        LinearBuilder { in_features, out_features, bias: true }
    }

    /// Numbers an input row has.
    pub fn in_features(&self) -> usize {
        self.weight.shape()[1]
    }

    /// Numbers an output row has.
    pub fn out_features(&self) -> usize {
        self.weight.shape()[0]
    }

    /// The layer's place in its model, for code that computes the layer otherwise.
    pub fn layer_name(&self) -> &LayerName {
        &self.name
    }
}

impl Forward for Linear {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        let bias = self.bias.as_ref().map(Param::tensor);
        layer.leave(x.linear(&self.weight.tensor(), bias.as_ref()), || self.num_parameters())
    }
}

/// Settings of a [`Linear`].
#[derive(Clone, Copy, Debug)]
#[must_use = "call build()"]
pub struct LinearBuilder {
    in_features: usize,
    out_features: usize,
    bias: bool,
}

impl LinearBuilder {
    /// Whether to add a bias.
    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Makes the layer.
    ///
    /// # Panics
    /// Where [`try_build`](Self::try_build) gives an error.
    #[track_caller]
    pub fn build(self, rng: &mut Generator) -> Linear {
        or_panic(self.try_build(rng))
    }

    /// Makes the layer.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn try_build(self, rng: &mut Generator) -> Result<Linear, LayerError> {
        let Self { in_features, out_features, bias } = self;
        LayerError::check_positive(
            "Linear",
            &[("in_features", in_features), ("out_features", out_features)],
        )?;
        let weight = Param::new(Array::empty([out_features, in_features]));
        let bias = bias.then(|| Param::new(Array::empty([out_features])));
        init::layer_default(&weight, bias.as_ref(), rng);
        Ok(Linear { name: LayerName::default(), weight, bias })
    }
}
