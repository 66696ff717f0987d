//! The other side of arithmetic and comparisons: a tensor or a plain number.

use crate::tensor::Tensor;

/// A tensor or a plain number, so that `x.mul(&y)`, `x.mul(0.5)` and `labels.eq(3)` all work.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// A tensor; it broadcasts.
    Tensor(&'a Tensor),
    /// A number, the same for every element. It takes the other side's type: `x.eq(0.1)` compares in `f32`.
    Number(f64),
}

impl Operand<'_> {
    /// The tensor, or the number as a float scalar.
    pub(crate) fn to_tensor(self) -> Tensor {
        match self {
            Operand::Tensor(tensor) => tensor.clone(),
            Operand::Number(number) => Tensor::scalar(number as f32),
        }
    }
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Operand::Tensor(tensor)
    }
}

macro_rules! operand_from {
    ($($number:ty),*) => {$(
        impl From<$number> for Operand<'_> {
            fn from(number: $number) -> Self {
                Operand::Number(number as f64)
            }
        }
    )*};
}

operand_from!(f32, f64, i32, i64, usize);
