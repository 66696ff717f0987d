//! Max pooling, as `torch.nn.MaxPool2d`.

use super::avg_pool2d::check_window;
use super::error::{LayerError, or_panic};
use crate::{Forward, Module};
use cresset_tensor::ops::MaxPool2dOptions;
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Tensor, trace};

/// The largest element of each window: (N, C, H, W) to (N, C, H', W').
#[derive(Module, Clone, Debug)]
pub struct MaxPool2d {
    name: LayerName,
    #[module(skip)]
    options: MaxPool2dOptions,
}

impl MaxPool2d {
    /// `MaxPool2d::new(2)`, or with more settings
    /// `MaxPool2d::new(MaxPool2dOptions::new(3).stride(2).padding(1))`.
    ///
    /// # Panics
    /// Where [`try_new`](Self::try_new) gives an error.
    #[track_caller]
    pub fn new(options: impl Into<MaxPool2dOptions>) -> Self {
        or_panic(Self::try_new(options))
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    /// If a size is 0, or the padding is more than half of the window.
    pub fn try_new(options: impl Into<MaxPool2dOptions>) -> Result<Self, LayerError> {
        let options = options.into();
        let MaxPool2dOptions { kernel_size, stride, padding, dilation, .. } = options;
        check_window("MaxPool2d", kernel_size, stride, padding, dilation)?;
        Ok(Self { name: LayerName::default(), options })
    }

    /// The window and how it moves.
    pub fn options(&self) -> &MaxPool2dOptions {
        &self.options
    }
}

impl Forward for MaxPool2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.max_pool2d(self.options), || 0)
    }
}
