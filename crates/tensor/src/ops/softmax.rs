//! Softmax and its logarithm over any dimension, as `torch.softmax` and `torch.log_softmax`.

use super::images::{dim_back, dim_last};
use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::{Marker, Tensor};
use cresset_kernels::softmax;

/// `exp(x) / sum(exp(x))`, or its logarithm, along one dimension.
#[derive(Debug)]
struct Softmax {
    dim: isize,
    log: bool,
}

impl Softmax {
    fn dim(&self, x: &Shape) -> Option<usize> {
        // A number is a distribution over one class.
        if x.rank() == 0 { (self.dim == 0 || self.dim == -1).then_some(0) } else { x.dim(self.dim) }
    }

    /// `x` as rows along the dimension.
    fn rows(&self, x: &Array) -> Array {
        if x.rank() == 0 {
            return x.reshape([1]);
        }
        dim_last(x, self.dim(x.shape()).expect("checked by shape()"))
    }

    /// Undoes [`rows`](Self::rows).
    fn back(&self, rows: &Array, shape: &Shape) -> Array {
        if shape.rank() == 0 {
            return rows.reshape([0; 0]);
        }
        dim_back(rows, self.dim(shape).expect("checked by shape()"))
    }
}

fn columns(rows: &Array) -> usize {
    rows.shape()[rows.rank() - 1]
}

impl Op<1> for Softmax {
    /// The output, as rows along the dimension.
    type Saved = Array;

    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        match self.dim(x) {
            Some(_) => Ok(x.clone()),
            None => Err(ShapeError::new(
                self.name(),
                format!("dimension {} does not exist in shape {x}", self.dim),
            )),
        }
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Array) {
        let rows = self.rows(x);
        let mut y = Array::empty_like(&rows);
        let kernel = if self.log { softmax::log_softmax } else { softmax::softmax };
        kernel(columns(&rows), rows.memory(), y.memory_mut());
        (self.back(&y, x.shape()), y)
    }

    fn backward(&self, y: Array, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let dy = self.rows(&grad);
        let mut dx = Array::empty_like(&y);
        let kernel = if self.log { softmax::log_softmax_backward } else { softmax::softmax_backward };
        kernel(columns(&y), y.memory(), dy.memory(), dx.memory_mut());
        [Some(self.back(&dx, grad.shape()))]
    }
}

/// # Softmax
impl Tensor {
    /// Probabilities `exp(x) / sum(exp(x))` along `dim` (negative counts from the back).
    ///
    /// Not for what goes into [`cross_entropy`](crate::ops::cross_entropy), which applies it itself and refuses
    /// what came out of this.
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn softmax(&self, dim: isize) -> Tensor {
        apply(Softmax { dim, log: false }, [self]).marked(Some(Marker::Softmax))
    }

    /// The logarithm of [`softmax`](Self::softmax), without its loss of digits.
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Tensor {
        apply(Softmax { dim, log: true }, [self])
    }
}
