//! Another type of floats, as `torch.Tensor.to` between float32 and bfloat16.

use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The same numbers as floats of this type; the gradient has the type of the input.
#[derive(Debug)]
struct Cast(DType);

impl Op<1> for Cast {
    const BF16: bool = true;
    /// The input's type.
    type Saved = DType;

    fn name(&self) -> &'static str {
        "to_dtype"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(x.clone())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, DType) {
        (x.to_dtype(self.0), x.dtype())
    }

    fn backward(&self, dtype: DType, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        [Some(grad.to_dtype(dtype))]
    }
}

impl Tensor {
    /// Converts the element type. Between float32 and bfloat16 that is differentiated; otherwise the result is detached
    /// unless nothing changes.
    #[track_caller]
    pub fn to_dtype(&self, dtype: DType) -> Tensor {
        match self.dtype() {
            same if same == dtype => self.clone(),
            float if float.is_float() && dtype.is_float() && !self.array().is_meta() => {
                apply(Cast(dtype), [self])
            }
            _ => Tensor::constant(self.array().to_dtype(dtype)),
        }
    }

    /// Floats as float32: for what has no kernels of other types.
    #[track_caller]
    pub(crate) fn widened(&self) -> Tensor {
        if self.dtype() == DType::BF16 { self.to_dtype(DType::F32) } else { self.clone() }
    }
}
