//! Sums over any dimensions.

use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;

#[derive(Debug)]
struct Sum {
    dims: Vec<usize>,
    keepdim: bool,
}

/// The shape after reducing `dims`.
pub(crate) fn reduced_shape(x: &Shape, dims: &[usize], keepdim: bool) -> Shape {
    (0..x.rank())
        .filter_map(|d| match (dims.contains(&d), keepdim) {
            (true, true) => Some(1),
            (true, false) => None,
            (false, _) => Some(x[d]),
        })
        .collect()
}

impl Op<1> for Sum {
    type Saved = Shape;

    fn name(&self) -> &'static str {
        "sum"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(reduced_shape(x, &self.dims, self.keepdim))
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Shape) {
        (x.sum_dims(&self.dims, self.keepdim), x.shape().clone())
    }

    fn backward(&self, shape: Shape, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let kept = reduced_shape(&shape, &self.dims, true);
        [Some(grad.reshape(kept).expand(shape))]
    }
}

impl Tensor {
    /// The sum of all elements, a scalar.
    #[track_caller]
    pub fn sum(&self) -> Tensor {
        apply(Sum { dims: (0..self.rank()).collect(), keepdim: false }, [self])
    }
}

impl Array {
    /// The sum over `dims`, in a fixed order of fixed-size blocks.
    pub(crate) fn sum_dims(&self, dims: &[usize], keepdim: bool) -> Array {
        let kept: Vec<usize> = (0..self.rank()).filter(|d| !dims.contains(d)).collect();
        let order: Vec<usize> = kept.iter().chain(dims).copied().collect();
        let rows = self.permute(&order).contiguous();
        let out_shape = reduced_shape(self.shape(), dims, keepdim);
        let mut out = Array::zeros(out_shape);
        let n = if out.numel() == 0 { 0 } else { self.numel() / out.numel() };
        if n > 0 {
            for (o, row) in out.memory_mut().iter_mut().zip(rows.memory().chunks_exact(n)) {
                *o = row.iter().sum();
            }
        }
        out
    }
}
