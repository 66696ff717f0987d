//! Convolution as a matrix product whose rows are image patches read in place: nothing is copied but the
//! weights. Applies to every geometry.
//!
//! Accuracy: products are summed in float32 in one order, kernel row by kernel row; against float64 the error
//! is that of a plain dot product, about `1e-7 * sqrt(terms)` of the output's scale.

mod forward;
mod input_gradient;
mod patches;
mod weight_gradient;

pub(super) use forward::{forward, forward_packed, forward_pairs, pack_weights};
pub(super) use input_gradient::{input_gradient, input_gradient_pairs};
pub(super) use weight_gradient::weight_gradient;
