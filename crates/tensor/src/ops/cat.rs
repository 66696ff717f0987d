//! Joining tensors: cat along a dimension, stack along a new one.

use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::graph::{self, PerInput, Step};
use crate::op;
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::parallel::for_each_chunk;
use std::borrow::Borrow;

/// The gradient of a join: each input gets its part.
struct Cat {
    dim: usize,
    /// The inputs' sizes in that dimension.
    sizes: Vec<usize>,
}

impl Step for Cat {
    fn backward(
        self: Box<Self>,
        grad: Array,
        needs: &[bool],
        _: &mut [Option<Array>],
    ) -> PerInput<Option<Array>> {
        let mut start = 0;
        let part = |(&size, &needed): (&usize, &bool)| {
            let part = needed.then(|| grad.narrow(self.dim, start, size));
            start += size;
            part
        };
        self.sizes.iter().zip(needs).map(part).collect()
    }
}

fn joined_shape(tensors: &[&Tensor], dim: isize) -> Result<(Shape, usize), ShapeError> {
    let error = |message: String| Err(ShapeError::new("cat", message));
    let Some(first) = tensors.first() else {
        return error("expected at least one tensor, found none".into());
    };
    let dim = first.shape().resolve("cat", dim)?;
    let mut size = 0usize;
    for (i, t) in tensors.iter().enumerate() {
        let fits = t.rank() == first.rank() && t.shape().with(dim, 1) == first.shape().with(dim, 1);
        if !fits {
            let (a, b) = (first.shape(), t.shape());
            return error(format!(
                "tensor {i} of shape {b} does not join tensor 0 of shape {a}: sizes may differ only in dimension {dim}"
            ));
        }
        if t.dtype() != first.dtype() {
            let (a, b) = (first.dtype().name(), t.dtype().name());
            return error(format!("tensor {i} is of {b}, tensor 0 of {a}; convert with to_dtype()"));
        }
        size = size.saturating_add(t.shape()[dim]);
    }
    Ok((first.shape().with(dim, size), dim))
}

/// In the memory order of the first array, so that channels-last images stay channels-last.
fn join(arrays: &[&Array], shape: &Shape, dim: usize) -> Array {
    let order = arrays[0].memory_order();
    let at = order.iter().position(|&d| d == dim).expect("a permutation");
    let rows: Vec<Array> = arrays.iter().map(|a| a.permute(&order).contiguous()).collect();
    let mut out = Array::empty(order.iter().map(|&d| shape[d]).collect::<Shape>());
    if out.numel() > 0 {
        let inner: usize = out.shape()[at + 1..].iter().product();
        let row = inner * shape[dim];
        for_each_chunk(out.memory_mut(), row, |start, out| {
            for (i, mut out) in out.chunks_exact_mut(row).enumerate() {
                for rows in &rows {
                    let n = rows.shape()[at] * inner;
                    let (part, rest) = out.split_at_mut(n);
                    part.copy_from_slice(&rows.memory()[(start / row + i) * n..][..n]);
                    out = rest;
                }
            }
        });
    }
    out.unpermute(&order)
}

/// Integers and truth values take the way over vectors.
fn join_other(arrays: &[&Array], shape: &Shape, dim: usize) -> Array {
    let inner: usize = shape[dim + 1..].iter().product();
    let outer: usize = shape[..dim].iter().product();
    fn interleave<T: Copy>(parts: &[(Vec<T>, usize)], outer: usize) -> Vec<T> {
        let rows = (0..outer).flat_map(|i| parts.iter().map(move |(v, n)| &v[i * n..(i + 1) * n]));
        rows.flatten().copied().collect()
    }
    let row = |a: &&Array| a.shape()[dim] * inner;
    match arrays[0].dtype() {
        DType::I64 => {
            let parts: Vec<_> = arrays.iter().map(|a| (a.to_vec_i64(), row(a))).collect();
            Array::from_i64(interleave(&parts, outer), shape)
        }
        _ => {
            let parts: Vec<_> = arrays.iter().map(|a| (a.to_vec_bool(), row(a))).collect();
            Array::from_bools(interleave(&parts, outer), shape)
        }
    }
}

/// # Joining
///
/// All dtypes; the inputs' dtypes must agree.
impl Tensor {
    /// Joins tensors along an existing dimension, in which alone their sizes may differ.
    ///
    /// # Panics
    /// If there are no tensors, or their shapes or dtypes do not fit.
    #[track_caller]
    pub fn cat(tensors: &[impl Borrow<Tensor>], dim: isize) -> Tensor {
        let tensors: Vec<Tensor> = tensors.iter().map(|t| t.borrow().widened()).collect();
        let tensors: Vec<&Tensor> = tensors.iter().collect();
        let (shape, dim) = match joined_shape(&tensors, dim) {
            Ok((shape, dim)) => (Ok(shape), dim),
            Err(e) => (Err(e), 0),
        };
        let (first, dtype) = match tensors.first() {
            Some(t) => (t.shape().clone(), t.dtype()),
            None => (Shape::default(), DType::F32),
        };
        op::run("cat", &first, shape, dtype, |shape| {
            let arrays: Vec<&Array> = tensors.iter().map(|t| t.array()).collect();
            let join = if dtype == DType::F32 { join } else { join_other };
            let step = || Cat { dim, sizes: tensors.iter().map(|t| t.shape()[dim]).collect() };
            graph::record("cat", join(&arrays, &shape, dim), &tensors, step)
        })
    }

    /// Joins tensors of the same shape along a new dimension `dim`.
    ///
    /// # Panics
    /// If there are no tensors, or their shapes or dtypes differ, or `dim` is not between `-rank - 1` and `rank`.
    #[track_caller]
    pub fn stack(tensors: &[impl Borrow<Tensor>], dim: isize) -> Tensor {
        let mut rows = Vec::with_capacity(tensors.len());
        for t in tensors {
            rows.push(t.borrow().unsqueeze(dim));
        }
        Self::cat(&rows, dim)
    }
}
