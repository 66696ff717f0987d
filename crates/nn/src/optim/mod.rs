//! Optimizers: PyTorch's exact updates, with parameter groups and state that saves and loads.

mod adam;
mod clip;
mod groups;
mod profiled;
mod sgd;

pub use adam::{Adam, AdamOptions, AdamW};
pub use clip::{NormType, clip_grad_norm, clip_grad_value, grad_norm};
pub use groups::{Group, Role, parameter_roles};
pub use sgd::{Sgd, SgdOptions};

use cresset_tensor::Array;
use indexmap::IndexMap;

/// An optimizer's memory of a run, by parameter path: `layer1.0.conv1.weight.momentum_buffer`.
pub type OptimizerState = IndexMap<String, Array>;

/// Updates parameters from their gradients.
///
/// ```
/// use cresset_nn::{Forward, Linear, ModuleExt, optim::{Optimizer, Sgd, SgdOptions}};
/// use cresset_tensor::{Generator, Tensor};
///
/// let model = Linear::new(3, 1, &mut Generator::new(0));
/// let mut optimizer = Sgd::new(model.named_parameters(), SgdOptions { lr: 0.1, ..Default::default() });
/// for _ in 0..3 {
///     optimizer.zero_grad();
///     let loss = model.forward(&Tensor::ones([2, 3])).sum();
///     loss.backward();
///     optimizer.step();
/// }
/// ```
pub trait Optimizer: Send {
    /// Updates every parameter that has a gradient, and marks the gradients as used: the next `backward()` is
    /// refused until [`zero_grad`](Self::zero_grad).
    fn step(&mut self);

    /// Forgets all gradients.
    fn zero_grad(&self);

    /// The learning rate of each group.
    fn lrs(&self) -> Vec<f64>;

    /// Sets the learning rate of each group, in order; surplus values are ignored.
    fn set_lrs(&mut self, lrs: &[f64]);

    /// Sets the momentum (SGD) or the first beta (Adam) of every group, as one-cycle schedules do.
    fn set_momentum(&mut self, momentum: f64);

    /// All parameters, in the order of the groups.
    fn parameters(&self) -> Vec<crate::Param>;

    /// Everything that the next step depends on, apart from parameters, gradients and options.
    fn state(&self) -> OptimizerState;

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If a tensor is missing where its siblings are present, or has another shape than its parameter. Nothing
    /// is changed then.
    fn load_state(&mut self, state: &OptimizerState) -> Result<(), OptimizerStateError>;
}

/// A saved optimizer state does not belong to these parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptimizerStateError {
    /// A tensor is not there.
    #[error("optimizer state {key:?} is missing: was the run made with another optimizer?")]
    Missing {
        /// The tensor's key.
        key: String,
    },
    /// A tensor has another shape, or is not of the expected type.
    #[error("optimizer state {key:?} is {found}, expected {expected}: was the run made with another model?")]
    Mismatch {
        /// The tensor's key.
        key: String,
        /// Type and shape in the saved state.
        found: String,
        /// Type and shape of what it belongs to.
        expected: String,
    },
}

/// The float tensor `key` of a saved state, in the memory order of `like`, checked against its shape; `None` if
/// absent.
fn tensor_like(
    state: &OptimizerState,
    key: &str,
    like: &Array,
) -> Result<Option<Array>, OptimizerStateError> {
    let describe = |a: &Array| format!("{} {}", a.dtype().name(), a.shape());
    match state.get(key) {
        None => Ok(None),
        Some(a) if a.shape() == like.shape() && a.dtype() == like.dtype() => Ok(Some(a.in_layout_of(like))),
        Some(a) => Err(OptimizerStateError::Mismatch {
            key: key.to_owned(),
            found: describe(a),
            expected: describe(like),
        }),
    }
}
