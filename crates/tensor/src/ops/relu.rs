//! Rectified linear unit, as `torch.relu`.

use crate::array::Array;
use crate::error::ShapeError;
use crate::float::with_float;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::pointwise;

/// `y = max(x, 0)`. Saves its output, which the next layer holds anyway.
#[derive(Debug)]
struct Relu;

impl Op<1> for Relu {
    const BF16: bool = true;
    type Saved = Array;

    fn name(&self) -> &'static str {
        "relu"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(x.clone())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Array) {
        let x = x.dense();
        let y = with_float!(x, E => {
            let mut y = Array::empty_like_of::<E>(&x);
            pointwise::relu(x.memory_of::<E>(), y.memory_of_mut());
            y
        });
        (y.clone(), y)
    }

    fn backward(&self, y: Array, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        [Some(gradient(&y, grad))]
    }
}

/// The gradient by what a ReLU made `y` of, in the layout of `y`: in the place of `grad` if nobody else holds that.
pub(super) fn gradient(y: &Array, grad: Array) -> Array {
    let mut dy = grad.in_layout_of(y);
    drop(grad);
    with_float!(y, E => {
        if dy.is_unique() {
            pointwise::relu_backward_in_place(y.memory_of::<E>(), dy.memory_of_mut());
            return dy;
        }
        let mut dx = Array::empty_like_of::<E>(y);
        pointwise::relu_backward(y.memory_of::<E>(), dy.memory_of(), dx.memory_of_mut());
        dx
    })
}

impl Tensor {
    /// `max(x, 0)`; NaN stays NaN, and the gradient at 0 is 0.
    #[track_caller]
    pub fn relu(&self) -> Tensor {
        apply(Relu, [self])
    }
}
