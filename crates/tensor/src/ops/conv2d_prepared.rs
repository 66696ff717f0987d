//! A convolution whose weights are packed once: what inference repeats for every batch.

use super::conv2d::{Conv2dOptions, output_shape};
use super::conv2d_fused::check_residual;
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::profile::{self, Cost, Pass};
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::conv2d as kernels;
use cresset_kernels::conv2d::choose::{self, Algorithm};

/// `max(0, conv2d(x, weight) + bias + residual)` with a weight that does not change. Not differentiable: for use in
/// [`no_grad`](crate::no_grad).
#[derive(Debug)]
pub struct PreparedConv2d {
    kernel: kernels::PreparedConv2d,
    weight: Shape,
    options: Conv2dOptions,
}

impl PreparedConv2d {
    /// The algorithm that is best on inputs of shape `input`, for a weight (O, C / groups, kh, kw).
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn algorithm_for(weight: &Shape, options: &Conv2dOptions, input: &Shape) -> Algorithm {
        Algorithm::choose(choose::Pass::Forward, &or_panic(options.geometry(input, weight)))
    }

    /// Packs a weight (O, C / groups, kh, kw) and a bias (O) for the [algorithm](Self::algorithm_for) that is best
    /// on inputs of shape `input`. It is used for others of as many channels too, and the last bits of a result
    /// depend on it.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn new(weight: &Array, bias: Option<&Array>, options: &Conv2dOptions, input: &Shape) -> Self {
        let geometry = or_panic(options.geometry(input, weight.shape()));
        let (packed, bias) = (weight.channels_last(), bias.map(Array::contiguous));
        let kernel =
            kernels::PreparedConv2d::new(&geometry, packed.memory(), bias.as_ref().map(Array::memory))
                .unwrap_or_else(|e| panic!("{e}"));
        Self { kernel, weight: weight.shape().clone(), options: *options }
    }

    /// Runs the convolution on (N, C, H, W), adds a residual if given, and clamps at zero if `relu`. The result takes the
    /// residual's place in memory where the kernel can and nobody else holds it.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, residual: Option<Tensor>, relu: bool) -> Tensor {
        let geometry = or_panic(self.options.geometry(x.shape(), &self.weight));
        let mut residual = residual.map(|r| {
            or_panic(check_residual("conv2d", r.shape(), &geometry));
            r.into_array().to_dtype(DType::F32).channels_last()
        });
        let x = x.array().to_dtype(DType::F32).channels_last();
        let input = [geometry.batch, geometry.in_height, geometry.in_width];
        let span = profile::begin("conv2d", Pass::Forward).by(|| self.kernel.algorithm().name());
        let adds = residual.is_some();
        let unshared = residual.as_mut().is_some_and(Array::is_unique);
        let y = match residual {
            Some(mut y) if unshared && self.kernel.adds_in_place() => {
                self.kernel.forward_onto(input, x.memory(), relu, y.memory_mut());
                y
            }
            residual => {
                let mut y = Array::empty_channels_last(output_shape(&geometry));
                let add = residual.as_ref().map(Array::memory);
                self.kernel.forward(input, x.memory(), add, relu, y.memory_mut());
                y
            }
        };
        span.end(|| {
            let inputs = [&x].into_iter().chain(adds.then_some(&y));
            let Cost { macs, read, written } = Cost::new(geometry.macs(), inputs, [&y]);
            Cost { macs, read: read + (self.weight.numel() * size_of::<f32>()) as u64, written }
        });
        Tensor::constant(y)
    }
}

#[track_caller]
fn or_panic<T>(result: Result<T, ShapeError>) -> T {
    result.unwrap_or_else(|e| panic!("{e}"))
}
