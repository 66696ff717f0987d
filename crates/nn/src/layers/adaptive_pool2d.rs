//! Pooling to a given size, as `torch.nn.AdaptiveAvgPool2d` and `AdaptiveMaxPool2d`.

use crate::{Forward, Module};
use cresset_tensor::ops::IntoPair;
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Tensor, trace};

/// Averages images (N, C, H, W) down to (N, C, height, width), whatever their size.
#[derive(Module, Clone, Debug)]
pub struct AdaptiveAvgPool2d {
    name: LayerName,
    output_size: [usize; 2],
}

impl AdaptiveAvgPool2d {
    /// To `1` by 1 (global average pooling), or any `[height, width]`.
    pub fn new(output_size: impl IntoPair) -> Self {
        Self { name: LayerName::default(), output_size: output_size.into_pair() }
    }

    /// (height, width) of the output.
    pub fn output_size(&self) -> [usize; 2] {
        self.output_size
    }
}

impl Forward for AdaptiveAvgPool2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.adaptive_avg_pool2d(self.output_size), || 0)
    }
}

/// Keeps the maxima of images (N, C, H, W) over (N, C, height, width) windows, whatever their size.
#[derive(Module, Clone, Debug)]
pub struct AdaptiveMaxPool2d {
    name: LayerName,
    output_size: [usize; 2],
}

impl AdaptiveMaxPool2d {
    /// To `1` by 1 (global max pooling), or any `[height, width]`.
    pub fn new(output_size: impl IntoPair) -> Self {
        Self { name: LayerName::default(), output_size: output_size.into_pair() }
    }

    /// (height, width) of the output.
    pub fn output_size(&self) -> [usize; 2] {
        self.output_size
    }
}

impl Forward for AdaptiveMaxPool2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.adaptive_max_pool2d(self.output_size), || 0)
    }
}
