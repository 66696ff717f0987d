//! Parts of a tensor along one dimension: narrow, slice, select, split, chunk.

use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::rows::for_each_row;
use crate::shape::Shape;
use crate::slice_range::SliceRange;
use crate::tensor::Tensor;

/// Which indices are kept.
#[derive(Debug)]
enum Part {
    Narrow { start: usize, len: usize },
    Slice { range: SliceRange, step: usize },
    Select(isize),
}

#[derive(Debug)]
struct Narrow {
    dim: isize,
    part: Part,
}

/// The kept indices of one dimension: `start`, `start + step`, …
#[derive(Clone, Copy, Debug)]
struct Kept {
    dim: usize,
    start: usize,
    len: usize,
    step: usize,
}

impl Narrow {
    fn kept(&self, x: &Shape) -> Result<Kept, ShapeError> {
        let name = self.name();
        let dim = x.resolve(name, self.dim)?;
        let size = x[dim];
        match self.part {
            Part::Narrow { start, len } => match start.checked_add(len) {
                Some(end) if end <= size => Ok(Kept { dim, start, len, step: 1 }),
                _ => Err(ShapeError::new(
                    name,
                    format!("start {start} and length {len} reach beyond dimension {dim} of shape {x}"),
                )),
            },
            Part::Slice { step: 0, .. } => Err(ShapeError::new(name, "the step must be at least 1, found 0")),
            Part::Slice { range, step } => {
                let (start, len) = range.resolve(name, dim, x)?;
                Ok(Kept { dim, start, len: len.div_ceil(step), step })
            }
            Part::Select(index) => {
                let start = if index < 0 { index + size as isize } else { index };
                if !(0..size as isize).contains(&start) {
                    let message = format!("index {index} does not exist in dimension {dim} of shape {x}");
                    return Err(ShapeError::new(name, message));
                }
                Ok(Kept { dim, start: start as usize, len: 1, step: 1 })
            }
        }
    }
}

impl Op<1> for Narrow {
    const VIEW: bool = true;
    /// The input's shape and what was kept.
    type Saved = (Shape, Kept);

    fn name(&self) -> &'static str {
        match self.part {
            Part::Narrow { .. } => "narrow",
            Part::Slice { .. } => "slice",
            Part::Select(_) => "select",
        }
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        let Kept { dim, len, .. } = self.kept(x)?;
        Ok(match self.part {
            Part::Select(_) => (0..x.rank()).filter(|&d| d != dim).map(|d| x[d]).collect(),
            _ => x.with(dim, len),
        })
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Self::Saved) {
        let kept = self.kept(x.shape()).expect("checked by shape()");
        let mut y = x.slice(kept.dim, kept.start, kept.len, kept.step);
        if let Part::Select(_) = self.part {
            y = y.reshape(self.shape([x.shape()]).expect("checked by apply()"));
        }
        (y, (x.shape().clone(), kept))
    }

    fn backward(&self, (shape, kept): Self::Saved, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        [Some(zeros_around(&grad.reshape(shape.with(kept.dim, kept.len)), &shape, kept))]
    }
}

/// Zeros of `shape` with `part` in place of the kept indices; in `part`'s memory order.
fn zeros_around(part: &Array, shape: &Shape, kept: Kept) -> Array {
    let order = part.memory_order();
    let rows = part.permute(&order).contiguous();
    let mut out = Array::zeros(order.iter().map(|&d| shape[d]).collect::<Shape>());
    if part.numel() > 0 {
        let at = order.iter().position(|&d| d == kept.dim).expect("a permutation");
        let inner: usize = rows.shape()[at + 1..].iter().product();
        let (from, to) = (kept.len * inner, shape[kept.dim] * inner);
        for_each_row(out.memory_mut(), to, rows.memory(), from, |out, part| {
            for (i, run) in part.chunks_exact(inner).enumerate() {
                let start = (kept.start + i * kept.step) * inner;
                out[start..start + inner].copy_from_slice(run);
            }
        });
    }
    out.unpermute(&order)
}

/// # Parts along one dimension
///
/// Views: memory is shared. All dtypes. Ranges that reach outside panic, as Rust's slices do.
impl Tensor {
    /// `length` indices of dimension `dim`, from `start`.
    ///
    /// # Panics
    /// If they do not lie in the dimension.
    #[track_caller]
    pub fn narrow(&self, dim: isize, start: usize, length: usize) -> Tensor {
        apply(Narrow { dim, part: Part::Narrow { start, len: length } }, [self])
    }

    /// The indices of dimension `dim` in a range whose ends may count from the back: `x.slice(1, 2..-1)`.
    ///
    /// # Panics
    /// If the range does not lie in the dimension.
    #[track_caller]
    pub fn slice(&self, dim: isize, range: impl Into<SliceRange>) -> Tensor {
        self.slice_step(dim, range, 1)
    }

    /// Every `step`-th index of dimension `dim` in a range, from the range's start.
    ///
    /// # Panics
    /// If the range does not lie in the dimension, or `step` is zero.
    #[track_caller]
    pub fn slice_step(&self, dim: isize, range: impl Into<SliceRange>, step: usize) -> Tensor {
        apply(Narrow { dim, part: Part::Slice { range: range.into(), step } }, [self])
    }

    /// One index of dimension `dim`, without that dimension; a negative one counts from the back.
    ///
    /// # Panics
    /// If the dimension or the index does not exist.
    #[track_caller]
    pub fn select(&self, dim: isize, index: isize) -> Tensor {
        apply(Narrow { dim, part: Part::Select(index) }, [self])
    }

    /// Consecutive parts of `size` indices of dimension `dim`; the last may be shorter.
    ///
    /// # Panics
    /// If there is no such dimension or `size` is zero.
    #[track_caller]
    pub fn split(&self, size: usize, dim: isize) -> Vec<Tensor> {
        assert!(size > 0, "split: the parts must have at least size 1");
        let total = self.size(dim);
        let mut parts = Vec::with_capacity(total.div_ceil(size));
        for start in (0..total).step_by(size) {
            parts.push(self.narrow(dim, start, size.min(total - start)));
        }
        parts
    }

    /// At most `count` parts of equal size (the last may be shorter) along dimension `dim`.
    ///
    /// # Panics
    /// If there is no such dimension or `count` is zero.
    #[track_caller]
    pub fn chunk(&self, count: usize, dim: isize) -> Vec<Tensor> {
        assert!(count > 0, "chunk: there must be at least 1 part");
        self.split(self.size(dim).div_ceil(count).max(1), dim)
    }
}
