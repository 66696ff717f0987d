//! The larger or smaller of two tensors, as `torch.maximum` and `torch.minimum`.

use super::binary::{broadcast, unbroadcast};
use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::operand::Operand;
use crate::shape::Shape;
use crate::strided;
use crate::tensor::Tensor;

#[derive(Debug)]
enum Extreme {
    Maximum,
    Minimum,
}

impl Extreme {
    /// NaN wins over every number.
    fn of(&self) -> fn(f32, f32) -> f32 {
        match self {
            Extreme::Maximum => |a, b| if a > b || a.is_nan() { a } else { b },
            Extreme::Minimum => |a, b| if a < b || a.is_nan() { a } else { b },
        }
    }

    /// How much of the gradient goes to the first: none where it lost, half where both are equal, all elsewhere. Beside
    /// NaN there is no loser, as in PyTorch.
    fn share(&self) -> fn(f32, f32) -> f32 {
        match self {
            Extreme::Maximum => |a, b| share(a < b, a == b),
            Extreme::Minimum => |a, b| share(a > b, a == b),
        }
    }
}

fn share(lost: bool, equal: bool) -> f32 {
    match (lost, equal) {
        (true, _) => 0.0,
        (_, true) => 0.5,
        _ => 1.0,
    }
}

impl Op<2> for Extreme {
    type Saved = [Array; 2];

    fn name(&self) -> &'static str {
        match self {
            Extreme::Maximum => "maximum",
            Extreme::Minimum => "minimum",
        }
    }

    fn shape(&self, [a, b]: [&Shape; 2]) -> Result<Shape, ShapeError> {
        broadcast(self.name(), a, b)
    }

    fn forward(&self, [a, b]: [&Array; 2]) -> (Array, Self::Saved) {
        let shape = a.shape().broadcast(b.shape()).expect("checked by shape()");
        (strided::zip(a, b, &shape, self.of()), [a.clone(), b.clone()])
    }

    fn backward(&self, [a, b]: Self::Saved, grad: Array, needs: [bool; 2]) -> [Option<Array>; 2] {
        let share = self.share();
        let by = |mine: &Array, other: &Array| {
            let shares = strided::zip(mine, other, grad.shape(), share);
            unbroadcast(shares.zip_with(&grad, |s, g| s * g), mine.shape())
        };
        [needs[0].then(|| by(&a, &b)), needs[1].then(|| by(&b, &a))]
    }
}

impl Tensor {
    /// The larger of corresponding elements, with broadcasting; NaN if either is.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn maximum<'a>(&self, other: impl Into<Operand<'a>>) -> Tensor {
        apply(Extreme::Maximum, [self, &other.into().to_tensor()])
    }

    /// The smaller of corresponding elements, with broadcasting; NaN if either is.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn minimum<'a>(&self, other: impl Into<Operand<'a>>) -> Tensor {
        apply(Extreme::Minimum, [self, &other.into().to_tensor()])
    }
}
