//! Parameter groups: parameters that share their options.

use crate::module::{Module, ModuleExt};
use crate::param::Param;
use cresset_tensor::Array;

/// Parameters with the options they are updated by, as a PyTorch `param_group`.
#[derive(Debug)]
pub struct Group<O> {
    /// The parameters, by path.
    pub params: Vec<(String, Param)>,
    /// How they are updated.
    pub options: O,
}

/// Splits a model's parameters into those that decay and those that do not: biases and the scales and shifts of
/// norms, which are the parameters of rank 0 or 1 (timm's rule, He et al. 2019, arXiv:1812.01187).
#[expect(clippy::type_complexity, reason = "a pair of parameter lists")]
pub fn split_by_weight_decay(model: &(impl Module + ?Sized)) -> (Vec<(String, Param)>, Vec<(String, Param)>) {
    model.named_parameters().into_iter().partition(|(_, p)| p.shape().rank() > 1)
}

/// A parameter and what its optimizer remembers of it.
#[derive(Debug)]
pub(super) struct Slot<S> {
    pub name: String,
    pub param: Param,
    pub state: S,
}

/// The slots of one group.
#[derive(Debug)]
pub(super) struct Slots<O, S> {
    pub options: O,
    pub slots: Vec<Slot<S>>,
}

impl<O, S: Default> Slots<O, S> {
    pub fn new(group: Group<O>) -> Self {
        let slot = |(name, param)| Slot { name, param, state: S::default() };
        Self { options: group.options, slots: group.params.into_iter().map(slot).collect() }
    }
}

impl<S> Slot<S> {
    /// Runs `update(gradient, parameter, state)` over memory of equal order, unless there is no gradient, and
    /// marks the gradient as used.
    pub fn step(&mut self, update: impl FnOnce(&[f32], &mut [f32], &mut S, &Array)) {
        let Some(grad) = self.param.grad().filter(|_| self.param.is_trainable()) else { return };
        let state = &mut self.state;
        self.param.update(|value| {
            // A second handle would make memory_mut() copy, so state is created from shape and strides alone.
            let like = Array::empty_like(value);
            let grad = grad.in_layout_of(value);
            update(grad.memory(), value.memory_mut(), state, &like);
        });
        self.param.leaf().mark_used();
    }
}

/// All parameters of some groups.
pub(super) fn parameters<O, S>(groups: &[Slots<O, S>]) -> Vec<Param> {
    groups.iter().flat_map(|g| &g.slots).map(|s| s.param.share()).collect()
}
