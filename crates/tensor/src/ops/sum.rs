//! Sums and means over any dimensions.

use crate::array::{Array, DType};
use crate::dims::IntList;
use crate::error::ShapeError;
use crate::op::{self, Op, apply};
use crate::rows::for_each_row;
use crate::shape::{Dims, Shape};
use crate::tensor::Tensor;
use cresset_kernels::reduce;

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

/// `x` with `dims` moved to the end, in row-major order, and the number of elements in each row along them.
pub(crate) fn rows(x: &Array, dims: &[usize]) -> (Array, usize) {
    let kept = (0..x.rank()).filter(|d| !dims.contains(d));
    let reduced = (0..x.rank()).filter(|d| dims.contains(d));
    let order: Dims = kept.chain(reduced).collect();
    (x.permute(&order).contiguous(), dims.iter().map(|&d| x.shape()[d]).product())
}

/// The sum over some dimensions, or its quotient by the number of elements summed.
#[derive(Debug)]
struct Sum {
    dims: IntList,
    keepdim: bool,
    mean: bool,
}

impl Sum {
    /// What sums are divided by.
    fn count(&self, x: &Shape, dims: &[usize]) -> f32 {
        if self.mean { dims.iter().map(|&d| x[d]).product::<usize>() as f32 } else { 1.0 }
    }
}

impl Op<1> for Sum {
    /// The input's shape.
    type Saved = Shape;

    fn name(&self) -> &'static str {
        if self.mean { "mean" } else { "sum" }
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(reduced_shape(x, &x.resolve_all(self.name(), &self.dims)?, self.keepdim))
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Shape) {
        let dims = x.shape().resolve_all(self.name(), &self.dims).expect("checked by shape()");
        let count = self.count(x.shape(), &dims);
        let sum = x.sum_dims(&dims, self.keepdim);
        (if self.mean { sum.map(|s| s / count) } else { sum }, x.shape().clone())
    }

    fn backward(&self, shape: Shape, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let dims = shape.resolve_all(self.name(), &self.dims).expect("checked by shape()");
        let count = self.count(&shape, &dims);
        let grad = if self.mean { grad.map(|g| g / count) } else { grad };
        [Some(grad.reshape(reduced_shape(&shape, &dims, true)).expand(shape))]
    }
}

/// Sums of integers and truth values are integers, and wrap around as PyTorch's.
#[track_caller]
fn sum_integers(x: &Tensor, dims: IntList, keepdim: bool) -> Tensor {
    let dims = x.shape().resolve_all("sum", &dims);
    let shape = dims.clone().map(|dims| reduced_shape(x.shape(), &dims, keepdim));
    op::run("sum", x.shape(), shape, DType::I64, |shape| {
        let (rows, len) = rows(&x.array().to_dtype(DType::I64), &dims.expect("has a shape"));
        let values = rows.to_vec_i64();
        let sum = |i: usize| values[i * len..][..len].iter().fold(0, |sum: i64, &v| sum.wrapping_add(v));
        Tensor::constant(Array::from_i64((0..shape.numel()).map(sum).collect(), shape))
    })
}

/// # Sums and means
impl Tensor {
    /// The sum of all elements, a scalar. Of integers or truth values it is an integer.
    #[track_caller]
    pub fn sum(&self) -> Tensor {
        self.sum_dim(IntList::default(), false)
    }

    /// The sum over some dimensions (all of them if `dims` is empty). With `keepdim` they stay, with size 1.
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn sum_dim(&self, dims: impl Into<IntList>, keepdim: bool) -> Tensor {
        match self.dtype() {
            DType::F32 | DType::BF16 => apply(Sum { dims: dims.into(), keepdim, mean: false }, [self]),
            _ => sum_integers(self, dims.into(), keepdim),
        }
    }

    /// The mean of all elements, a scalar; NaN if there are none.
    #[track_caller]
    pub fn mean(&self) -> Tensor {
        self.mean_dim(IntList::default(), false)
    }

    /// The mean over some dimensions (all of them if `dims` is empty). With `keepdim` they stay, with size 1.
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn mean_dim(&self, dims: impl Into<IntList>, keepdim: bool) -> Tensor {
        apply(Sum { dims: dims.into(), keepdim, mean: true }, [self])
    }
}

impl Array {
    /// The sum over `dims` (of none, the array itself), in a fixed order of fixed-size blocks.
    ///
    /// The result is dense, in the memory order of what is left. Dense arrays of any memory order are summed where
    /// they lie: one pass for every run of neighbouring dimensions, innermost first.
    pub(crate) fn sum_dims(&self, dims: &[usize], keepdim: bool) -> Array {
        let shape = reduced_shape(self.shape(), dims, keepdim);
        if let Some(sum) = self.sum_of_repeats(dims, &shape) {
            return sum;
        }
        let dense = self.dense();
        let order = dense.memory_order();
        let mut rows = dense.permute(&order);
        // Runs of reduced dimensions, as ranges of positions in memory order.
        let mut at = rows.rank();
        while at > 0 {
            let end = at;
            while at > 0 && dims.contains(&order[at - 1]) {
                at -= 1;
            }
            if at < end {
                rows = sum_run(&rows, at, end);
            }
            at = at.saturating_sub(1);
        }
        rows.unpermute(&order).reshape(shape)
    }

    /// The sum of an expanded array: of one of each repeated element, times the number of repeats.
    fn sum_of_repeats(&self, dims: &[usize], shape: &Shape) -> Option<Array> {
        let repeated = |d: &usize| self.strides()[*d] == 0 && self.shape()[*d] > 1;
        if self.numel() == 0 || !(0..self.rank()).any(|d| repeated(&d)) {
            return None;
        }
        let mut once = self.clone();
        for d in (0..self.rank()).filter(repeated) {
            once = once.narrow(d, 0, 1);
        }
        let times: usize = dims.iter().filter(|d| repeated(d)).map(|&d| self.shape()[d]).product();
        let sum = once.sum_dims(dims, true).map(|s| s * times as f32);
        let kept = reduced_shape(self.shape(), dims, true);
        Some(sum.expand(kept).contiguous().reshape(shape))
    }
}

/// Sums dimensions `start..end` of a contiguous array; they stay, with size 1.
fn sum_run(x: &Array, start: usize, end: usize) -> Array {
    let product = |dims: &[usize]| dims.iter().product::<usize>();
    let (len, inner) = (product(&x.shape()[start..end]), product(&x.shape()[end..]));
    let shape = (0..x.rank()).map(|d| if (start..end).contains(&d) { 1 } else { x.shape()[d] });
    let mut out = Array::empty(shape.collect::<Shape>());
    if x.numel() == 0 || out.numel() == 0 {
        out.memory_mut().fill(0.0);
        return out;
    }
    let x = x.memory();
    let sums = out.memory_mut();
    if inner == 1 {
        for_each_row(sums, 1, x, len, |sum, row| sum[0] = reduce::sum(row) as f32);
    } else {
        for_each_row(sums, inner, x, len * inner, |sums, x| reduce::sum_columns(len, inner, x, sums));
    }
    out
}
