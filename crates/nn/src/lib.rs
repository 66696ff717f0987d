//! Modules, layers, losses, optimizers and schedules, with PyTorch's names and semantics.

extern crate self as cresset_nn;

pub mod init;
pub mod layers;
mod module;
pub mod optim;
mod param;
pub mod schedule;

pub use cresset_derive::Module;
pub use layers::*;
pub use module::{Field, Forward, Layer, Mode, Module, ModuleExt, Visitor, VisitorMut};
pub use param::{Buffer, Param};
