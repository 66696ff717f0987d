//! The layers, one idea a file, under PyTorch's names.
//!
//! A layer is a [`Module`](crate::Module) of parameters, buffers and settings whose
//! [`forward`](crate::Forward::forward) calls the op of the same name. Layers with random initial values take the
//! [`Generator`](cresset_tensor::Generator) explicitly. Settings beyond the usual ones go through a builder:
//!
//! ```
//! use cresset_nn::Conv2d;
//! use cresset_tensor::Generator;
//!
//! let mut rng = Generator::new(0);
//! let stem = Conv2d::builder(3, 64, 7).stride(2).padding(3).bias(false).build(&mut rng);
//! # assert_eq!(stem.weight.shape(), [64, 3, 7, 7]);
//! ```
//!
//! `build` panics at the caller's line if the settings contradict each other, as a wrong index would; code that
//! gets its settings from outside calls `try_build`.

mod activation;
mod adaptive_pool2d;
mod avg_pool2d;
mod batch_norm;
mod conv2d;
mod dropout;
mod error;
mod flatten;
mod identity;
mod linear;
mod max_pool2d;
mod relu;
mod sequential;
mod softmax;
mod training_guard;

pub use activation::{GELU, LeakyReLU, SiLU, Sigmoid, Tanh};
pub use adaptive_pool2d::{AdaptiveAvgPool2d, AdaptiveMaxPool2d};
pub use avg_pool2d::AvgPool2d;
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNormBuilder};
pub use conv2d::{Conv2d, Conv2dBuilder};
pub use cresset_tensor::ops::{AvgPool2dOptions, Conv2dOptions, MaxPool2dOptions, Padding};
pub use dropout::{Dropout, Dropout2d};
pub use error::LayerError;
pub use flatten::Flatten;
pub use identity::Identity;
pub use linear::{Linear, LinearBuilder};
pub use max_pool2d::MaxPool2d;
pub use relu::ReLU;
pub use sequential::Sequential;
pub use softmax::Softmax;
pub use training_guard::TrainingGuard;
