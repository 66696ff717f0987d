//! `Module`: a tree of parameters, buffers and submodules, and what can be done with any such tree.

use crate::param::{Buffer, Param};
use crate::state_dict::{self, LoadError, LoadReport, StateDict, Strictness};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Device, Tensor};
use std::collections::HashSet;

/// A part of a model: it owns parameters, buffers and other modules. Derive it:
///
/// ```
/// use cresset_nn::{Conv2d, Forward, Linear, Module, ModuleExt};
/// use cresset_tensor::{Generator, Tensor};
///
/// #[derive(Module, Clone)]
/// struct Net {
///     conv: Conv2d,
///     fc: Linear,
/// }
///
/// impl Forward for Net {
///     fn forward(&self, x: &Tensor) -> Tensor {
///         self.fc.forward(&self.conv.forward(x).relu().flatten(1))
///     }
/// }
///
/// let mut rng = Generator::new(0);
/// let net = Net { conv: Conv2d::new(1, 2, 3, &mut rng), fc: Linear::new(2 * 6 * 6, 10, &mut rng) };
/// let names: Vec<_> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]);
/// ```
///
/// Every field takes part, in field order and under its own name, so no registration can be forgotten: fields
/// of a type that the derive does not know are refused unless marked `#[module(skip)]`.
pub trait Module: Send + Sync {
    /// The type's name, as in a summary: `Conv2d`.
    fn kind(&self) -> &'static str;

    /// Shows every field to the visitor.
    fn visit(&self, visitor: &mut dyn Visitor);

    /// Shows every submodule and mode to the visitor, for change.
    fn visit_mut(&mut self, visitor: &mut dyn VisitorMut);
}

/// Computes an output from an input.
///
/// Calling it with an input that does not fit panics, as indexing out of bounds does, and names the layer, the
/// shapes and the caller's line.
pub trait Forward {
    /// Runs the module on a batch.
    // Here and not at the impls, so that the caller's line is passed on through `dyn` too.
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor;
}

/// What a model is to a trainer: modules that compute, of any type, cloneable behind a pointer.
pub trait Layer: Module + Forward {
    /// An independent deep copy.
    fn clone_layer(&self) -> Box<dyn Layer>;
}

