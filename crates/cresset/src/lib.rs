//! Train, check and use convolutional image classifiers, with PyTorch's semantics.
//!
//! ```
//! use cresset::prelude::*;
//! use std::sync::Arc;
//!
//! #[derive(Module, Clone)]
//! struct Cnn {
//!     conv1: Conv2d,
//!     conv2: Conv2d,
//!     fc1: Linear,
//!     fc2: Linear,
//! }
//!
//! impl Cnn {
//!     fn new(rng: &mut Generator) -> Self {
//!         Self {
//!             conv1: Conv2d::builder(1, 8, 3).padding(1).build(rng),
//!             conv2: Conv2d::builder(8, 16, 3).padding(1).build(rng),
//!             fc1: Linear::new(784, 128, rng),
//!             fc2: Linear::new(128, 10, rng),
//!         }
//!     }
//! }
//!
//! impl Forward for Cnn {
//!     fn forward(&self, x: &Tensor) -> Tensor {                 // (batch, 1, 28, 28)
//!         let x = self.conv1.forward(x).relu().max_pool2d(2);   // (batch, 8, 14, 14)
//!         let x = self.conv2.forward(&x).relu().max_pool2d(2);  // (batch, 16, 7, 7)
//!         let x = self.fc1.forward(&x.flatten(1)).relu();       // (batch, 128)
//!         self.fc2.forward(&x)                                  // (batch, 10) logits
//!     }
//! }
//!
//! # fn main() -> anyhow::Result<()> {
//! let data = Arc::new(digits::load(Split::Train)?);
//! let transforms = Compose::new().to_tensor().then(Normalize::new(&[0.3054], &[0.3464])?);
//! let options = LoaderOptions { batch_size: 64, shuffle: true, ..Default::default() };
//! let loader = DataLoader::new(data, transforms, options)?;
//! let model = Cnn::new(&mut Generator::new(0));
//! let sgd = SgdOptions { lr: 0.05, momentum: 0.9, ..Default::default() };
//! let mut optimizer = Sgd::new(model.named_parameters(), sgd);
//!
//! let mut losses = Vec::new();
//! for batch in loader.epoch(0) {
//!     let (images, labels) = to_tensors(batch?);
//!     optimizer.zero_grad();
//!     let loss = cross_entropy(&model.forward(&images), labels);
//!     loss.backward();
//!     optimizer.step();
//!     losses.push(loss.item());
//! }
//! assert!(losses.last() < losses.first());
//! # Ok(()) }
//! ```
//!
//! The parts are crates of their own, re-exported here: [`tensor`], [`nn`], [`vision`], [`train`].

pub use cresset_nn as nn;
pub use cresset_tensor as tensor;
pub use cresset_train as train;
pub use cresset_vision as vision;

/// The names that most programs use: `use cresset::prelude::*`.
pub mod prelude {
    pub use cresset_nn::loss::*;
    pub use cresset_nn::optim::{Adam, AdamOptions, AdamW, Optimizer, Sgd, SgdOptions};
    pub use cresset_nn::schedule::Schedule;
    pub use cresset_nn::*;
    pub use cresset_tensor::{Array, DType, Device, Generator, Shape, Tensor, no_grad};
    pub use cresset_train::{LrPolicy, Observer, TrainOptions, Trainer, evaluate, to_tensors};
    pub use cresset_vision::datasets::{Dataset, Split, digits};
    pub use cresset_vision::loader::{DataLoader, LoaderOptions};
    pub use cresset_vision::models;
    pub use cresset_vision::transforms::{Compose, Normalize, Pipeline};
}
