//! Convolution, plus a residual, then ReLU, in one pass: what an inference network is made of once batch
//! normalization is folded into the weights.

use super::conv2d::{Conv2dOptions, Operands, Saved, output_shape};
use super::optional::{given, is_given, one_a_channel, or_absent};
use super::relu;
use crate::array::Array;
use crate::autocast;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::recompute::Source;
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::conv2d::{Conv2dGeometry, Epilogue};

/// `y = max(0, conv2d(x, w) + b + residual)`, each part if wanted.
#[derive(Debug)]
struct Conv2dFused {
    options: Conv2dOptions,
    relu: bool,
    /// Where backward finds the input, if not in memory.
    source: Option<Source>,
}

/// Checks that a residual, if given, has the shape of the convolution's output.
pub(super) fn check_residual(
    op: &'static str,
    residual: &Shape,
    geometry: &Conv2dGeometry,
) -> Result<(), ShapeError> {
    let expected = output_shape(geometry);
    if is_given(residual) && *residual != expected {
        return Err(ShapeError::new(
            op,
            format!("the residual has shape {residual}, the convolution's output {expected}"),
        ));
    }
    Ok(())
}

impl Op<4> for Conv2dFused {
    const BF16: bool = true;
    /// The convolution, and the output if there was a ReLU.
    type Saved = (Saved, Option<Array>);

    fn name(&self) -> &'static str {
        "conv2d_fused"
    }

    fn shape(&self, [x, w, b, residual]: [&Shape; 4]) -> Result<Shape, ShapeError> {
        let geometry = self.options.geometry(x, w)?;
        one_a_channel(self.name(), "the bias", b, geometry.out_channels, x)?;
        check_residual(self.name(), residual, &geometry)?;
        Ok(output_shape(&geometry))
    }

    fn forward(&self, [x, w, b, residual]: [&Array; 4]) -> (Array, Self::Saved) {
        let operands = Operands::new(&self.options, x, w);
        let bias = given(b).map(Array::contiguous);
        let residual = given(residual).map(Array::channels_last);
        let epilogue =
            Epilogue { bias: bias.as_ref().map(Array::memory), relu: self.relu, ..Default::default() };
        let y = operands.forward(epilogue, residual.as_ref());
        let saved = operands.saved(self.source.as_ref());
        (y.clone(), (saved, self.relu.then_some(y)))
    }

    fn backward(&self, saved: Self::Saved, grad: Array, needs: [bool; 4]) -> [Option<Array>; 4] {
        self.backward_onto(saved, grad, needs, &mut [const { None }; 4])
    }

    fn backward_onto(
        &self,
        (saved, y): Self::Saved,
        grad: Array,
        needs: [bool; 4],
        sums: &mut [Option<Array>; 4],
    ) -> [Option<Array>; 4] {
        let grad = if let Some(y) = y { relu::gradient(&y, grad) } else { grad };
        let dy = grad.channels_last();
        drop(grad);
        let db = needs[2].then(|| saved.bias_gradient(&dy));
        let [dx, dw] = saved.backward(&dy, [needs[0], needs[1]], sums[0].take());
        [dx, dw, db, needs[3].then_some(dy)]
    }

    fn macs(&self, [x, w, ..]: [&Shape; 4], _: &Shape) -> u64 {
        self.options.geometry(x, w).map_or(0, |g| g.macs())
    }
}

/// `max(0, conv2d(x, weight) + bias + residual)`: bias (O) and residual (of the output's shape) if given, the
/// maximum if `relu`.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn conv2d_fused(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    residual: Option<&Tensor>,
    relu: bool,
    options: &Conv2dOptions,
) -> Tensor {
    let x = autocast::operand(x);
    let residual = residual.map(|r| r.to_dtype(x.dtype()));
    let op = Conv2dFused { options: *options, relu, source: Source::of(&x) };
    apply(op, [&x, weight, &or_absent(bias), &or_absent(residual.as_ref())])
}
