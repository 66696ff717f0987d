//! Views of arrays: the same buffer seen through other sizes and strides.
//!
//! Arguments are checked by the ops that call these.

use crate::array::Array;
use crate::shape::{Dims, Shape};

impl Array {
    /// The same elements in row-major order under another shape; copies only if the strides do not allow a view.
    ///
    /// # Panics
    /// If the numbers of elements differ.
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Array {
        let shape = shape.into();
        assert!(shape.numel() == self.numel(), "reshape: {} does not fit {shape}", self.shape());
        match self.strides_under(&shape) {
            Some(strides) => self.view(shape, strides, self.offset()),
            None => {
                let copy = self.contiguous();
                let strides = shape.contiguous_strides();
                copy.view(shape, strides, copy.offset())
            }
        }
    }

    /// The strides under which the same memory has another shape, if there are any.
    ///
    /// Goes from the back over runs of dimensions that are contiguous among themselves; each run must be made up of
    /// whole dimensions of the new shape.
    fn strides_under(&self, shape: &Shape) -> Option<Dims> {
        if self.numel() == 0 {
            return Some(shape.contiguous_strides());
        }
        // Dimensions of size 1 can have any stride: leave them out on this side, skip them on the other.
        let old: Vec<usize> = (0..self.rank()).filter(|&d| self.shape()[d] != 1).collect();
        let mut strides = Dims::from_elem(1, shape.rank());
        let mut next = shape.rank();
        let mut run_end = old.len();
        while run_end > 0 {
            let unit = self.strides()[old[run_end - 1]];
            let mut len = self.shape()[old[run_end - 1]];
            let mut run_start = run_end - 1;
            while run_start > 0 && self.strides()[old[run_start - 1]] == len * unit {
                run_start -= 1;
                len *= self.shape()[old[run_start]];
            }
            let mut covered = 1;
            while covered < len {
                next = next.checked_sub(1)?;
                strides[next] = covered * unit;
                covered *= shape[next];
            }
            if covered != len {
                return None;
            }
            run_end = run_start;
        }
        Some(strides)
    }

    /// Dimensions in another order: dimension `i` of the result is dimension `dims[i]` of this.
    pub fn permute(&self, dims: &[usize]) -> Array {
        let shape = dims.iter().map(|&d| self.shape()[d]).collect();
        let strides = dims.iter().map(|&d| self.strides()[d]).collect();
        self.view(shape, strides, self.offset())
    }

    /// Undoes [`permute`](Self::permute) with the same `dims`.
    pub(crate) fn unpermute(&self, dims: &[usize]) -> Array {
        let mut inverse = Dims::from_elem(0, dims.len());
        for (i, &d) in dims.iter().enumerate() {
            inverse[d] = i;
        }
        self.permute(&inverse)
    }

    /// The dimensions from outermost to innermost in memory, of a dense array; else from first to last. Permuted so,
    /// a dense array is contiguous.
    pub(crate) fn memory_order(&self) -> Dims {
        let mut order: Dims = (0..self.rank()).collect();
        if !self.is_contiguous() && self.is_dense() {
            order.sort_by_key(|&d| std::cmp::Reverse(self.strides()[d]));
        }
        order
    }

    /// `len` indices of dimension `dim`, from `start`.
    pub fn narrow(&self, dim: usize, start: usize, len: usize) -> Array {
        self.slice(dim, start, len, 1)
    }

    /// `len` indices of dimension `dim`: `start`, `start + step`, …
    pub(crate) fn slice(&self, dim: usize, start: usize, len: usize, step: usize) -> Array {
        let mut strides = Dims::from_slice(self.strides());
        let shape = self.shape().with(dim, len);
        // An empty view must not start beyond the buffer.
        let offset = self.offset() + if shape.numel() == 0 { 0 } else { start * strides[dim] };
        strides[dim] *= step;
        self.view(shape, strides, offset)
    }

    /// Repeats dimensions of size 1 (and adds leading ones) up to `shape`, without copying.
    pub fn expand(&self, shape: impl Into<Shape>) -> Array {
        let shape = shape.into();
        let lead = shape.rank() - self.rank();
        let strides = (0..shape.rank())
            .map(|d| match d.checked_sub(lead) {
                Some(s) if self.shape()[s] == shape[d] && shape[d] != 1 => self.strides()[s],
                _ => 0,
            })
            .collect();
        self.view(shape, strides, self.offset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(shape: &[usize]) -> Array {
        let n = Shape::new(shape).numel();
        Array::from_vec((0..n).map(|i| i as f32).collect(), shape)
    }

    #[test]
    fn reshape_keeps_the_memory_where_strides_allow() {
        let a = count(&[4, 3, 2]);
        let shares = |v: &Array| std::ptr::eq(v.buffer(), a.buffer());
        for view in [
            a.narrow(0, 1, 2).reshape([6, 2]),
            a.narrow(1, 1, 1).reshape([4, 2]),
            a.narrow(2, 1, 1).reshape([2, 1, 6]),
            a.permute(&[2, 0, 1]).reshape([2, 12]),
            a.permute(&[2, 0, 1]).reshape([2, 1, 3, 2, 2]),
        ] {
            assert!(shares(&view), "{view:?}");
        }
        assert_eq!(a.narrow(2, 1, 1).reshape([2, 1, 6]).to_vec()[..4], [1.0, 3.0, 5.0, 7.0]);
        for copy in [a.narrow(1, 0, 2).reshape([8, 2]), a.permute(&[1, 0, 2]).reshape([6, 4])] {
            assert!(!shares(&copy), "{copy:?}");
        }
        assert_eq!(a.permute(&[2, 1, 0]).reshape([24]).to_vec(), a.permute(&[2, 1, 0]).to_vec());
    }
}
