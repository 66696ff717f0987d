//! Lists of dimensions and sizes as PyTorch takes them, and how they are resolved against a shape.

use crate::error::ShapeError;
use crate::shape::{Dims, Shape};
use smallvec::SmallVec;
use std::fmt;
use std::ops::Deref;

/// Sizes of which one may be -1 (for "whatever fits"), or dimensions of which negative ones count from the back.
///
/// Made from numbers, arrays, slices and shapes, so that `x.reshape([-1, 784])`, `x.reshape([n, 784])` with a
/// `usize`, `x.sum_dim(1, false)` and `x.sum_dim([0, 2, 3], true)` all read as in PyTorch.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct IntList(SmallVec<[isize; 5]>);

impl Deref for IntList {
    type Target = [isize];
    fn deref(&self) -> &[isize] {
        &self.0
    }
}

/// Prints like a Python tuple: `(-1, 784)`.
impl fmt::Display for IntList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0[..] {
            [d] => write!(f, "({d},)"),
            _ => {
                let parts: Vec<String> = self.0.iter().map(isize::to_string).collect();
                write!(f, "({})", parts.join(", "))
            }
        }
    }
}

impl fmt::Debug for IntList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is too large for `isize` fits no array; it stays too large.
macro_rules! int_list_from {
    ($($int:ty),*) => {$(
        impl From<$int> for IntList {
            fn from(value: $int) -> Self {
                [value].into()
            }
        }

        impl From<&[$int]> for IntList {
            fn from(values: &[$int]) -> Self {
                Self(values.iter().map(|&v| isize::try_from(v).unwrap_or(isize::MAX)).collect())
            }
        }

        impl<const N: usize> From<[$int; N]> for IntList {
            fn from(values: [$int; N]) -> Self {
                values.as_slice().into()
            }
        }

        impl<const N: usize> From<&[$int; N]> for IntList {
            fn from(values: &[$int; N]) -> Self {
                values.as_slice().into()
            }
        }

        impl From<Vec<$int>> for IntList {
            fn from(values: Vec<$int>) -> Self {
                values.as_slice().into()
            }
        }
    )*};
}

// `i32` is what a plain literal becomes when several types would do.
int_list_from!(i32, isize, usize);

impl From<Shape> for IntList {
    fn from(shape: Shape) -> Self {
        shape[..].into()
    }
}

impl From<&Shape> for IntList {
    fn from(shape: &Shape) -> Self {
        shape[..].into()
    }
}

impl Shape {
    /// The index of a dimension counted from the front or the back, or what `op` has to say about it.
    pub(crate) fn resolve(&self, op: &'static str, dim: isize) -> Result<usize, ShapeError> {
        self.dim(dim).ok_or_else(|| {
            let rank = self.rank() as isize;
            let known = match rank {
                0 => "a scalar, which has none".to_owned(),
                _ => format!("shape {self}; they run from {} to {}", -rank, rank - 1),
            };
            ShapeError::new(op, format!("dimension {dim} does not exist in {known}"))
        })
    }

    /// The indices of several distinct dimensions; all of them if the list is empty.
    pub(crate) fn resolve_all(&self, op: &'static str, dims: &IntList) -> Result<Dims, ShapeError> {
        if dims.is_empty() {
            return Ok((0..self.rank()).collect());
        }
        let mut indices = Dims::new();
        for &dim in dims.iter() {
            let d = self.resolve(op, dim)?;
            if indices.contains(&d) {
                return Err(ShapeError::new(
                    op,
                    format!("dimension {d} of shape {self} appears more than once in {dims}"),
                ));
            }
            indices.push(d);
        }
        Ok(indices)
    }

    /// The full sizes that a reshape with at most one -1 means.
    pub(crate) fn infer(&self, op: &'static str, sizes: &IntList) -> Result<Shape, ShapeError> {
        let misfit = |why: String| ShapeError::new(op, format!("shape {self} does not fit {sizes}: {why}"));
        if let Some(bad) = sizes.iter().find(|&&s| s < -1) {
            return Err(misfit(format!("size {bad} is negative; only -1, for the size that fits, may be")));
        }
        let known: Shape = sizes.iter().filter(|&&s| s != -1).map(|&s| s as usize).collect();
        let (have, need) = (self.numel(), known.numel());
        let inferred = match sizes.len() - known.rank() {
            0 if have == need => 0,
            0 => return Err(misfit(format!("{have} elements do not make {need}"))),
            1 if need == 0 => return Err(misfit("with a size of 0 there is no one size for -1".into())),
            1 if have % need == 0 => have / need,
            1 => return Err(misfit(format!("{have} elements are no multiple of {need}"))),
            _ => return Err(misfit("only one size can be -1".into())),
        };
        Ok(sizes.iter().map(|&s| if s == -1 { inferred } else { s as usize }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_from_all_kinds_of_numbers() {
        let list = |l: IntList| l.to_vec();
        let n: usize = 3;
        assert_eq!(list([-1, 784].into()), [-1, 784]);
        assert_eq!(list([n, 784].into()), [3, 784]);
        assert_eq!(list(vec![n].into()), [3]);
        assert_eq!(list((-2).into()), [-2]);
        assert_eq!(list((&Shape::new(&[2, 3])).into()), [2, 3]);
        assert_eq!(IntList::from(usize::MAX)[0], isize::MAX);
        assert_eq!(format!("{} {}", IntList::from([1]), IntList::from([1, -1])), "(1,) (1, -1)");
    }

    #[test]
    fn one_size_is_inferred() {
        let infer = |shape: &[usize], sizes: &[isize]| Shape::new(shape).infer("reshape", &sizes.into());
        assert_eq!(infer(&[2, 3, 4], &[-1, 6]).unwrap(), [4, 6]);
        assert_eq!(infer(&[], &[]).unwrap(), [0; 0]);
        assert_eq!(infer(&[0, 3], &[-1, 3]).unwrap(), [0, 3]);
        for (sizes, why) in [
            (&[5, -1][..], "reshape: shape (2, 3) does not fit (5, -1): 6 elements are no multiple of 5"),
            (&[4], "reshape: shape (2, 3) does not fit (4,): 6 elements do not make 4"),
            (&[-1, -1], "reshape: shape (2, 3) does not fit (-1, -1): only one size can be -1"),
            (
                &[-1, 0],
                "reshape: shape (2, 3) does not fit (-1, 0): with a size of 0 there is no one size for -1",
            ),
            (
                &[-2, 3],
                "reshape: shape (2, 3) does not fit (-2, 3): size -2 is negative; only -1, for the size that fits, \
                 may be",
            ),
        ] {
            assert_eq!(infer(&[2, 3], sizes).unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn dimensions_resolve() {
        let shape = Shape::new(&[2, 3, 4]);
        assert_eq!(shape.resolve_all("sum", &[-1, 0].into()).unwrap()[..], [2, 0]);
        assert_eq!(shape.resolve_all("sum", &IntList::default()).unwrap()[..], [0, 1, 2]);
        let message = |dims: IntList| shape.resolve_all("sum", &dims).unwrap_err().to_string();
        assert_eq!(
            message(3.into()),
            "sum: dimension 3 does not exist in shape (2, 3, 4); they run from -3 to 2"
        );
        assert_eq!(
            message([1, -2].into()),
            "sum: dimension 1 of shape (2, 3, 4) appears more than once in (1, -2)"
        );
        let scalar = Shape::default().resolve("sum", 0).unwrap_err();
        assert_eq!(scalar.to_string(), "sum: dimension 0 does not exist in a scalar, which has none");
    }
}
