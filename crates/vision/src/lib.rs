//! Everything between image files and batches, and the model families.
//!
//! - [`datasets`]: where samples come from (embedded digits, MNIST, CIFAR, folders of images);
//! - [`image`]: one picture in memory, and its decoding;
//! - [`transforms`]: what happens to a picture before the model sees it;
//! - [`preview`]: a grid of augmented samples to look at;
//! - [`loader`]: batches, shuffled and prefetched, independent of the number of workers;
//! - [`models`]: the model families.
//!
//! ```
//! use cresset_vision::datasets::{Split, digits};
//! use cresset_vision::loader::{DataLoader, LoaderOptions};
//! use cresset_vision::transforms::{Compose, Normalize};
//! use std::sync::Arc;
//!
//! # fn main() -> cresset_vision::Result<()> {
//! let train = Arc::new(digits::load(Split::Train)?);
//! let transforms = Compose::new().to_tensor().then(Normalize::new(&[0.1307], &[0.3081])?);
//! let loader = DataLoader::new(train, transforms, LoaderOptions { batch_size: 64, ..Default::default() })?;
//! for batch in loader.epoch(0) {
//!     let batch = batch?;
//!     assert_eq!(batch.shape[1..], [1, 28, 28]);
//! }
//! # Ok(()) }
//! ```

pub mod datasets;
pub mod error;
pub mod image;
pub mod loader;
pub mod models;
pub mod preview;
pub mod random;
pub mod transforms;

pub use error::{Result, VisionError};
