//! What happens to a picture between the file and the batch.
//!
//! A pipeline has two stages, and the compiler keeps them apart: [`ImageTransform`]s work on bytes, then
//! [`Compose::to_tensor`] turns bytes into floats in `[0, 1]`, then [`TensorTransform`]s work on those. Normalizing
//! bytes or cropping floats does not compile. Each transform draws from the sample's own random stream.

mod auto_augment;
mod byte_table;
mod channels;
mod color_jitter;
mod compose;
mod crop;
mod flip;
pub mod functional;
mod normalize;
mod rand_augment;
mod random_erasing;
mod random_resized_crop;
mod resample;
mod resize;
mod trivial_augment;

pub use channels::Channels;
pub use color_jitter::ColorJitter;
pub use compose::{Compose, ImageTransform, Pipeline, Pixels, TensorTransform};
pub use crop::{CenterCrop, RandomCrop};
pub use flip::{RandomHorizontalFlip, RandomVerticalFlip};
pub use normalize::Normalize;
pub use rand_augment::RandAugment;
pub use random_erasing::RandomErasing;
pub use random_resized_crop::RandomResizedCrop;
pub use resize::{Interpolation, Resize};
pub use trivial_augment::TrivialAugmentWide;
