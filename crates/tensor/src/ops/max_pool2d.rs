//! 2-D max pooling, as `torch.nn.functional.max_pool2d`.

use super::images::{IntoPair, images, misfit};
use super::pooled::Pooled;
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::float::with_float;
use crate::graph;
use crate::op::{Op, apply, apply_and_look};
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::max_pool2d::{self, Geometry};

/// Options of [`Tensor::max_pool2d`]. `2.into()` is a 2x2 window that moves by its own size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2dOptions {
    /// (height, width) of the window.
    pub kernel_size: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Negative infinity added on both sides; at most half of the window.
    pub padding: [usize; 2],
    /// Step between the elements of one window.
    pub dilation: [usize; 2],
    /// Whether a last window that hangs over the end counts.
    pub ceil_mode: bool,
}

impl MaxPool2dOptions {
    /// A window that moves by its own size, without padding.
    pub fn new(kernel_size: impl IntoPair) -> Self {
        let kernel_size = kernel_size.into_pair();
        Self { kernel_size, stride: kernel_size, padding: [0, 0], dilation: [1, 1], ceil_mode: false }
    }

    /// Sets the step between windows.
    pub fn stride(self, stride: impl IntoPair) -> Self {
        Self { stride: stride.into_pair(), ..self }
    }

    /// Sets the padding on both sides.
    pub fn padding(self, padding: impl IntoPair) -> Self {
        Self { padding: padding.into_pair(), ..self }
    }

    /// Sets the step between the elements of one window.
    pub fn dilation(self, dilation: impl IntoPair) -> Self {
        Self { dilation: dilation.into_pair(), ..self }
    }

    /// Sets whether a last window that hangs over the end counts.
    pub fn ceil_mode(self, ceil_mode: bool) -> Self {
        Self { ceil_mode, ..self }
    }

    pub(super) fn geometry(&self, [batch, channels, height, width]: [usize; 4]) -> Geometry {
        Geometry {
            batch,
            height,
            width,
            channels,
            kernel: self.kernel_size,
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            ceil_mode: self.ceil_mode,
        }
    }
}

impl<K: IntoPair> From<K> for MaxPool2dOptions {
    fn from(kernel_size: K) -> Self {
        Self::new(kernel_size)
    }
}

#[derive(Debug)]
struct MaxPool2d {
    options: MaxPool2dOptions,
    /// Whether the places of the maxima are wanted, by backward or by the caller.
    record: bool,
}

impl MaxPool2d {
    fn geometry(&self, x: &Shape) -> Result<Geometry, ShapeError> {
        Ok(self.options.geometry(images("max_pool2d", x)?))
    }
}

/// Where the maxima were.
struct Places {
    geometry: Geometry,
    /// For each output element in memory order (N, H, W, C), the number of the window element that won.
    taps: Pooled<u16>,
}

impl Places {
    /// The places as PyTorch counts them: `h * width + w` in the input, of each output element (N, C, H, W).
    fn indices(&self) -> Array {
        let g = &self.geometry;
        let [rows, columns] = g.output_size();
        let mut indices = Vec::with_capacity(self.taps.len());
        for n in 0..g.batch {
            for c in 0..g.channels {
                for row in 0..rows {
                    for column in 0..columns {
                        let at = ((n * rows + row) * columns + column) * g.channels + c;
                        let tap = usize::from(self.taps[at]);
                        let (kh, kw) = (tap / g.kernel[1], tap % g.kernel[1]);
                        let h = row * g.stride[0] + kh * g.dilation[0] - g.padding[0];
                        let w = column * g.stride[1] + kw * g.dilation[1] - g.padding[1];
                        indices.push((h * g.width + w) as i64);
                    }
                }
            }
        }
        Array::from_i64(indices, [g.batch, g.channels, rows, columns])
    }
}

impl Op<1> for MaxPool2d {
    const BF16: bool = true;
    type Saved = Places;

    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        let geometry = self.geometry(x)?;
        let [rows, columns] = geometry.validate().map_err(|e| misfit(self.name(), x, e))?;
        Ok([x[0], x[1], rows, columns].into())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Places) {
        let geometry = self.geometry(x.shape()).expect("checked by shape()");
        let [rows, columns] = geometry.output_size();
        let mut taps = Pooled::new(if self.record { geometry.output_len() } else { 0 });
        let record = self.record.then_some(&mut taps[..]);
        let y = with_float!(x, E => {
            let shape = [geometry.batch, geometry.channels, rows, columns];
            let mut y = Array::empty_channels_last_of::<E>(shape);
            max_pool2d::forward::<E>(&geometry, x.channels_last().memory_of(), y.memory_of_mut(), record);
            y
        });
        (y, Places { geometry, taps })
    }

    fn backward(&self, saved: Places, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let g = saved.geometry;
        with_float!(grad, E => {
            let mut dx = Array::empty_channels_last_of::<E>([g.batch, g.channels, g.height, g.width]);
            max_pool2d::backward::<E>(&g, grad.channels_last().memory_of(), &saved.taps, dx.memory_of_mut());
            [Some(dx)]
        })
    }
}

impl Tensor {
    /// The largest element of each window of images (N, C, H, W): `x.max_pool2d(2)`,
    /// `x.max_pool2d(MaxPool2dOptions::new(3).stride(2).padding(1))`.
    ///
    /// The first of equal maxima gets the gradient; NaN counts as larger than every number.
    ///
    /// # Panics
    /// If this is not 4-D or the window does not fit.
    #[track_caller]
    pub fn max_pool2d(&self, options: impl Into<MaxPool2dOptions>) -> Tensor {
        let record = graph::is_grad_enabled() && self.needs_grad();
        apply(MaxPool2d { options: options.into(), record }, [self])
    }

    /// [`max_pool2d`](Self::max_pool2d) with the place of each maximum in its image, `h * width + w`: an integer
    /// tensor of the output's shape, as PyTorch's `return_indices`.
    ///
    /// # Panics
    /// As `max_pool2d`.
    #[track_caller]
    pub fn max_pool2d_with_indices(&self, options: impl Into<MaxPool2dOptions>) -> (Tensor, Tensor) {
        let op = MaxPool2d { options: options.into(), record: true };
        let (y, indices) = apply_and_look(op, [self], Places::indices);
        let indices = indices.unwrap_or_else(|| Array::meta(y.shape(), DType::I64));
        (y, Tensor::constant(indices))
    }
}
