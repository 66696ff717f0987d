//! In which order the elements of an array lie in memory.

use crate::shape::{Dims, Shape};

/// Whether elements fill one run of memory without gaps or repeats, and in which order of dimensions. Found once, where an
/// array gets its strides, because every kernel asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryOrder {
    /// Row-major.
    pub contiguous: bool,
    /// 4-D, as (N, H, W, C).
    pub channels_last: bool,
    /// In any order.
    pub dense: bool,
}

impl MemoryOrder {
    /// That of elements with a shape and these strides.
    pub fn of(shape: &Shape, strides: &[usize]) -> Self {
        let contiguous = has_order(shape, strides, (0..shape.rank()).rev());
        let channels_last = is_channels_last(shape, strides);
        let dense = contiguous || channels_last || {
            let mut dims: Dims = (0..shape.rank()).filter(|&d| shape[d] != 1).collect();
            dims.sort_by_key(|&d| strides[d]);
            has_order(shape, strides, dims)
        };
        Self { contiguous, channels_last, dense }
    }

    /// That of a shape with its row-major `strides`.
    pub fn of_contiguous(shape: &Shape, strides: &[usize]) -> Self {
        Self { contiguous: true, channels_last: is_channels_last(shape, strides), dense: true }
    }
}

fn is_channels_last(shape: &Shape, strides: &[usize]) -> bool {
    shape.rank() == 4 && has_order(shape, strides, [1, 3, 2, 0])
}

/// Whether the elements fill one run of memory, in which dimensions vary in this order, the first one fastest. Strides only
/// matter along dimensions longer than 1.
fn has_order(shape: &Shape, strides: &[usize], dims: impl IntoIterator<Item = usize>) -> bool {
    let mut run = 1;
    let joins = |d: usize| {
        let joins = shape[d] == 1 || strides[d] == run;
        run = run.saturating_mul(shape[d]); // shapes of dry runs can be absurd
        joins
    };
    shape.contains(&0) || dims.into_iter().all(joins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_follow_from_strides() {
        let order = |shape: &[usize], strides: &[usize]| {
            let MemoryOrder { contiguous, channels_last, dense } =
                MemoryOrder::of(&Shape::new(shape), strides);
            (contiguous, channels_last, dense)
        };
        assert_eq!(order(&[2, 3, 4, 5], &[60, 20, 5, 1]), (true, false, true));
        assert_eq!(order(&[2, 3, 4, 5], &[60, 1, 15, 3]), (false, true, true));
        assert_eq!(
            order(&[2, 1, 4, 5], &[20, 7, 5, 1]),
            (true, true, true),
            "a size of 1 can have any stride"
        );
        assert_eq!(order(&[2, 3, 4], &[1, 8, 2]), (false, false, true));
        assert_eq!(order(&[2, 3], &[6, 1]), (false, false, false), "gaps");
        assert_eq!(order(&[2, 3], &[0, 1]), (false, false, false), "repeats");
        assert_eq!(order(&[2, 0], &[9, 9]), (true, false, true), "nothing lies anywhere");
        assert_eq!(order(&[], &[]), (true, false, true));
        assert_eq!(order(&[usize::MAX, 1, 2, 2], &[4, 4, 2, 1]), (true, true, true), "no overflow");
        let shape = Shape::new(&[2, 1, 4, 5]);
        let strides = shape.contiguous_strides();
        assert_eq!(MemoryOrder::of_contiguous(&shape, &strides), MemoryOrder::of(&shape, &strides));
    }
}
