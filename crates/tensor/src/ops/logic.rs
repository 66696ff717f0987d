//! Logic on truth values: and, or, not, all, any.
//!
//! Numbers count as true when they are not zero.

use super::binary::broadcast;
use super::sum::{reduced_shape, rows};
use crate::array::{Array, DType};
use crate::dims::IntList;
use crate::op;
use crate::tensor::Tensor;

#[track_caller]
fn combine(op: &'static str, a: &Tensor, b: &Tensor, f: fn(bool, bool) -> bool) -> Tensor {
    op::run(op, a.shape(), broadcast(op, a.shape(), b.shape()), DType::Bool, |shape| {
        let [a, b] = [a, b].map(|t| t.array().to_dtype(DType::Bool).expand(&shape).to_vec_bool());
        Tensor::constant(Array::from_bools(a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect(), shape))
    })
}

#[track_caller]
fn quantify(op: &'static str, x: &Tensor, dims: IntList, keepdim: bool, f: fn(&[bool]) -> bool) -> Tensor {
    let dims = x.shape().resolve_all(op, &dims);
    let shape = dims.clone().map(|dims| reduced_shape(x.shape(), &dims, keepdim));
    op::run(op, x.shape(), shape, DType::Bool, |shape| {
        let dims = dims.expect("has a shape");
        let (rows, len) = rows(&x.array().to_dtype(DType::Bool), &dims);
        let values = rows.to_vec_bool();
        let truth = (0..shape.numel()).map(|i| f(&values[i * len..][..len])).collect();
        Tensor::constant(Array::from_bools(truth, shape))
    })
}

/// # Logic
///
/// Numbers count as true when they are not zero. Boolean results without gradient.
impl Tensor {
    /// Whether both are true; broadcasts.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn logical_and(&self, other: &Tensor) -> Tensor {
        combine("logical_and", self, other, |a, b| a && b)
    }

    /// Whether one or both are true; broadcasts.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn logical_or(&self, other: &Tensor) -> Tensor {
        combine("logical_or", self, other, |a, b| a || b)
    }

    /// Whether exactly one is true; broadcasts.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn logical_xor(&self, other: &Tensor) -> Tensor {
        combine("logical_xor", self, other, |a, b| a != b)
    }

    /// Whether elements are false.
    #[track_caller]
    pub fn logical_not(&self) -> Tensor {
        self.eq(0)
    }

    /// Whether all elements are true, as a plain value; of no elements, true.
    ///
    /// # Panics
    /// In a dry run, which has no values.
    #[track_caller]
    pub fn all(&self) -> bool {
        self.array().to_dtype(DType::Bool).to_vec_bool().into_iter().all(|v| v)
    }

    /// Whether any element is true, as a plain value; of no elements, false.
    ///
    /// # Panics
    /// In a dry run, which has no values.
    #[track_caller]
    pub fn any(&self) -> bool {
        self.array().to_dtype(DType::Bool).to_vec_bool().into_iter().any(|v| v)
    }

    /// Whether all elements are true along some dimensions (all of them if `dims` is empty).
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn all_dim(&self, dims: impl Into<IntList>, keepdim: bool) -> Tensor {
        quantify("all", self, dims.into(), keepdim, |row| row.iter().all(|&v| v))
    }

    /// Whether any element is true along some dimensions (all of them if `dims` is empty).
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn any_dim(&self, dims: impl Into<IntList>, keepdim: bool) -> Tensor {
        quantify("any", self, dims.into(), keepdim, |row| row.iter().any(|&v| v))
    }
}
