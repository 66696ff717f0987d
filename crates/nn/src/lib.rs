//! Modules, layers, losses, optimizers and schedules, with PyTorch's names and semantics.

extern crate self as cresset_nn;

mod module;
mod param;

pub use cresset_derive::Module;
pub use module::{Field, Forward, Layer, Mode, Module, ModuleExt, Visitor, VisitorMut};
pub use param::{Buffer, Param};
