//! Elements by index along a dimension, as `torch.gather`; with the check of indices that others use too.

use super::sum::reduced_shape;
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::{Dims, Shape};
use crate::strided;
use crate::tensor::Tensor;
use crate::trace;

/// Takes `x[…, index[…, i, …], …]` along `dim`.
#[derive(Debug)]
pub(crate) struct Gather {
    /// Also max, min and topk hand their gradient to the elements they took.
    pub name: &'static str,
    pub dim: isize,
    /// Integers; checked.
    pub index: Array,
    /// Whether the output has dimension `dim`; if not, its size in `index` is 1.
    pub keepdim: bool,
}

impl Gather {
    /// For every index in row-major order, the offset in memory of the element it names.
    fn offsets(&self, x: &Shape, strides: &[usize]) -> Vec<usize> {
        let dim = x.dim(self.dim).expect("checked by shape()");
        let mut base = Dims::from_slice(strides);
        base[dim] = 0;
        let mut offsets = Vec::with_capacity(self.index.numel());
        let mut indices = self.index.to_vec_i64().into_iter();
        strided::for_each_offset(self.index.shape(), &base, |o| {
            let i = indices.next().expect("one an offset") as usize;
            offsets.push(o + i * strides[dim]);
        });
        offsets
    }
}

impl Op<1> for Gather {
    const VIEW: bool = true;
    /// The input's shape.
    type Saved = Shape;

    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        let dim = x.resolve(self.name, self.dim)?;
        let index = self.index.shape();
        let fits = index.rank() == x.rank() && (0..x.rank()).all(|d| d == dim || index[d] <= x[d]);
        if !fits {
            let message = format!(
                "index of shape {index} does not fit input of shape {x}: it needs the same number of dimensions, and no \
                 size may be larger except that of dimension {dim}"
            );
            return Err(ShapeError::new(self.name, message));
        }
        Ok(if self.keepdim { index.clone() } else { reduced_shape(index, &[dim], false) })
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Shape) {
        let offsets = self.offsets(x.shape(), x.strides());
        let shape = self.shape([x.shape()]).expect("checked by apply()");
        (x.pick(shape, offsets.iter().map(|o| x.offset() + o)), x.shape().clone())
    }

    fn backward(&self, shape: Shape, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let offsets = self.offsets(&shape, &shape.contiguous_strides());
        let mut out = Array::zeros(shape);
        let sums = out.memory_mut();
        // One after the other: an element that was taken more than once gets its gradients in a fixed order.
        for (o, g) in offsets.into_iter().zip(grad.contiguous().memory()) {
            sums[o] += g;
        }
        [Some(out)]
    }
}

/// Checks that `index` holds integers from 0 to `size - 1`, the size of what it points into.
#[track_caller]
pub(crate) fn check_index(op: &'static str, index: &Tensor, size: usize, of: impl FnOnce() -> String) {
    assert!(
        index.dtype() == DType::I64,
        "{op}: expected int64 indices, found {}; convert with to_dtype(DType::I64)",
        index.dtype().name()
    );
    if trace::is_active() {
        return;
    }
    let bad = index.to_vec_i64().into_iter().find(|&i| !(0..size as i64).contains(&i));
    if let Some(bad) = bad {
        panic!("{op}: index {bad} is out of range for {}", of());
    }
}

impl Tensor {
    /// Takes elements along `dim`: `out[i][j] = self[i][index[i][j]]` for a matrix and `dim` 1. The output has the
    /// index's shape. All dtypes.
    ///
    /// # Panics
    /// If the shapes do not fit, or an index is not an integer of the dimension's range.
    #[track_caller]
    pub fn gather(&self, dim: isize, index: &Tensor) -> Tensor {
        if let Some(d) = self.shape().dim(dim) {
            let of = || format!("dimension {d} of shape {}", self.shape());
            check_index("gather", index, self.shape()[d], of);
        }
        apply(Gather { name: "gather", dim, index: index.array().clone(), keepdim: true }, [self])
    }
}
