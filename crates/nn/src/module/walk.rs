//! Walks over a tree of modules, with the path of everything.

use super::{Mode, Module, Visitor, VisitorMut};
use crate::param::{Buffer, Param};
use cresset_tensor::scope::LayerName;

/// Calls back with full paths, and lets modules and parameters know theirs.
///
/// In PyTorch's order: of each module first its own parameters, then its own buffers, then its submodules, each in
/// field order.
pub(super) struct Walk<'a> {
    prefix: String,
    pass: Pass,
    on_module: &'a mut dyn FnMut(&str, &dyn Module),
    on_param: &'a mut dyn FnMut(&str, &Param),
    on_buffer: &'a mut dyn FnMut(&str, &Buffer),
}

/// Which fields of a module are being looked at.
#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Params,
    Buffers,
    Modules,
}

impl<'a> Walk<'a> {
    /// A walk that has not begun.
    pub fn new(
        on_module: &'a mut dyn FnMut(&str, &dyn Module),
        on_param: &'a mut dyn FnMut(&str, &Param),
        on_buffer: &'a mut dyn FnMut(&str, &Buffer),
    ) -> Self {
        Self { prefix: String::new(), pass: Pass::Params, on_module, on_param, on_buffer }
    }

    /// Shows what is in a module.
    pub fn enter<M: Module + ?Sized>(&mut self, module: &M) {
        for pass in [Pass::Params, Pass::Buffers, Pass::Modules] {
            self.pass = pass;
            module.visit(self);
        }
    }

    /// Runs `f` with `name` appended to the path, if it is the turn of such fields.
    fn within(&mut self, pass: Pass, name: &str, f: impl FnOnce(&mut Self)) {
        if self.pass != pass {
            return;
        }
        let len = self.prefix.len();
        if len > 0 {
            self.prefix.push('.');
        }
        self.prefix.push_str(name);
        f(self);
        self.prefix.truncate(len);
        self.pass = pass;
    }
}

impl Visitor for Walk<'_> {
    fn param(&mut self, name: &str, param: &Param) {
        self.within(Pass::Params, name, |walk| {
            param.leaf().set_name(&walk.prefix);
            (walk.on_param)(&walk.prefix, param);
        });
    }

    fn buffer(&mut self, name: &str, buffer: &Buffer) {
        self.within(Pass::Buffers, name, |walk| (walk.on_buffer)(&walk.prefix, buffer));
    }

    fn module(&mut self, name: &str, module: &dyn Module) {
        self.within(Pass::Modules, name, |walk| {
            (walk.on_module)(&walk.prefix, module);
            walk.enter(module);
        });
    }

    fn layer_name(&mut self, name: &LayerName) {
        if !self.prefix.is_empty() {
            name.set(&self.prefix);
        }
    }
}

/// Calls back with full paths, for change.
pub(super) struct WalkMut<'a> {
    prefix: String,
    on_module: &'a mut dyn FnMut(&str, &mut dyn Module),
    on_mode: &'a mut dyn FnMut(&str, &mut Mode),
}

impl<'a> WalkMut<'a> {
    /// A walk that has not begun.
    pub fn new(
        on_module: &'a mut dyn FnMut(&str, &mut dyn Module),
        on_mode: &'a mut dyn FnMut(&str, &mut Mode),
    ) -> Self {
        Self { prefix: String::new(), on_module, on_mode }
    }
}

impl VisitorMut for WalkMut<'_> {
    fn module(&mut self, name: &str, module: &mut dyn Module) {
        let len = self.prefix.len();
        if len > 0 {
            self.prefix.push('.');
        }
        self.prefix.push_str(name);
        (self.on_module)(&self.prefix, module);
        module.visit_mut(self);
        self.prefix.truncate(len);
    }

    fn mode(&mut self, mode: &mut Mode) {
        (self.on_mode)(&self.prefix, mode);
    }
}
