//! What may stand as a field of a module.

use super::{Layer, Mode, Visitor, VisitorMut};
use crate::param::{Buffer, Param};
use cresset_tensor::scope::LayerName;

/// A type that may stand as a field of a `#[derive(Module)]` struct.
///
/// Modules, parameters and buffers register themselves under the field's name; `Option`, `Vec`, arrays and
/// `Box` of them do so for their contents (a `Vec` as `name.0`, `name.1`, …); plain settings (numbers, flags,
/// strings) do nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a module: it is no module, parameter, buffer or plain setting",
    label = "not known to #[derive(Module)]",
    note = "derive(Module) for `{Self}` if it owns parameters, or mark the field #[module(skip)] if it does not"
)]
pub trait Field {
    /// Registers with the visitor under `name`.
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor);
    /// Registers what can be changed.
    fn visit_field_mut(&mut self, name: &str, visitor: &mut dyn VisitorMut);
}

impl Field for Param {
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        visitor.param(name, self);
    }
    fn visit_field_mut(&mut self, _: &str, _: &mut dyn VisitorMut) {}
}

impl Field for Buffer {
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        visitor.buffer(name, self);
    }
    fn visit_field_mut(&mut self, _: &str, _: &mut dyn VisitorMut) {}
}

#[diagnostic::do_not_recommend]
impl Field for LayerName {
    fn visit_field(&self, _: &str, visitor: &mut dyn Visitor) {
        visitor.layer_name(self);
    }
    fn visit_field_mut(&mut self, _: &str, _: &mut dyn VisitorMut) {}
}

#[diagnostic::do_not_recommend]
impl Field for Mode {
    fn visit_field(&self, _: &str, _: &mut dyn Visitor) {}
    fn visit_field_mut(&mut self, _: &str, visitor: &mut dyn VisitorMut) {
        visitor.mode(self);
    }
}

#[diagnostic::do_not_recommend]
impl Field for Box<dyn Layer> {
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        visitor.module(name, &**self);
    }
    fn visit_field_mut(&mut self, name: &str, visitor: &mut dyn VisitorMut) {
        visitor.module(name, &mut **self);
    }
}

impl<T: Field> Field for Option<T> {
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        if let Some(field) = self {
            field.visit_field(name, visitor);
        }
    }
    fn visit_field_mut(&mut self, name: &str, visitor: &mut dyn VisitorMut) {
        if let Some(field) = self {
            field.visit_field_mut(name, visitor);
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        for (i, field) in self.iter().enumerate() {
            field.visit_field(&format!("{name}.{i}"), visitor);
        }
    }
    fn visit_field_mut(&mut self, name: &str, visitor: &mut dyn VisitorMut) {
        for (i, field) in self.iter_mut().enumerate() {
            field.visit_field_mut(&format!("{name}.{i}"), visitor);
        }
    }
}

impl<T: Field, const N: usize> Field for [T; N] {
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        for (i, field) in self.iter().enumerate() {
            field.visit_field(&format!("{name}.{i}"), visitor);
        }
    }
    fn visit_field_mut(&mut self, name: &str, visitor: &mut dyn VisitorMut) {
        for (i, field) in self.iter_mut().enumerate() {
            field.visit_field_mut(&format!("{name}.{i}"), visitor);
        }
    }
}

/// Settings take no part in the tree.
macro_rules! plain_settings {
    ($($t:ty),*) => {$(
        impl Field for $t {
            fn visit_field(&self, _: &str, _: &mut dyn Visitor) {}
            fn visit_field_mut(&mut self, _: &str, _: &mut dyn VisitorMut) {}
        }
    )*};
}
plain_settings!(bool, u32, u64, usize, i32, i64, isize, f32, f64, String, &'static str);
