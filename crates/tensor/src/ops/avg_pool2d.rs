//! 2-D average pooling, as `torch.nn.functional.avg_pool2d`.

use super::images::{IntoPair, images, misfit};
use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::avg_pool2d::{self, Geometry};

/// Options of [`Tensor::avg_pool2d`]. `2.into()` is a 2x2 window that moves by its own size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2dOptions {
    /// (height, width) of the window.
    pub kernel_size: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Zeros added on both sides; at most half of the window.
    pub padding: [usize; 2],
    /// Whether a last window that hangs over the end counts.
    pub ceil_mode: bool,
    /// Whether padding counts in the divisor.
    pub count_include_pad: bool,
}

impl AvgPool2dOptions {
    /// A window that moves by its own size, without padding (padding, if set, counts in the divisor).
    pub fn new(kernel_size: impl IntoPair) -> Self {
        let kernel_size = kernel_size.into_pair();
        Self { kernel_size, stride: kernel_size, padding: [0, 0], ceil_mode: false, count_include_pad: true }
    }

    /// Sets the step between windows.
    pub fn stride(self, stride: impl IntoPair) -> Self {
        Self { stride: stride.into_pair(), ..self }
    }

    /// Sets the padding on both sides.
    pub fn padding(self, padding: impl IntoPair) -> Self {
        Self { padding: padding.into_pair(), ..self }
    }

    /// Sets whether a last window that hangs over the end counts.
    pub fn ceil_mode(self, ceil_mode: bool) -> Self {
        Self { ceil_mode, ..self }
    }

    /// Sets whether padding counts in the divisor.
    pub fn count_include_pad(self, count_include_pad: bool) -> Self {
        Self { count_include_pad, ..self }
    }
}

impl<K: IntoPair> From<K> for AvgPool2dOptions {
    fn from(kernel_size: K) -> Self {
        Self::new(kernel_size)
    }
}

#[derive(Debug)]
struct AvgPool2d(AvgPool2dOptions);

impl AvgPool2d {
    fn geometry(&self, x: &Shape) -> Result<Geometry, ShapeError> {
        let [batch, channels, height, width] = images("avg_pool2d", x)?;
        Ok(Geometry {
            batch,
            height,
            width,
            channels,
            kernel: self.0.kernel_size,
            stride: self.0.stride,
            padding: self.0.padding,
            ceil_mode: self.0.ceil_mode,
            count_include_pad: self.0.count_include_pad,
        })
    }
}

impl Op<1> for AvgPool2d {
    type Saved = Geometry;

    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        let [rows, columns] = self.geometry(x)?.validate().map_err(|e| misfit(self.name(), x, e))?;
        Ok([x[0], x[1], rows, columns].into())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Geometry) {
        let g = self.geometry(x.shape()).expect("checked by shape()");
        let [rows, columns] = g.output_size();
        let mut y = Array::empty_channels_last([g.batch, g.channels, rows, columns]);
        avg_pool2d::forward(&g, x.channels_last().memory(), y.memory_mut());
        (y, g)
    }

    fn backward(&self, g: Geometry, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let mut dx = Array::empty_channels_last([g.batch, g.channels, g.height, g.width]);
        avg_pool2d::backward(&g, grad.channels_last().memory(), dx.memory_mut());
        [Some(dx)]
    }
}

impl Tensor {
    /// The mean of each window of images (N, C, H, W): `x.avg_pool2d(2)`,
    /// `x.avg_pool2d(AvgPool2dOptions::new(3).stride(2).padding(1))`.
    ///
    /// # Panics
    /// If this is not 4-D or the window does not fit.
    #[track_caller]
    pub fn avg_pool2d(&self, options: impl Into<AvgPool2dOptions>) -> Tensor {
        apply(AvgPool2d(options.into()), [self])
    }
}
