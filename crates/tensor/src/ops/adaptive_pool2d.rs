//! 2-D pooling to a given output size, as `torch.nn.functional.adaptive_avg_pool2d` and `adaptive_max_pool2d`.
//!
//! Output row `i` of `n` covers the input rows from `floor(i * height / n)` to `ceil((i + 1) * height / n)`.

use super::images::{IntoPair, images, misfit};
use super::pooled::Pooled;
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::graph;
use crate::op::{Op, apply, apply_and_look};
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::adaptive_pool2d::{self, Geometry};

/// The sizes, or why they do not fit.
fn geometry(op: &'static str, x: &Shape, output: [usize; 2]) -> Result<Geometry, ShapeError> {
    let [batch, channels, height, width] = images(op, x)?;
    let geometry = Geometry { batch, height, width, channels, output };
    geometry.validate().map_err(|e| misfit(op, x, e))?;
    Ok(geometry)
}

fn input(g: &Geometry) -> Array {
    Array::empty_channels_last([g.batch, g.channels, g.height, g.width])
}

fn output(g: &Geometry) -> Array {
    Array::empty_channels_last([g.batch, g.channels, g.output[0], g.output[1]])
}

#[derive(Debug)]
struct AdaptiveAvgPool2d {
    output: [usize; 2],
}

impl Op<1> for AdaptiveAvgPool2d {
    type Saved = Geometry;

    fn name(&self) -> &'static str {
        "adaptive_avg_pool2d"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        geometry(self.name(), x, self.output)?;
        Ok([x[0], x[1], self.output[0], self.output[1]].into())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Geometry) {
        let g = geometry(self.name(), x.shape(), self.output).expect("checked by shape()");
        let mut y = output(&g);
        adaptive_pool2d::avg_forward(&g, x.channels_last().memory(), y.memory_mut());
        (y, g)
    }

    fn backward(&self, g: Geometry, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let mut dx = input(&g);
        adaptive_pool2d::avg_backward(&g, grad.channels_last().memory(), dx.memory_mut());
        [Some(dx)]
    }
}

#[derive(Debug)]
struct AdaptiveMaxPool2d {
    output: [usize; 2],
    /// Whether the places of the maxima are wanted, by backward or by the caller.
    record: bool,
}

/// Where the maxima were.
struct Places {
    geometry: Geometry,
    /// For each output element in memory order (N, H, W, C), the place of its maximum, `h * width + w`.
    indices: Pooled<u32>,
}

impl Places {
    /// The places in the order (N, C, H, W) of the output.
    fn indices(&self) -> Array {
        let g = &self.geometry;
        let positions = g.output[0] * g.output[1];
        let mut indices = Vec::with_capacity(self.indices.len());
        for n in 0..g.batch {
            for c in 0..g.channels {
                let place = |p: usize| i64::from(self.indices[(n * positions + p) * g.channels + c]);
                indices.extend((0..positions).map(place));
            }
        }
        Array::from_i64(indices, [g.batch, g.channels, g.output[0], g.output[1]])
    }
}

impl Op<1> for AdaptiveMaxPool2d {
    type Saved = Places;

    fn name(&self) -> &'static str {
        "adaptive_max_pool2d"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        geometry(self.name(), x, self.output)?;
        Ok([x[0], x[1], self.output[0], self.output[1]].into())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Places) {
        let geometry = geometry(self.name(), x.shape(), self.output).expect("checked by shape()");
        let mut y = output(&geometry);
        let mut indices = Pooled::new(if self.record { y.numel() } else { 0 });
        let record = self.record.then_some(&mut indices[..]);
        adaptive_pool2d::max_forward(&geometry, x.channels_last().memory(), y.memory_mut(), record);
        (y, Places { geometry, indices })
    }

    fn backward(&self, saved: Places, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let mut dx = input(&saved.geometry);
        let dy = grad.channels_last();
        adaptive_pool2d::max_backward(&saved.geometry, dy.memory(), &saved.indices, dx.memory_mut());
        [Some(dx)]
    }
}

impl Tensor {
    /// The mean of images (N, C, H, W) over as many windows as the output has places;
    /// `x.adaptive_avg_pool2d(1)` is global average pooling.
    ///
    /// # Panics
    /// If this is not 4-D or has no height or width.
    #[track_caller]
    pub fn adaptive_avg_pool2d(&self, output_size: impl IntoPair) -> Tensor {
        apply(AdaptiveAvgPool2d { output: output_size.into_pair() }, [self])
    }

    /// The maximum of images (N, C, H, W) over as many windows as the output has places.
    ///
    /// # Panics
    /// If this is not 4-D or has no height or width.
    #[track_caller]
    pub fn adaptive_max_pool2d(&self, output_size: impl IntoPair) -> Tensor {
        let record = graph::is_grad_enabled() && self.needs_grad();
        apply(AdaptiveMaxPool2d { output: output_size.into_pair(), record }, [self])
    }

    /// [`adaptive_max_pool2d`](Self::adaptive_max_pool2d) with the place of each maximum in its image,
    /// `h * width + w`, as PyTorch's `return_indices`.
    ///
    /// # Panics
    /// As `adaptive_max_pool2d`.
    #[track_caller]
    pub fn adaptive_max_pool2d_with_indices(&self, output_size: impl IntoPair) -> (Tensor, Tensor) {
        let op = AdaptiveMaxPool2d { output: output_size.into_pair(), record: true };
        let (y, indices) = apply_and_look(op, [self], Places::indices);
        let indices = indices.unwrap_or_else(|| Array::meta(y.shape(), DType::I64));
        (y, Tensor::constant(indices))
    }
}
