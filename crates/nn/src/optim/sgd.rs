//! Stochastic gradient descent, as `torch.optim.SGD`.

use super::groups::{self, Group, Slots};
use super::profiled::update_cost;
use super::{Optimizer, OptimizerState, OptimizerStateError, tensor_like};
use crate::param::Param;
use cresset_kernels::optim as kernels;
use cresset_tensor::Array;
use cresset_tensor::profile::{self, Pass};

/// Options of [`Sgd`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdOptions {
    /// Learning rate.
    pub lr: f64,
    /// Weight of the momentum buffer; 0 keeps none.
    pub momentum: f64,
    /// How much less than fully a gradient enters the momentum buffer.
    pub dampening: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Nesterov's momentum.
    pub nesterov: bool,
    /// Ascend instead of descend.
    pub maximize: bool,
}

/// PyTorch's: learning rate 0.001, everything else off.
impl Default for SgdOptions {
    fn default() -> Self {
        Self { lr: 1e-3, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false }
    }
}

/// Stochastic gradient descent with momentum, dampening, Nesterov's momentum and weight decay.
#[derive(Debug)]
pub struct Sgd {
    groups: Vec<Slots<SgdOptions, Momentum>>,
}

/// The momentum buffer; `None` before the first step, which starts it with the gradient itself.
type Momentum = Option<Array>;

impl Sgd {
    /// One group of parameters.
    pub fn new(params: Vec<(String, Param)>, options: SgdOptions) -> Self {
        Self::with_groups([Group { params, options }])
    }

    /// Several groups, each with its own options.
    pub fn with_groups(groups: impl IntoIterator<Item = Group<SgdOptions>>) -> Self {
        Self { groups: groups.into_iter().map(Slots::new).collect() }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self) {
        for group in &mut self.groups {
            let o = group.options;
            let options = kernels::Sgd {
                lr: o.lr,
                momentum: o.momentum,
                dampening: o.dampening,
                weight_decay: o.weight_decay,
                nesterov: o.nesterov,
                maximize: o.maximize,
            };
            for slot in &mut group.slots {
                let span = profile::begin("sgd", Pass::Update).about(|| Some(slot.name.as_str().into()));
                let first = slot.state.is_none();
                let prepare = |momentum: &mut Momentum, value: &Array| {
                    if o.momentum != 0.0 {
                        momentum.get_or_insert_with(|| Array::empty_like(value));
                    }
                };
                slot.step(prepare, |grad, value, momentum| {
                    kernels::sgd(&options, first, grad, value, momentum.as_mut().map(Array::memory_mut));
                });
                span.end(|| update_cost(&slot.param, usize::from(o.momentum != 0.0)));
            }
        }
    }

    fn zero_grad(&self) {
        self.groups.iter().flat_map(|g| &g.slots).for_each(|s| s.param.leaf().set_grad(None));
    }

    fn lrs(&self) -> Vec<f64> {
        self.groups.iter().map(|g| g.options.lr).collect()
    }

    fn set_lrs(&mut self, lrs: &[f64]) {
        self.groups.iter_mut().zip(lrs).for_each(|(g, &lr)| g.options.lr = lr);
    }

    fn set_momentum(&mut self, momentum: f64) {
        self.groups.iter_mut().for_each(|g| g.options.momentum = momentum);
    }

    fn parameters(&self) -> Vec<Param> {
        groups::parameters(&self.groups)
    }

    fn state(&self) -> OptimizerState {
        let slots = self.groups.iter().flat_map(|g| &g.slots);
        slots.filter_map(|s| Some((format!("{}.momentum_buffer", s.name), s.state.clone()?))).collect()
    }

    fn load_state(&mut self, state: &OptimizerState) -> Result<(), OptimizerStateError> {
        let slots = || self.groups.iter().flat_map(|g| &g.slots);
        let loaded = slots()
            .map(|s| tensor_like(state, &format!("{}.momentum_buffer", s.name), &s.param.array()))
            .collect::<Result<Vec<Momentum>, _>>()?;
        for (slot, momentum) in self.groups.iter_mut().flat_map(|g| &mut g.slots).zip(loaded) {
            slot.state = momentum;
        }
        Ok(())
    }
}
