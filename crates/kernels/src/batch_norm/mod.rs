//! Batch normalization over the last dimension of activations (rows, channels); for images the rows are all
//! positions of all images, so channels-last activations need no rearranging.
//!
//! Training forward is [`statistics`] (or [`statistics_from_sums`] when a convolution has already summed its
//! output), [`fold`] into one scale and one shift a channel, and [`normalize`], which can also add a residual
//! and apply a ReLU. Inference is [`fold`] of the running statistics and [`normalize`].
//!
//! Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
//! Shift", 2015.

mod backward;
mod normalize;
mod statistics;
#[cfg(test)]
mod tests;

pub use backward::{Backward, Mode, Relu};
pub use normalize::{fold, normalize, normalize_in_place};
pub use statistics::{statistics, statistics_from_sums, update_running};
