//! Shapes and strides: the geometry of an array, apart from its data.

use smallvec::SmallVec;
use std::fmt;
use std::ops::Deref;

/// One number a dimension, inline up to rank 5.
pub(crate) type Dims = SmallVec<[usize; 5]>;

/// The sizes of an array's dimensions, outermost first. A scalar has none.
///
/// Dereferences to `[usize]`, so `shape[0]`, `shape.len()` and iteration work as on a slice.
#[derive(PartialEq, Eq, Hash, Default)]
pub struct Shape(Dims);

/// All sizes at once: the clone of a [`SmallVec`] goes from one to the next, and every array has a shape.
impl Clone for Shape {
    fn clone(&self) -> Self {
        Self::new(self)
    }
}

impl Shape {
    /// A shape from its sizes.
    pub fn new(dims: &[usize]) -> Self {
        Self(Dims::from_slice(dims))
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements: 1 for a scalar, 0 if any dimension is 0.
    ///
    /// Saturates instead of overflowing, so that an absurd shape fails as "too large", not by wrapping.
    pub fn numel(&self) -> usize {
        if self.0.contains(&0) { 0 } else { self.0.iter().fold(1, |n: usize, &d| n.saturating_mul(d)) }
    }

    /// Row-major strides, in elements.
    pub(crate) fn contiguous_strides(&self) -> Dims {
        let mut strides = Dims::from_elem(1, self.rank());
        for i in (1..self.rank()).rev() {
            strides[i - 1] = strides[i] * self.0[i].max(1);
        }
        strides
    }

    /// Strides of a logical (N, C, H, W) shape whose memory order is (N, H, W, C).
    pub(crate) fn channels_last_strides(&self) -> Dims {
        let [_, c, h, w] = self.0[..] else { unreachable!("channels-last is for 4-D shapes") };
        Dims::from_slice(&[(h * w * c).max(1), 1, (w * c).max(1), c.max(1)])
    }

    /// The shape both operands take in elementwise arithmetic, by NumPy's rules: aligned at the right,
    /// sizes must be equal or 1. `None` if they do not fit.
    pub fn broadcast(&self, other: &Shape) -> Option<Shape> {
        let rank = self.rank().max(other.rank());
        let at = |s: &Shape, i: usize| (i + s.rank()).checked_sub(rank).map_or(1, |j| s.0[j]);
        (0..rank)
            .map(|i| match (at(self, i), at(other, i)) {
                (a, b) if a == b => Some(a),
                (1, b) => Some(b),
                (a, 1) => Some(a),
                _ => None,
            })
            .collect::<Option<Dims>>()
            .map(Shape)
    }

    /// Turns a dimension counted from the front (0, 1, …) or the back (-1, -2, …) into an index.
    pub(crate) fn dim(&self, dim: isize) -> Option<usize> {
        let rank = self.rank() as isize;
        let d = if dim < 0 { dim + rank } else { dim };
        (0..rank).contains(&d).then_some(d as usize)
    }

    /// This shape with one dimension replaced.
    pub(crate) fn with(&self, dim: usize, size: usize) -> Shape {
        let mut s = self.clone();
        s.0[dim] = size;
        s
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self::new(dims)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self::new(&dims)
    }
}

impl<const N: usize> From<&[usize; N]> for Shape {
    fn from(dims: &[usize; N]) -> Self {
        Self::new(dims)
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Self(Dims::from_vec(dims))
    }
}

impl From<&Vec<usize>> for Shape {
    fn from(dims: &Vec<usize>) -> Self {
        Self::new(dims)
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        shape.clone()
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl PartialEq<[usize]> for Shape {
    fn eq(&self, other: &[usize]) -> bool {
        self.0[..] == *other
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        self.0[..] == *other
    }
}

/// Prints like a Python tuple: `(64, 1, 28, 28)`, `(10,)`, `()`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0[..] {
            [d] => write!(f, "({d},)"),
            _ => {
                f.write_str("(")?;
                for (i, d) in self.0.iter().enumerate() {
                    write!(f, "{}{d}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
        }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        let s = |d: &[usize]| Shape::new(d);
        assert_eq!(s(&[3, 1, 5]).broadcast(&s(&[4, 1])), Some(s(&[3, 4, 5])));
        assert_eq!(s(&[]).broadcast(&s(&[2, 0])), Some(s(&[2, 0])));
        assert_eq!(s(&[1]).broadcast(&s(&[0])), Some(s(&[0])));
        assert_eq!(s(&[2, 3]).broadcast(&s(&[2])), None);
    }

    #[test]
    fn element_counts_saturate() {
        assert_eq!(Shape::new(&[usize::MAX, 4]).numel(), usize::MAX);
        assert_eq!(Shape::new(&[usize::MAX, 0]).numel(), 0);
        assert_eq!(Shape::new(&[]).numel(), 1);
    }
}
