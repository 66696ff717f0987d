//! The largest and smallest values along one dimension and where they are: max_dim, min_dim, argmax, argmin, topk.

use super::gather::Gather;
use super::sum::{reduced_shape, rows};
use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::op::{self, apply};
use crate::rows::for_each_row;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::trace;
use std::cmp::Ordering;

/// From best to worst: NaN first, then by value.
fn rank<T: PartialOrd>(a: T, b: T, largest: bool) -> Ordering {
    let order = if largest { b.partial_cmp(&a) } else { a.partial_cmp(&b) };
    order.unwrap_or_else(|| is_nan(&b).cmp(&is_nan(&a)))
}

#[allow(clippy::eq_op, reason = "only NaN differs from itself")]
fn is_nan<T: PartialOrd>(x: &T) -> bool {
    x != x
}

/// The index of the best element: the first of equals, or the first NaN.
fn best_index<T: PartialOrd>(row: &[T], largest: bool) -> usize {
    let mut best = 0;
    for (i, x) in row.iter().enumerate() {
        if is_nan(x) {
            return i;
        }
        let better = if largest { *x > row[best] } else { *x < row[best] };
        if better {
            best = i;
        }
    }
    best
}

/// The indices of the best elements, best first, as many as `out` takes; of equals, the first first.
fn best_indices<T: PartialOrd + Copy>(row: &[T], largest: bool, out: &mut [i64]) {
    let mut order: Vec<usize> = (0..row.len()).collect();
    let by_rank = |&a: &usize, &b: &usize| rank(row[a], row[b], largest).then(a.cmp(&b));
    if out.len() < row.len() {
        order.select_nth_unstable_by(out.len(), by_rank);
        order.truncate(out.len());
    }
    order.sort_unstable_by(by_rank);
    out.iter_mut().zip(order).for_each(|(out, i)| *out = i as i64);
}

/// For each row of `len` elements, the indices of its `k` best.
fn best_of_rows<T: PartialOrd + Copy + Sync>(rows: &[T], len: usize, k: usize, largest: bool) -> Vec<i64> {
    let mut found = vec![0i64; rows.len() / len.max(1) * k];
    for_each_row(&mut found, k, rows, len, |out, row| match k {
        1 => out[0] = best_index(row, largest) as i64,
        _ => best_indices(row, largest, out),
    });
    found
}

/// The indices of the `k` best elements along dimension `dim`, whose size becomes `k`.
fn indices(x: &Array, dim: usize, k: usize, largest: bool) -> Array {
    let (rows, len) = rows(x, &[dim]);
    let found = match rows.dtype() {
        DType::F32 => best_of_rows(rows.memory(), len, k, largest),
        DType::BF16 => best_of_rows(&rows.to_vec(), len, k, largest),
        _ => best_of_rows(&rows.to_dtype(DType::I64).to_vec_i64(), len, k, largest),
    };
    // The dimension is the last now; it goes back to its place.
    let order: Vec<usize> = (0..x.rank()).filter(|&d| d != dim).chain([dim]).collect();
    let shape: Shape = order.iter().map(|&d| if d == dim { k } else { x.shape()[d] }).collect();
    Array::from_i64(found, shape).unpermute(&order).contiguous()
}

fn check_not_empty(op: &'static str, x: &Shape, dim: isize) -> Result<usize, ShapeError> {
    let dim = x.resolve(op, dim)?;
    match x[dim] {
        0 => Err(ShapeError::new(
            op,
            format!("dimension {dim} of shape {x} is empty: there is no value to take"),
        )),
        _ => Ok(dim),
    }
}

