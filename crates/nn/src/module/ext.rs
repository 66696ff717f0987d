//! What can be done with any tree of modules.

use super::walk::{Walk, WalkMut};
use super::{Mode, Module};
use crate::param::{Buffer, Param};
use crate::state_dict::{self, LoadError, LoadReport, StateDict, Strictness};
use cresset_tensor::Device;
use std::collections::HashSet;

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
        Walk::new(on_module, on_param, on_buffer).enter(self);
    }

    /// Shows every submodule and training flag with the module's full path, for change.
    fn walk_mut(
        &mut self,
        on_module: &mut dyn FnMut(&str, &mut dyn Module),
        on_mode: &mut dyn FnMut(&str, &mut Mode),
    ) {
        self.visit_mut(&mut WalkMut::new(on_module, on_mode));
    }
}

impl<M: Module + ?Sized> ModuleExt for M {}
