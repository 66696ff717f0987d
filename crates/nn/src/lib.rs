//! Modules, layers, losses, optimizers and schedules, with PyTorch's names and semantics.

extern crate self as cresset_nn;

#[doc(hidden)]
pub mod fail_point;
mod few_images;
mod fused;
pub mod init;
pub mod layers;
pub mod loss;
mod module;
pub mod optim;
mod param;
mod prepared;
pub mod schedule;
pub mod state_dict;
pub mod weights;

pub use cresset_derive::Module;
pub use few_images::few_images_at_a_time;
pub use fused::{
    bn_relu, conv_bn, conv_bn_add_relu, conv_bn_relu, conv_relu, conv_relu_max_pool, linear_relu,
};
pub use layers::*;
pub use module::{Field, Forward, Layer, Mode, Module, ModuleExt, Visitor, VisitorMut};
pub use param::{Buffer, Param};
pub use state_dict::{LoadError, LoadReport, StateDict, Strictness};
