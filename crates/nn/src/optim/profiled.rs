//! What an update moves, for profiles.

use crate::param::Param;
use cresset_tensor::profile::Cost;

/// Reads gradient, parameter and so many arrays of state, and writes all but the gradient.
pub(super) fn update_cost(param: &Param, state: usize) -> Cost {
    let bytes = (param.shape().numel() * size_of::<f32>()) as u64;
    Cost { macs: 0, read: (2 + state as u64) * bytes, written: (1 + state as u64) * bytes }
}
