//! Leaves of the graph: where gradients collect.

use crate::array::Array;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

/// A tensor or parameter whose gradient is wanted. [`Tensor::backward`](crate::Tensor::backward) adds into it.
#[derive(Default)]
pub struct Leaf {
    name: RwLock<Option<Arc<str>>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    grad: Option<Array>,
    /// An optimizer step has used this gradient: adding to it now would be a forgotten `zero_grad()`.
    used: bool,
}

impl Leaf {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The name under which a module registered this parameter, if it did.
    pub fn name(&self) -> Option<Arc<str>> {
        self.name.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Sets the name; a shorter one than before (seen from a submodule) is ignored.
    pub fn set_name(&self, name: &str) {
        let shorter = |old: &Option<Arc<str>>| old.as_ref().is_some_and(|old| old.len() >= name.len());
        if !shorter(&self.name.read().unwrap_or_else(|e| e.into_inner())) {
            *self.name.write().unwrap_or_else(|e| e.into_inner()) = Some(name.into());
        }
    }

    /// The accumulated gradient.
    pub fn grad(&self) -> Option<Array> {
        self.state().grad.clone()
    }

    /// Replaces the gradient, or with `None` clears it, as `zero_grad(set_to_none=True)`.
    pub fn set_grad(&self, grad: Option<Array>) {
        *self.state() = State { grad, used: false };
    }

    /// Changes the gradient in place, for clipping.
    pub fn map_grad(&self, f: impl FnOnce(Array) -> Array) {
        let mut state = self.state();
        state.grad = state.grad.take().map(f);
    }

    /// Marks the gradient as used by an optimizer step.
    pub fn mark_used(&self) {
        self.state().used = true;
    }

    /// Adds a gradient.
    ///
    /// # Panics
    /// If an optimizer step has already used the gradient that is there.
    #[track_caller]
    pub fn accumulate(&self, grad: Array) {
        let mut state = self.state();
        if state.used && state.grad.is_some() {
            drop(state);
            let name = self.name();
            panic!(
                "backward: the gradient of {} was already used by an optimizer step; call zero_grad() before \
                 backward(), or set_grad() if old gradients are wanted",
                name.as_deref().map_or("this tensor".into(), |n| format!("parameter {n:?}"))
            );
        }
        state.grad = Some(match state.grad.take() {
            Some(sum) => sum.add_assign(&grad),
            None => grad.dense(),
        });
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("name", &self.name()).finish_non_exhaustive()
    }
}
