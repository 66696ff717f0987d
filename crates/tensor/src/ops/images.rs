//! What the ops on images (N, C, H, W) share: sizes for height and width, checks, memory order.

use crate::array::Array;
use crate::error::ShapeError;
use crate::shape::Shape;
use cresset_kernels::GeometryError;

/// One size for height and width: `3` for both, or `[height, width]`.
pub trait IntoPair {
    /// As `[height, width]`.
    fn into_pair(self) -> [usize; 2];
}

impl IntoPair for usize {
    fn into_pair(self) -> [usize; 2] {
        [self, self]
    }
}

impl IntoPair for [usize; 2] {
    fn into_pair(self) -> [usize; 2] {
        self
    }
}

impl IntoPair for (usize, usize) {
    fn into_pair(self) -> [usize; 2] {
        self.into()
    }
}

/// The sizes of a batch of images.
pub(crate) fn images(op: &'static str, x: &Shape) -> Result<[usize; 4], ShapeError> {
    match x[..] {
        [n, c, h, w] => Ok([n, c, h, w]),
        [_, _, _] => Err(ShapeError::new(
            op,
            format!("expected images (N, C, H, W), found shape {x}; add a batch dimension with unsqueeze(0)"),
        )),
        _ => Err(ShapeError::new(op, format!("expected images (N, C, H, W), found shape {x}"))),
    }
}

/// What a kernel says against a geometry, with the shape of the input that led to it.
pub(crate) fn misfit(op: &'static str, x: &Shape, error: GeometryError) -> ShapeError {
    ShapeError::new(op, format!("{} (input shape {x})", error.reason))
}

/// `x` with dimension `dim` moved to the end, in row-major order: rows over which a kernel runs. A view where the
/// memory is so already, as channels-last images with `dim` 1 are.
pub(crate) fn dim_last(x: &Array, dim: usize) -> Array {
    let order: Vec<usize> = (0..x.rank()).filter(|&d| d != dim).chain([dim]).collect();
    x.permute(&order).contiguous()
}

/// Undoes the permutation of [`dim_last`]: the last dimension becomes dimension `dim`. A view.
pub(crate) fn dim_back(rows: &Array, dim: usize) -> Array {
    let last = rows.rank() - 1;
    let order: Vec<usize> = (0..dim).chain([last]).chain(dim..last).collect();
    rows.permute(&order)
}
