//! Choosing elements by a mask: where, masked_fill.

use super::binary::{broadcast, unbroadcast};
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::operand::Operand;
use crate::shape::Shape;
use crate::strided;
use crate::tensor::Tensor;

/// `a` where the mask is true, else `b`.
#[derive(Debug)]
struct Where {
    /// One for true, zero for false; broadcasts.
    mask: Array,
}

impl Op<2> for Where {
    type Saved = [Shape; 2];

    fn name(&self) -> &'static str {
        "where"
    }

    fn shape(&self, [a, b]: [&Shape; 2]) -> Result<Shape, ShapeError> {
        let both = broadcast(self.name(), a, b)?;
        broadcast(self.name(), self.mask.shape(), &both)
    }

    fn forward(&self, [a, b]: [&Array; 2]) -> (Array, Self::Saved) {
        let shapes = [a.shape().clone(), b.shape().clone()];
        let shape = self.shape([&shapes[0], &shapes[1]]).expect("checked by apply()");
        (strided::choose(&self.mask, a, b, &shape), shapes)
    }

    fn backward(&self, [a, b]: Self::Saved, grad: Array, needs: [bool; 2]) -> [Option<Array>; 2] {
        let by_b = needs[1].then(|| {
            let chosen = grad.clone().zip_with(&self.mask, |g, m| if m != 0.0 { 0.0 } else { g });
            unbroadcast(chosen, &b)
        });
        let by_a = needs[0].then(|| {
            let chosen = grad.zip_with(&self.mask, |g, m| if m != 0.0 { g } else { 0.0 });
            unbroadcast(chosen, &a)
        });
        [by_a, by_b]
    }
}

/// One for true and zero for false.
#[track_caller]
fn mask(op: &'static str, condition: &Tensor) -> Array {
    assert!(
        condition.dtype() == DType::Bool,
        "{op}: expected a bool mask, found {}; compare it first, as in x.ne(0.0)",
        condition.dtype().name()
    );
    condition.array().to_dtype(DType::F32)
}

/// # Choosing
impl Tensor {
    /// `a` where `condition` is true, else `b`: tensors or numbers; all three broadcast. The gradient goes to what was
    /// chosen.
    ///
    /// # Panics
    /// If the shapes do not broadcast or `condition` is not boolean.
    #[track_caller]
    pub fn where_<'a>(condition: &Tensor, a: impl Into<Operand<'a>>, b: impl Into<Operand<'a>>) -> Tensor {
        let mask = mask("where", condition);
        apply(Where { mask }, [&a.into().to_tensor(), &b.into().to_tensor()])
    }

    /// `value` where `mask` (which broadcasts) is true, else this tensor.
    ///
    /// # Panics
    /// If the shapes do not broadcast or the mask is not boolean.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: f32) -> Tensor {
        Tensor::where_(mask, value, self)
    }
}
