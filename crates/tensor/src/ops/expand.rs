//! Repeating along dimensions of size 1 without copying: expand, broadcast_to.

use super::binary::unbroadcast;
use crate::array::Array;
use crate::dims::IntList;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;

#[derive(Debug)]
struct Expand {
    name: &'static str,
    sizes: IntList,
}

impl Op<1> for Expand {
    const VIEW: bool = true;
    /// The input's shape.
    type Saved = Shape;

    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        let misfit = |why: String| {
            ShapeError::new(self.name, format!("shape {x} does not expand to {}: {why}", self.sizes))
        };
        let Some(lead) = self.sizes.len().checked_sub(x.rank()) else {
            return Err(misfit("there are more dimensions than sizes".into()));
        };
        let size = |(i, &size): (usize, &isize)| match (i.checked_sub(lead).map(|d| x[d]), size) {
            (Some(old), -1) => Ok(old),
            (None, -1) => Err(misfit("a new dimension needs a size of its own, not -1".into())),
            (_, size) if size < 0 => Err(misfit(format!("size {size} is negative"))),
            (Some(old), size) if old != 1 && old != size as usize => {
                Err(misfit(format!("only dimensions of size 1 can be repeated, found {old} for {size}")))
            }
            (_, size) => Ok(size as usize),
        };
        self.sizes.iter().enumerate().map(size).collect()
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Shape) {
        let shape = self.shape([x.shape()]).expect("checked by apply()");
        (x.expand(shape), x.shape().clone())
    }

    fn backward(&self, shape: Shape, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        [Some(unbroadcast(grad, &shape))]
    }
}

/// # Repeating without copying
///
/// Views: memory is shared. All dtypes.
impl Tensor {
    /// Repeats dimensions of size 1 up to `sizes`; -1 keeps a size, and further sizes in front add dimensions.
    ///
    /// # Panics
    /// If a dimension of another size than 1 would have to change.
    #[track_caller]
    pub fn expand(&self, sizes: impl Into<IntList>) -> Tensor {
        apply(Expand { name: "expand", sizes: sizes.into() }, [self])
    }

    /// This tensor as broadcasting arithmetic sees it beside one of `shape`.
    ///
    /// # Panics
    /// If it does not broadcast to `shape`.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Tensor {
        apply(Expand { name: "broadcast_to", sizes: shape.into().into() }, [self])
    }
}
