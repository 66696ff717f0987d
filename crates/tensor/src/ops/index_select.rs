//! Whole slices by index along a dimension, as `torch.index_select`.

use super::gather::check_index;
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::rows::for_each_row;
use crate::shape::{Dims, Shape};
use crate::strided;
use crate::tensor::Tensor;

#[derive(Debug)]
struct IndexSelect {
    dim: isize,
    /// One-dimensional integers; checked.
    index: Array,
}

impl Op<1> for IndexSelect {
    const VIEW: bool = true;
    /// The input's shape.
    type Saved = Shape;

    fn name(&self) -> &'static str {
        "index_select"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        let dim = x.resolve(self.name(), self.dim)?;
        match self.index.shape()[..] {
            [n] => Ok(x.with(dim, n)),
            _ => Err(ShapeError::new(
                self.name(),
                format!("expected a one-dimensional index, found shape {}", self.index.shape()),
            )),
        }
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Shape) {
        let dim = x.shape().dim(self.dim).expect("checked by shape()");
        let index = self.index.to_vec_i64();
        let shape = x.shape().with(dim, index.len());
        if x.dtype() != DType::F32 {
            let mut strides = Dims::from_slice(x.strides());
            strides[dim] = 0;
            let inner: usize = shape[dim + 1..].iter().product();
            let mut offsets = Vec::with_capacity(shape.numel());
            strided::for_each_offset(&shape, &strides, |o| {
                let i = index[offsets.len() / inner % index.len()] as usize;
                offsets.push(x.offset() + o + i * x.strides()[dim]);
            });
            return (x.pick(shape, offsets.into_iter()), x.shape().clone());
        }
        let order = x.memory_order();
        let rows = x.permute(&order).contiguous();
        let mut out = Array::empty(order.iter().map(|&d| shape[d]).collect::<Shape>());
        if out.numel() > 0 {
            let (size, inner) = runs(&rows, &order, dim);
            let (from, to) = (size * inner, index.len() * inner);
            for_each_row(out.memory_mut(), to, rows.memory(), from, |out, x| {
                for (out, &i) in out.chunks_exact_mut(inner).zip(&index) {
                    out.copy_from_slice(&x[i as usize * inner..][..inner]);
                }
            });
        }
        (out.unpermute(&order), x.shape().clone())
    }

    fn backward(&self, shape: Shape, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let dim = shape.dim(self.dim).expect("checked by shape()");
        let index = self.index.to_vec_i64();
        let order = grad.memory_order();
        let rows = grad.permute(&order).contiguous();
        let mut out = Array::zeros(order.iter().map(|&d| shape[d]).collect::<Shape>());
        if rows.numel() > 0 {
            let (size, inner) = runs(&out, &order, dim);
            let (from, to) = (index.len() * inner, size * inner);
            // In the order of the indices, so that repeated ones always add up in the same order.
            for_each_row(out.memory_mut(), to, rows.memory(), from, |out, grad| {
                for (grad, &i) in grad.chunks_exact(inner).zip(&index) {
                    let sums = &mut out[i as usize * inner..][..inner];
                    sums.iter_mut().zip(grad).for_each(|(s, g)| *s += g);
                }
            });
        }
        [Some(out.unpermute(&order))]
    }
}

/// In an array whose dimensions were put into `order`: the size of what was dimension `dim`, and the number of
/// elements that one index of it covers in a run.
fn runs(rows: &Array, order: &[usize], dim: usize) -> (usize, usize) {
    let at = order.iter().position(|&d| d == dim).expect("a permutation");
    (rows.shape()[at], rows.shape()[at + 1..].iter().product())
}

impl Tensor {
    /// The slices of dimension `dim` that the one-dimensional `index` names, in its order; a repeated index gets the
    /// sum of its gradients. All dtypes.
    ///
    /// # Panics
    /// If there is no such dimension, or an index is not an integer of its range.
    #[track_caller]
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Tensor {
        if let Some(d) = self.shape().dim(dim) {
            let of = || format!("dimension {d} of shape {}", self.shape());
            check_index("index_select", index, self.shape()[d], of);
        }
        apply(IndexSelect { dim, index: index.array().clone() }, [self])
    }
}