/// The `k` best values along `dim` and their indices; the gradient goes to the elements taken. `shape` is the
/// outputs'.
#[track_caller]
fn best(
    op: &'static str,
    x: &Tensor,
    dim: isize,
    (k, keepdim): (usize, bool),
    largest: bool,
    shape: Result<Shape, ShapeError>,
) -> (Tensor, Tensor) {
    if trace::is_active() {
        let values = op::run(op, x.shape(), shape, x.dtype(), |_| unreachable!("a dry run computes nothing"));
        let places = Tensor::constant(Array::meta(values.shape(), DType::I64));
        return (values, places);
    }
    let (index, shape) = match shape {
        Ok(shape) => (indices(x.array(), x.shape().dim(dim).expect("has a shape"), k, largest), shape),
        Err(e) => panic!("{e}"),
    };
    let values = apply(Gather { name: op, dim, index: index.clone(), keepdim }, [x]);
    (values, Tensor::constant(index.reshape(shape)))
}

#[track_caller]
fn extreme_dim(op: &'static str, x: &Tensor, dim: isize, keepdim: bool, largest: bool) -> (Tensor, Tensor) {
    let shape = check_not_empty(op, x.shape(), dim).map(|d| reduced_shape(x.shape(), &[d], keepdim));
    best(op, x, dim, (1, keepdim), largest, shape)
}

#[track_caller]
fn arg(op: &'static str, x: &Tensor, dim: Option<isize>, keepdim: bool, largest: bool) -> Tensor {
    let flat;
    let (x, dim) = match dim {
        Some(dim) => (x, dim),
        None => {
            flat = x.detach().reshape([-1]);
            (&flat, 0)
        }
    };
    let dim = check_not_empty(op, x.shape(), dim);
    let shape = dim.clone().map(|d| reduced_shape(x.shape(), &[d], keepdim));
    op::run(op, x.shape(), shape, DType::I64, |shape| {
        Tensor::constant(indices(x.array(), dim.expect("has a shape"), 1, largest).reshape(shape))
    })
}

/// # Largest and smallest values along one dimension
///
/// NaN counts as larger and smaller than every number; of equal values the first is taken. Gradients go to the elements
/// taken. Indices are int64 tensors.
impl Tensor {
    /// The largest values along `dim` and their indices. With `keepdim` the dimension stays, with size 1.
    ///
    /// # Panics
    /// If there is no such dimension or it is empty.
    #[track_caller]
    pub fn max_dim(&self, dim: isize, keepdim: bool) -> (Tensor, Tensor) {
        extreme_dim("max", self, dim, keepdim, true)
    }

    /// The smallest values along `dim` and their indices. With `keepdim` the dimension stays, with size 1.
    ///
    /// # Panics
    /// If there is no such dimension or it is empty.
    #[track_caller]
    pub fn min_dim(&self, dim: isize, keepdim: bool) -> (Tensor, Tensor) {
        extreme_dim("min", self, dim, keepdim, false)
    }

    /// The indices of the largest values along `dim`, or with `None` the row-major index of the largest of all.
    ///
    /// # Panics
    /// If there is no such dimension or it is empty.
    #[track_caller]
    pub fn argmax(&self, dim: impl Into<Option<isize>>, keepdim: bool) -> Tensor {
        arg("argmax", self, dim.into(), keepdim, true)
    }

    /// The indices of the smallest values along `dim`, or with `None` the row-major index of the smallest of all.
    ///
    /// # Panics
    /// If there is no such dimension or it is empty.
    #[track_caller]
    pub fn argmin(&self, dim: impl Into<Option<isize>>, keepdim: bool) -> Tensor {
        arg("argmin", self, dim.into(), keepdim, false)
    }

    /// The `k` largest values along `dim`, largest first, and their indices.
    ///
    /// # Panics
    /// If there is no such dimension or it has fewer than `k` elements.
    #[track_caller]
    pub fn topk(&self, k: usize, dim: isize) -> (Tensor, Tensor) {
        let x = self.shape();
        let shape = match x.resolve("topk", dim) {
            Ok(d) if x[d] < k => {
                let message = format!("dimension {d} of shape {x} has fewer than {k} elements");
                Err(ShapeError::new("topk", message))
            }
            Ok(d) => Ok(x.with(d, k)),
            Err(e) => Err(e),
        };
        best("topk", self, dim, (k, true), true, shape)
    }
}
