//! Dimensions in another order: permute, transpose, t.

use crate::array::Array;
use crate::dims::IntList;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::{Dims, Shape};
use crate::tensor::Tensor;

/// A way to say the new order.
#[derive(Debug)]
enum Permute {
    /// Dimension `i` of the result is this dimension of the input.
    Order(IntList),
    /// These two change places.
    Swap(isize, isize),
    /// A matrix is transposed.
    T,
}

impl Permute {
    fn order(&self, x: &Shape) -> Result<Dims, ShapeError> {
        let (name, rank) = (self.name(), x.rank());
        match self {
            Permute::Order(dims) if dims.len() != rank => Err(ShapeError::new(
                name,
                format!("order {dims} names {} dimensions, but shape {x} has {rank}", dims.len()),
            )),
            Permute::Order(dims) => x.resolve_all(name, dims),
            Permute::Swap(a, b) => {
                let (a, b) = (x.resolve(name, *a)?, x.resolve(name, *b)?);
                let mut order: Dims = (0..rank).collect();
                order.swap(a, b);
                Ok(order)
            }
            Permute::T if rank > 2 => Err(ShapeError::new(
                name,
                format!("expected a matrix, found shape {x}; use transpose() or permute()"),
            )),
            Permute::T => Ok((0..rank).rev().collect()),
        }
    }
}

impl Op<1> for Permute {
    const VIEW: bool = true;
    const BF16: bool = true;
    /// The order, all dimensions counted from the front.
    type Saved = Dims;

    fn name(&self) -> &'static str {
        match self {
            Permute::Order(_) => "permute",
            Permute::Swap(..) => "transpose",
            Permute::T => "t",
        }
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(self.order(x)?.iter().map(|&d| x[d]).collect())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Dims) {
        let order = self.order(x.shape()).expect("checked by shape()");
        (x.permute(&order), order)
    }

    fn backward(&self, order: Dims, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        [Some(grad.unpermute(&order))]
    }
}

/// # Dimensions in another order
///
/// Views: memory is shared. All dtypes.
impl Tensor {
    /// Puts the dimensions into another order: dimension `i` of the result is dimension `dims[i]` of this tensor.
    ///
    /// # Panics
    /// If `dims` does not name every dimension once.
    #[track_caller]
    pub fn permute(&self, dims: impl Into<IntList>) -> Tensor {
        apply(Permute::Order(dims.into()), [self])
    }

    /// Swaps two dimensions.
    ///
    /// # Panics
    /// If one of them does not exist.
    #[track_caller]
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Tensor {
        apply(Permute::Swap(dim0, dim1), [self])
    }

    /// The transposed matrix; a vector or scalar stays what it is, as in PyTorch.
    ///
    /// # Panics
    /// If there are more than two dimensions.
    #[track_caller]
    pub fn t(&self) -> Tensor {
        apply(Permute::T, [self])
    }
}
