//! Parameter groups: parameters that share their options.

use crate::module::{Module, ModuleExt};
use crate::param::Param;
use cresset_tensor::Array;
use std::collections::HashMap;

/// Parameters with the options they are updated by, as a PyTorch `param_group`.
#[derive(Debug)]
pub struct Group<O> {
    /// The parameters, by path.
    pub params: Vec<(String, Param)>,
    /// How they are updated.
    pub options: O,
}

/// What a parameter is for: torchvision's reference scripts give each role a weight decay of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The weight of a convolution or a linear layer.
    Weight,
    /// The bias of a convolution or a linear layer.
    Bias,
    /// The scale or shift of a norm.
    Norm,
}

/// Every parameter of a model with its path and role, in the model's order.
///
/// ```
/// use cresset_nn::{BatchNorm2d, optim::{Role, parameter_roles}};
///
/// let roles = parameter_roles(&BatchNorm2d::new(3));
/// assert!(roles.iter().all(|(_, _, role)| *role == Role::Norm));
/// ```
pub fn parameter_roles(model: &(impl Module + ?Sized)) -> Vec<(String, Param, Role)> {
    let kinds: HashMap<String, &str> = model.named_modules().into_iter().collect();
    let role = |path: &str, param: &Param| {
        let layer = path.rsplit_once('.').map_or("", |(layer, _)| layer);
        match kinds.get(layer) {
            Some(kind) if kind.contains("Norm") => Role::Norm,
            _ if param.shape().rank() > 1 => Role::Weight,
            _ => Role::Bias,
        }
    };
    let named = model.named_parameters().into_iter();
    named
        .map(|(path, param)| (role(&path, &param), path, param))
        .map(|(role, path, param)| (path, param, role))
        .collect()
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
    /// Unless there is no gradient: runs `prepare(state, parameter)`, then `update(gradient, parameter, state)` over memory of
    /// equal order, and marks the gradient as used.
    pub fn step(
        &mut self,
        prepare: impl FnOnce(&mut S, &Array),
        update: impl FnOnce(&[f32], &mut [f32], &mut S),
    ) {
        let Some(grad) = self.param.grad().filter(|_| self.param.is_trainable()) else { return };
        let state = &mut self.state;
        self.param.update(|value| {
            prepare(state, value);
            let grad = grad.in_layout_of(value);
            update(grad.memory(), value.memory_mut(), state);
        });
        self.param.leaf().mark_used();
    }
}

/// All parameters of some groups.
pub(super) fn parameters<O, S>(groups: &[Slots<O, S>]) -> Vec<Param> {
    groups.iter().flat_map(|g| &g.slots).map(|s| s.param.share()).collect()
}
