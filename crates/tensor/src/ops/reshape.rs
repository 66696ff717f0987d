//! Other shapes over the same elements: reshape, flatten, squeeze, unsqueeze.

use crate::array::Array;
use crate::dims::IntList;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A way to say the new shape.
#[derive(Debug)]
enum Reshape {
    /// Sizes, one of them perhaps -1.
    To(IntList),
    /// The dimensions from the first to the second become one.
    Flatten(isize, isize),
    /// This dimension goes, if its size is 1.
    Squeeze(isize),
    /// All dimensions of size 1 go.
    SqueezeAll,
    /// A dimension of size 1 comes in here.
    Unsqueeze(isize),
}

impl Op<1> for Reshape {
    const VIEW: bool = true;
    const BF16: bool = true;
    /// The input's shape.
    type Saved = Shape;

    fn name(&self) -> &'static str {
        match self {
            Reshape::To(_) => "reshape",
            Reshape::Flatten(..) => "flatten",
            Reshape::Squeeze(_) | Reshape::SqueezeAll => "squeeze",
            Reshape::Unsqueeze(_) => "unsqueeze",
        }
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        let name = self.name();
        match *self {
            Reshape::To(ref sizes) => x.infer(name, sizes),
            // PyTorch flattens a scalar to one element.
            Reshape::Flatten(start, end) if x.rank() == 0 && [0, -1].contains(&start) && end == -1 => {
                Ok([1].into())
            }
            Reshape::Flatten(start, end) => {
                let (start, end) = (x.resolve(name, start)?, x.resolve(name, end)?);
                if start > end {
                    let message =
                        format!("start dimension {start} lies behind end dimension {end} of shape {x}");
                    return Err(ShapeError::new(name, message));
                }
                let flat = Shape::new(&x[start..=end]).numel();
                Ok(x[..start].iter().copied().chain([flat]).chain(x[end + 1..].iter().copied()).collect())
            }
            Reshape::Squeeze(dim) => {
                let dim = x.resolve(name, dim)?;
                Ok((0..x.rank()).filter(|&d| d != dim || x[d] != 1).map(|d| x[d]).collect())
            }
            Reshape::SqueezeAll => Ok(x.iter().copied().filter(|&size| size != 1).collect()),
            Reshape::Unsqueeze(dim) => {
                let rank = x.rank() as isize;
                let at = if dim < 0 { dim + rank + 1 } else { dim };
                if !(0..=rank).contains(&at) {
                    let message = format!(
                        "dimension {dim} cannot be put into shape {x}; possible are {} to {rank}",
                        -rank - 1
                    );
                    return Err(ShapeError::new(name, message));
                }
                let (before, after) = x.split_at(at as usize);
                Ok(before.iter().copied().chain([1]).chain(after.iter().copied()).collect())
            }
        }
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Shape) {
        let shape = self.shape([x.shape()]).expect("checked by apply()");
        (x.reshape(shape), x.shape().clone())
    }

    fn backward(&self, shape: Shape, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        [Some(grad.reshape(shape))]
    }
}

/// # Other shapes
///
/// The elements keep their row-major order. Memory is shared unless the strides do not allow it (a transposed matrix
/// that is flattened is copied). All dtypes.
impl Tensor {
    /// Other sizes; one of them may be -1, for the one that fits: `x.reshape([-1, 784])`.
    ///
    /// # Panics
    /// If the number of elements is another.
    #[track_caller]
    pub fn reshape(&self, sizes: impl Into<IntList>) -> Tensor {
        apply(Reshape::To(sizes.into()), [self])
    }

    /// Makes all dimensions from `start` on one: `flatten(1)` turns (N, C, H, W) into (N, C·H·W).
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn flatten(&self, start: isize) -> Tensor {
        self.flatten_dims(start, -1)
    }

    /// Makes the dimensions from `start` to `end`, inclusive, one.
    ///
    /// # Panics
    /// If one of them does not exist or `start` lies behind `end`.
    #[track_caller]
    pub fn flatten_dims(&self, start: isize, end: isize) -> Tensor {
        apply(Reshape::Flatten(start, end), [self])
    }

    /// Removes dimension `dim` if its size is 1; else changes nothing.
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn squeeze(&self, dim: isize) -> Tensor {
        apply(Reshape::Squeeze(dim), [self])
    }

    /// Removes all dimensions of size 1.
    #[track_caller]
    pub fn squeeze_all(&self) -> Tensor {
        apply(Reshape::SqueezeAll, [self])
    }

    /// Inserts a dimension of size 1 before dimension `dim`; -1 appends one at the end.
    ///
    /// # Panics
    /// If `dim` is not between `-rank - 1` and `rank`.
    #[track_caller]
    pub fn unsqueeze(&self, dim: isize) -> Tensor {
        apply(Reshape::Unsqueeze(dim), [self])
    }
}
