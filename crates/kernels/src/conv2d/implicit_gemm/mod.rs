//! Convolution as a matrix product whose rows are image patches read in place: nothing is copied but the
//! weights. Applies to every geometry.
//!
//! Accuracy: products are summed in float32 in one order, kernel row by kernel row; against float64 the error
//! is that of a plain dot product, about `1e-7 * sqrt(terms)` of the output's scale. The products of large forward passes
//! and input gradients may be computed by [Strassen's algorithm](crate::gemm::strassen).

mod forward;
mod input_gradient;
mod patches;
mod weight_gradient;

pub(super) use forward::{adds_in_place, forward, forward_packed, pack_weights};
pub(super) use input_gradient::input_gradient;
pub(super) use patches::merges;
pub(super) use weight_gradient::weight_gradient;
