//! Average pooling, as `torch.nn.AvgPool2d`.

use super::error::{LayerError, or_panic};
use crate::{Forward, Module};
use cresset_tensor::ops::AvgPool2dOptions;
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Tensor, trace};

/// The mean of each window: (N, C, H, W) to (N, C, H', W').
#[derive(Module, Clone, Debug)]
pub struct AvgPool2d {
    name: LayerName,
    #[module(skip)]
    options: AvgPool2dOptions,
}

impl AvgPool2d {
    /// `AvgPool2d::new(2)`, or with more settings `AvgPool2d::new(AvgPool2dOptions::new(3).stride(2).padding(1))`.
    ///
    /// # Panics
    /// Where [`try_new`](Self::try_new) gives an error.
    #[track_caller]
    pub fn new(options: impl Into<AvgPool2dOptions>) -> Self {
        or_panic(Self::try_new(options))
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    /// If a size is 0, or the padding is more than half of the window.
    pub fn try_new(options: impl Into<AvgPool2dOptions>) -> Result<Self, LayerError> {
        let options = options.into();
        let AvgPool2dOptions { kernel_size, stride, padding, .. } = options;
        check_window("AvgPool2d", kernel_size, stride, padding, [1, 1])?;
        Ok(Self { name: LayerName::default(), options })
    }

    /// The window and how it moves.
    pub fn options(&self) -> &AvgPool2dOptions {
        &self.options
    }
}

/// What every pooling window must obey.
pub(super) fn check_window(
    layer: &'static str,
    kernel_size: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
) -> Result<(), LayerError> {
    LayerError::check_positive(
        layer,
        &[
            ("kernel height", kernel_size[0]),
            ("kernel width", kernel_size[1]),
            ("stride", stride[0].min(stride[1])),
            ("dilation", dilation[0].min(dilation[1])),
        ],
    )?;
    if padding[0] > kernel_size[0] / 2 || padding[1] > kernel_size[1] / 2 {
        return Err(LayerError::new(
            layer,
            format!(
                "padding must be at most half of the kernel size, found padding {padding:?} with kernel size \
                 {kernel_size:?}"
            ),
        ));
    }
    Ok(())
}

impl Forward for AvgPool2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        layer.leave(x.avg_pool2d(self.options), || 0)
    }
}
