//! How the losses of single items become one number.

use crate::tensor::Tensor;

pub use cresset_kernels::cross_entropy::Reduction;

/// Applies a reduction to losses of any shape.
#[track_caller]
pub(super) fn reduce(losses: Tensor, reduction: Reduction) -> Tensor {
    match reduction {
        Reduction::None => losses,
        Reduction::Sum => losses.sum(),
        Reduction::Mean => losses.mean(),
    }
}
