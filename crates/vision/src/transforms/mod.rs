//! What happens to a picture between the file and the batch.
//!
//! A pipeline has two stages, and the compiler keeps them apart: [`ImageTransform`]s work on bytes, then
//! [`Compose::to_tensor`] turns bytes into floats in `[0, 1]`, then [`TensorTransform`]s work on those. Normalizing
//! bytes or cropping floats does not compile. Each transform draws from the sample's own random stream.

mod affine;
mod compose;
mod normalize;

pub use compose::{Compose, ImageTransform, Pipeline, Pixels, TensorTransform};
pub use normalize::Normalize;
