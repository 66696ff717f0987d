//! Ranges of indices along a dimension, with ends that may count from the back.

use crate::error::ShapeError;
use crate::shape::Shape;
use std::fmt;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// A range of indices; negative ends count from the back. Made from Rust's ranges: `1..4`, `..-1`, `2..`, `..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceRange {
    start: isize,
    /// Exclusive; `None` for the end of the dimension.
    end: Option<isize>,
}

impl SliceRange {
    fn inclusive(start: isize, last: isize) -> Self {
        // Up to and including -1 is up to the end.
        Self { start, end: (last != -1).then_some(last.saturating_add(1)) }
    }

    /// First index and length within dimension `dim` of `x`.
    pub(crate) fn resolve(
        self,
        op: &'static str,
        dim: usize,
        x: &Shape,
    ) -> Result<(usize, usize), ShapeError> {
        let size = x[dim] as isize;
        let from_front = |i: isize| if i < 0 { i + size } else { i };
        let (start, end) = (from_front(self.start), self.end.map_or(size, from_front));
        if start < 0 || end > size || start > end {
            let message = format!("range {self} does not lie in dimension {dim} of shape {x}");
            return Err(ShapeError::new(op, message));
        }
        Ok((start as usize, (end - start) as usize))
    }
}

/// Prints like a Rust range: `2..-1`.
impl fmt::Display for SliceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", self.start)?;
        self.end.map_or(Ok(()), |end| write!(f, "{end}"))
    }
}

impl From<RangeFull> for SliceRange {
    fn from(_: RangeFull) -> Self {
        Self { start: 0, end: None }
    }
}

macro_rules! slice_range_from {
    ($($int:ty),*) => {$(
        impl From<Range<$int>> for SliceRange {
            fn from(r: Range<$int>) -> Self {
                Self { start: r.start as isize, end: Some(r.end as isize) }
            }
        }

        impl From<RangeFrom<$int>> for SliceRange {
            fn from(r: RangeFrom<$int>) -> Self {
                Self { start: r.start as isize, end: None }
            }
        }

        impl From<RangeTo<$int>> for SliceRange {
            fn from(r: RangeTo<$int>) -> Self {
                Self { start: 0, end: Some(r.end as isize) }
            }
        }

        impl From<RangeInclusive<$int>> for SliceRange {
            fn from(r: RangeInclusive<$int>) -> Self {
                Self::inclusive(*r.start() as isize, *r.end() as isize)
            }
        }

        impl From<RangeToInclusive<$int>> for SliceRange {
            fn from(r: RangeToInclusive<$int>) -> Self {
                Self::inclusive(0, r.end as isize)
            }
        }
    )*};
}

// `i32` is what a plain literal becomes when several types would do.
slice_range_from!(i32, isize, usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_resolve_from_both_ends() {
        let shape = Shape::new(&[2, 10]);
        let resolve = |r: SliceRange| r.resolve("slice", 1, &shape).unwrap();
        let n: usize = 3;
        assert_eq!(resolve((1..4).into()), (1, 3));
        assert_eq!(resolve((..-1).into()), (0, 9));
        assert_eq!(resolve((n..).into()), (3, 7));
        assert_eq!(resolve((..).into()), (0, 10));
        assert_eq!(resolve((-3..=-1).into()), (7, 3));
        assert_eq!(resolve((..=4).into()), (0, 5));
        assert_eq!(resolve((10..10).into()), (10, 0));
        for (range, text) in [
            ((1..11).into(), "1..11"),
            ((-11..).into(), "-11.."),
            (SliceRange { start: 5, end: Some(4) }, "5..4"),
        ] {
            let error: ShapeError = SliceRange::resolve(range, "slice", 1, &shape).unwrap_err();
            let expected = format!("slice: range {text} does not lie in dimension 1 of shape (2, 10)");
            assert_eq!(error.to_string(), expected);
        }
    }
}
