//! The largest and smallest values over any dimensions: amax, amin, and max, min of everything.

use super::sum::{reduced_shape, rows};
use crate::array::{Array, DType};
use crate::dims::IntList;
use crate::error::ShapeError;
use crate::op::{self, Op, apply};
use crate::rows::for_each_row;
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::parallel;
use std::ops::Range;

/// The largest or smallest value over some dimensions.
#[derive(Debug)]
struct Extreme {
    name: &'static str,
    largest: bool,
    dims: IntList,
    keepdim: bool,
}

impl Op<1> for Extreme {
    /// Input and output, the latter with all dimensions kept.
    type Saved = (Array, Array);

    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        let dims = x.resolve_all(self.name, &self.dims)?;
        if let Some(d) = dims.iter().find(|&&d| x[d] == 0) {
            let message = format!("dimension {d} of shape {x} is empty: there is no value to take");
            return Err(ShapeError::new(self.name, message));
        }
        Ok(reduced_shape(x, &dims, self.keepdim))
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Self::Saved) {
        let dims = x.shape().resolve_all(self.name, &self.dims).expect("checked by shape()");
        let kept = extreme(x, &dims, self.largest);
        (kept.reshape(reduced_shape(x.shape(), &dims, self.keepdim)), (x.clone(), kept))
    }

    /// Equal extremes share the gradient evenly, as in PyTorch.
    fn backward(&self, (x, y): Self::Saved, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let dims = x.shape().resolve_all(self.name, &self.dims).expect("checked by shape()");
        let here = x.zip_with(&y, |x, y| f32::from(x == y || (x.is_nan() && y.is_nan())));
        let share = grad.reshape(y.shape()).zip_with(&here.sum_dims(&dims, true), |g, count| g / count);
        [Some(here.zip_with(&share, |here, share| here * share))]
    }
}

/// The largest or smallest element of a row that is not empty; NaN if there is one.
fn extreme_of(row: &[f32], largest: bool) -> f32 {
    // In lanes, which vectorizes; order does not matter here.
    fn fold(row: &[f32], better: impl Fn(f32, f32) -> bool) -> f32 {
        let choose = |a: f32, b: f32| if better(a, b) || a.is_nan() { a } else { b };
        let mut lanes = [row[0]; 16];
        let mut chunks = row.chunks_exact(16);
        for chunk in &mut chunks {
            lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = choose(*lane, x));
        }
        lanes.into_iter().chain(chunks.remainder().iter().copied()).fold(row[0], choose)
    }
    if largest { fold(row, |a, b| a > b) } else { fold(row, |a, b| a < b) }
}

/// The extreme over `dims`, which stay, with size 1.
fn extreme(x: &Array, dims: &[usize], largest: bool) -> Array {
    const BLOCK: usize = 64 * 1024;
    let mut out = Array::empty(reduced_shape(x.shape(), dims, true));
    if out.numel() == 0 {
        return out;
    }
    if dims.len() == x.rank() {
        // In any memory order.
        let dense = x.dense();
        let x = dense.memory();
        let best = |range: Range<usize>| extreme_of(&x[range], largest);
        let two = |a, b| extreme_of(&[a, b], largest);
        out.memory_mut()[0] = parallel::reduce_blocks(x.len(), BLOCK, best, two).expect("not empty");
        return out;
    }
    let (rows, len) = rows(x, dims);
    for_each_row(out.memory_mut(), 1, rows.memory(), len, |out, row| out[0] = extreme_of(row, largest));
    out
}

/// Of integers or truth values, which have no gradient.
#[track_caller]
fn extreme_of_integers(op: &'static str, x: &Tensor, largest: bool) -> Tensor {
    let shape = match x.numel() {
        0 => Err(ShapeError::new(op, format!("shape {} is empty: there is no value to take", x.shape()))),
        _ => Ok(Shape::default()),
    };
    op::run(op, x.shape(), shape, x.dtype(), |shape| {
        let values = x.array().to_dtype(DType::I64).to_vec_i64().into_iter();
        let value = if largest { values.max() } else { values.min() }.expect("not empty");
        Tensor::constant(Array::from_i64(vec![value], shape).to_dtype(x.dtype()))
    })
}

/// # Largest and smallest values
///
/// NaN counts as larger and smaller than every number, so it shows. Equal extremes share the gradient evenly.
impl Tensor {
    /// The largest value over some dimensions (all of them if `dims` is empty). With `keepdim` they stay, with size 1.
    ///
    /// # Panics
    /// If there is no such dimension or it is empty.
    #[track_caller]
    pub fn amax(&self, dims: impl Into<IntList>, keepdim: bool) -> Tensor {
        apply(Extreme { name: "amax", largest: true, dims: dims.into(), keepdim }, [self])
    }

    /// The smallest value over some dimensions (all of them if `dims` is empty). With `keepdim` they stay, with
    /// size 1.
    ///
    /// # Panics
    /// If there is no such dimension or it is empty.
    #[track_caller]
    pub fn amin(&self, dims: impl Into<IntList>, keepdim: bool) -> Tensor {
        apply(Extreme { name: "amin", largest: false, dims: dims.into(), keepdim }, [self])
    }

    /// The largest element, a scalar of the same dtype. [`max_dim`](Self::max_dim) goes along one dimension.
    ///
    /// # Panics
    /// If there are no elements.
    #[track_caller]
    pub fn max(&self) -> Tensor {
        match self.dtype() {
            DType::F32 | DType::BF16 => apply(
                Extreme { name: "max", largest: true, dims: IntList::default(), keepdim: false },
                [self],
            ),
            _ => extreme_of_integers("max", self, true),
        }
    }

    /// The smallest element, a scalar of the same dtype. [`min_dim`](Self::min_dim) goes along one dimension.
    ///
    /// # Panics
    /// If there are no elements.
    #[track_caller]
    pub fn min(&self) -> Tensor {
        match self.dtype() {
            DType::F32 | DType::BF16 => apply(
                Extreme { name: "min", largest: false, dims: IntList::default(), keepdim: false },
                [self],
            ),
            _ => extreme_of_integers("min", self, false),
        }
    }
}
