//! Adam (Kingma and Ba, arXiv:1412.6980) and AdamW (Loshchilov and Hutter, arXiv:1711.05101).

use super::groups::{self, Group, Slots};
use super::profiled::update_cost;
use super::{Optimizer, OptimizerState, OptimizerStateError, tensor_like};
use crate::param::Param;
use cresset_kernels::optim as kernels;
use cresset_tensor::Array;
use cresset_tensor::profile::{self, Pass};

/// Options of [`Adam`] and [`AdamW`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamOptions {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the averages of the gradient and of its square.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty (Adam), or decay of the parameter itself (AdamW).
    pub weight_decay: f64,
    /// Divide by the largest average of squares so far (Reddi et al., 2018).
    pub amsgrad: bool,
    /// Ascend instead of descend.
    pub maximize: bool,
}

/// PyTorch's, for Adam: learning rate 0.001, betas 0.9 and 0.999, no weight decay. (AdamW's weight decay is 0.01
/// there: see [`AdamOptions::adamw`].)
impl Default for AdamOptions {
    fn default() -> Self {
        Self { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, amsgrad: false, maximize: false }
    }
}

impl AdamOptions {
    /// PyTorch's defaults for AdamW: as Adam's, with weight decay 0.01.
    pub fn adamw() -> Self {
        Self { weight_decay: 0.01, ..Self::default() }
    }
}

/// What Adam remembers of a parameter.
#[derive(Debug, Default)]
struct Moments {
    /// Steps taken, for the bias correction.
    step: u64,
    averages: Option<Averages>,
}

#[derive(Debug)]
struct Averages {
    gradient: Array,
    square: Array,
    largest_square: Option<Array>,
}

/// The optimizer of both names: they differ in where the weight decay acts.
#[derive(Debug)]
struct Core {
    groups: Vec<Slots<AdamOptions, Moments>>,
    decoupled: bool,
}

impl Core {
    fn step(&mut self) {
        for group in &mut self.groups {
            let o = group.options;
            let options = kernels::Adam {
                lr: o.lr,
                betas: o.betas,
                epsilon: o.eps,
                weight_decay: o.weight_decay,
                decoupled: self.decoupled,
                maximize: o.maximize,
            };
            for slot in &mut group.slots {
                let span = profile::begin("adam", Pass::Update).about(|| Some(slot.name.as_str().into()));
                let prepare = |moments: &mut Moments, value: &Array| {
                    let zeros = || Array::empty_like(value).map(|_| 0.0);
                    moments.averages.get_or_insert_with(|| Averages {
                        gradient: zeros(),
                        square: zeros(),
                        largest_square: o.amsgrad.then(zeros),
                    });
                };
                slot.step(prepare, |grad, value, moments| {
                    moments.step += 1;
                    let averages = moments.averages.as_mut().expect("prepared");
                    kernels::adam(
                        &options,
                        moments.step,
                        grad,
                        value,
                        averages.gradient.memory_mut(),
                        averages.square.memory_mut(),
                        averages.largest_square.as_mut().map(Array::memory_mut),
                    );
                });
                span.end(|| update_cost(&slot.param, if o.amsgrad { 3 } else { 2 }));
            }
        }
    }

    fn state(&self) -> OptimizerState {
        let mut state = OptimizerState::new();
        for slot in self.groups.iter().flat_map(|g| &g.slots) {
            let Some(averages) = &slot.state.averages else { continue };
            let mut put = |key: &str, value: Array| state.insert(format!("{}.{key}", slot.name), value);
            put("step", Array::from_i64(vec![slot.state.step as i64], [0; 0]));
            put("exp_avg", averages.gradient.clone());
            put("exp_avg_sq", averages.square.clone());
            if let Some(largest) = &averages.largest_square {
                put("max_exp_avg_sq", largest.clone());
            }
        }
        state
    }

    fn load_state(&mut self, state: &OptimizerState) -> Result<(), OptimizerStateError> {
        let mut loaded = Vec::new();
        for (slot, amsgrad) in self.groups.iter().flat_map(|g| g.slots.iter().map(|s| (s, g.options.amsgrad)))
        {
            let key = |what: &str| format!("{}.{what}", slot.name);
            let like = slot.param.array();
            let required = |what: &str, like: &Array| {
                tensor_like(state, &key(what), like)?
                    .ok_or_else(|| OptimizerStateError::Missing { key: key(what) })
            };
            loaded.push(if state.contains_key(&key("exp_avg")) {
                let step = required("step", &Array::from_i64(vec![0], [0; 0]))?;
                Moments {
                    step: step.to_vec_i64()[0].max(0) as u64,
                    averages: Some(Averages {
                        gradient: required("exp_avg", &like)?,
                        square: required("exp_avg_sq", &like)?,
                        largest_square: amsgrad.then(|| required("max_exp_avg_sq", &like)).transpose()?,
                    }),
                }
            } else {
                Moments::default()
            });
        }
        for (slot, moments) in self.groups.iter_mut().flat_map(|g| &mut g.slots).zip(loaded) {
            slot.state = moments;
        }
        Ok(())
    }
}

/// The two public types wrap the same core.
macro_rules! optimizer {
    ($(#[$doc:meta])* $name:ident, decoupled: $decoupled:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(Core);

        impl $name {
            /// One group of parameters.
            pub fn new(params: Vec<(String, Param)>, options: AdamOptions) -> Self {
                Self::with_groups([Group { params, options }])
            }

            /// Several groups, each with its own options.
            pub fn with_groups(groups: impl IntoIterator<Item = Group<AdamOptions>>) -> Self {
                Self(Core { groups: groups.into_iter().map(Slots::new).collect(), decoupled: $decoupled })
            }
        }

        impl Optimizer for $name {
            fn step(&mut self) {
                self.0.step();
            }
            fn zero_grad(&self) {
                self.0.groups.iter().flat_map(|g| &g.slots).for_each(|s| s.param.leaf().set_grad(None));
            }
            fn lrs(&self) -> Vec<f64> {
                self.0.groups.iter().map(|g| g.options.lr).collect()
            }
            fn set_lrs(&mut self, lrs: &[f64]) {
                self.0.groups.iter_mut().zip(lrs).for_each(|(g, &lr)| g.options.lr = lr);
            }
            fn set_momentum(&mut self, momentum: f64) {
                self.0.groups.iter_mut().for_each(|g| g.options.betas.0 = momentum);
            }
            fn parameters(&self) -> Vec<Param> {
                groups::parameters(&self.0.groups)
            }
            fn state(&self) -> OptimizerState {
                self.0.state()
            }
            fn load_state(&mut self, state: &OptimizerState) -> Result<(), OptimizerStateError> {
                self.0.load_state(state)
            }
        }
    };
}

optimizer!(
    /// Adam, as `torch.optim.Adam`: weight decay is an L2 penalty added to the gradient.
    Adam, decoupled: false
);
optimizer!(
    /// AdamW, as `torch.optim.AdamW`: weight decay shrinks the parameter itself.
    AdamW, decoupled: true
);