impl<T: Module + Forward + Clone + 'static> Layer for T {
    fn clone_layer(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Layer> {
    fn clone(&self) -> Self {
        (**self).clone_layer()
    }
}

impl<T: Forward + ?Sized> Forward for Box<T> {
    fn forward(&self, x: &Tensor) -> Tensor {
        (**self).forward(x)
    }
}

/// Sees the fields of a module, in order.
pub trait Visitor {
    /// A parameter field.
    fn param(&mut self, name: &str, param: &Param);
    /// A buffer field.
    fn buffer(&mut self, name: &str, buffer: &Buffer);
    /// A submodule; call its `visit` to go on inside.
    fn module(&mut self, name: &str, module: &dyn Module);
    /// The place where the module being visited keeps its own path.
    fn layer_name(&mut self, name: &LayerName);
}

/// Changes the modules of a tree.
pub trait VisitorMut {
    /// A submodule; call its `visit_mut` to go on inside.
    fn module(&mut self, name: &str, module: &mut dyn Module);
    /// The training flag of the module being visited.
    fn mode(&mut self, mode: &mut Mode);
}

/// Whether a layer that behaves differently in training and evaluation is in training: the flag of batch norm
/// and dropout. Starts in training, as PyTorch's modules do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(bool);

impl Mode {
    /// Whether the layer trains.
    pub fn is_training(self) -> bool {
        self.0
    }
}

impl Default for Mode {
    fn default() -> Self {
        Mode(true)
    }
}

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

impl Module for Box<dyn Layer> {
    fn kind(&self) -> &'static str {
        (**self).kind()
    }
    fn visit(&self, visitor: &mut dyn Visitor) {
        (**self).visit(visitor);
    }
    fn visit_mut(&mut self, visitor: &mut dyn VisitorMut) {
        (**self).visit_mut(visitor);
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

/// Calls back with full paths, and lets modules and parameters know theirs.
///
/// In PyTorch's order: of each module first its own parameters, then its own buffers, then its submodules, each in
/// field order.
struct Walk<'a> {
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

impl Walk<'_> {
    fn enter<M: Module + ?Sized>(&mut self, module: &M) {
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

struct WalkMut<'a> {
    prefix: String,
    on_module: &'a mut dyn FnMut(&str, &mut dyn Module),
    on_mode: &'a mut dyn FnMut(&str, &mut Mode),
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

/// What can be done with any module.
pub trait ModuleExt: Module {
    /// Every parameter with its path (`layer1.0.conv1.weight`), in PyTorch's order, as handles to the same
    /// parameters. One that is registered in two places is listed once, under its first path.
    fn named_parameters(&self) -> Vec<(String, Param)> {
        let mut out: Vec<(String, Param)> = Vec::new();
        let mut seen = HashSet::new();
        self.walk(
            &mut |_, _| {},
            &mut |name, p| {
                if seen.insert(std::ptr::from_ref(p.leaf())) {
                    out.push((name.to_owned(), p.share()));
                }
            },
            &mut |_, _| {},
        );
        out
    }

    /// Every parameter, in PyTorch's order.
    fn parameters(&self) -> Vec<Param> {
        self.named_parameters().into_iter().map(|(_, p)| p).collect()
    }

    /// The value of every buffer with its path, in PyTorch's order.
    fn named_buffers(&self) -> Vec<(String, cresset_tensor::Array)> {
        let mut out = Vec::new();
        self.walk(&mut |_, _| {}, &mut |_, _| {}, &mut |name, b| out.push((name.to_owned(), b.get())));
        out
    }

    /// The path and kind of every submodule, parents before children, starting with this one as `""`.
    fn named_modules(&self) -> Vec<(String, &'static str)> {
        let mut out = vec![(String::new(), self.kind())];
        self.walk(&mut |name, m| out.push((name.to_owned(), m.kind())), &mut |_, _| {}, &mut |_, _| {});
        out
    }

    /// Parameters and buffers by path, in PyTorch's order: a snapshot, which later training does not change.
    fn state_dict(&self) -> StateDict {
        state_dict::state_dict(self)
    }

    /// Overwrites parameters and buffers with those of a state dict, converting the element type where it differs.
    ///
    /// # Errors
    /// If keys or shapes do not agree (see [`Strictness`] and [`Misfits`](state_dict::Misfits)). Nothing is changed
    /// then.
    fn load_state_dict(&self, state: &StateDict, strictness: Strictness) -> Result<LoadReport, LoadError> {
        state_dict::load_state_dict(self, state, strictness)
    }

    /// Learnable numbers.
    fn num_parameters(&self) -> usize {
        self.parameters().iter().map(Param::numel).sum()
    }

    /// Learnable numbers that are not frozen.
    fn num_trainable_parameters(&self) -> usize {
        self.parameters().iter().filter(|p| p.is_trainable()).map(Param::numel).sum()
    }

    /// Puts batch norm and dropout into training, here and in every submodule.
    fn train(&mut self) {
        self.set_mode(true);
    }

    /// Puts batch norm and dropout into evaluation, here and in every submodule.
    fn eval(&mut self) {
        self.set_mode(false);
    }

    /// [`train`](Self::train) or [`eval`](Self::eval).
    fn set_mode(&mut self, training: bool) {
        self.walk(&mut |_, _| {}, &mut |_, _| {}, &mut |_, _| {});
        self.walk_mut(&mut |_, _| {}, &mut |_, mode| *mode = Mode(training));
    }

    /// Calls `f` with the path of every submodule, parents before children.
    fn apply(&mut self, mut f: impl FnMut(&str, &mut dyn Module))
    where
        Self: Sized,
    {
        self.walk_mut(&mut f, &mut |_, _| {});
    }

    /// Forgets the gradients of all parameters.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(|p| p.leaf().set_grad(None));
    }

    /// Moves parameters and buffers to a device.
    fn to(&self, device: Device) {
        // Main memory is the only device so far, and everything is there already.
        debug_assert_eq!(device, Device::Cpu);
    }

    /// Shows every module, parameter and buffer with its full path.
    fn walk(
        &self,
        on_module: &mut dyn FnMut(&str, &dyn Module),
        on_param: &mut dyn FnMut(&str, &Param),
        on_buffer: &mut dyn FnMut(&str, &Buffer),
    ) {
        let mut walk = Walk { prefix: String::new(), pass: Pass::Params, on_module, on_param, on_buffer };
        walk.enter(self);
    }

    /// Shows every submodule and training flag with the module's full path, for change.
    fn walk_mut(
        &mut self,
        on_module: &mut dyn FnMut(&str, &mut dyn Module),
        on_mode: &mut dyn FnMut(&str, &mut Mode),
    ) {
        self.visit_mut(&mut WalkMut { prefix: String::new(), on_module, on_mode });
    }
}

impl<M: Module + ?Sized> ModuleExt for M {}
