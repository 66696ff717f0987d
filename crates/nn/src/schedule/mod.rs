//! Learning-rate schedules, as `torch.optim.lr_scheduler`.
//!
//! A schedule is a pure function of the step: nothing to save, nothing that a resumed run could get wrong. Only
//! [`ReduceLrOnPlateau`] depends on what happened, and keeps that in a state of three numbers.

mod one_cycle;
mod plateau;

pub use one_cycle::{Anneal, OneCycleLr};
pub use plateau::{PlateauMode, PlateauState, PlateauThreshold, ReduceLrOnPlateau};

use crate::optim::Optimizer;
use std::f64::consts::PI;
use std::fmt::Debug;

/// The learning rate as a function of the step (or the epoch: whatever the caller counts).
pub trait Schedule: Debug + Send + Sync {
    /// The learning rate in force during `step`, counted from 0, of a group whose own learning rate is `base_lr`.
    fn lr(&self, base_lr: f64, step: u64) -> f64;

    /// The momentum in force during `step`, for schedules that move it.
    fn momentum(&self, _step: u64) -> Option<f64> {
        None
    }

    /// Puts an optimizer's groups at `step`, given the groups' own learning rates.
    fn set(&self, optimizer: &mut dyn Optimizer, base_lrs: &[f64], step: u64) {
        let lrs: Vec<f64> = base_lrs.iter().map(|&base| self.lr(base, step)).collect();
        optimizer.set_lrs(&lrs);
        if let Some(momentum) = self.momentum(step) {
            optimizer.set_momentum(momentum);
        }
    }
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn lr(&self, base_lr: f64, step: u64) -> f64 {
        (**self).lr(base_lr, step)
    }
    fn momentum(&self, step: u64) -> Option<f64> {
        (**self).momentum(step)
    }
}

/// The learning rate never changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConstantLr;

impl Schedule for ConstantLr {
    fn lr(&self, base_lr: f64, _: u64) -> f64 {
        base_lr
    }
}

/// Multiplies by `gamma` every `step_size` steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepLr {
    /// Steps between drops, at least 1.
    pub step_size: u64,
    /// The factor of each drop.
    pub gamma: f64,
}

impl Schedule for StepLr {
    fn lr(&self, base_lr: f64, step: u64) -> f64 {
        base_lr * self.gamma.powf((step / self.step_size.max(1)) as f64)
    }
}

/// Multiplies by `gamma` at each milestone; a milestone listed twice counts twice.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiStepLr {
    /// The steps at which the rate drops.
    pub milestones: Vec<u64>,
    /// The factor of each drop.
    pub gamma: f64,
}

impl Schedule for MultiStepLr {
    fn lr(&self, base_lr: f64, step: u64) -> f64 {
        let passed = self.milestones.iter().filter(|&&m| m <= step).count();
        base_lr * self.gamma.powi(passed as i32)
    }
}

/// Multiplies by `gamma` every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExponentialLr {
    /// The factor of each step.
    pub gamma: f64,
}

impl Schedule for ExponentialLr {
    fn lr(&self, base_lr: f64, step: u64) -> f64 {
        base_lr * self.gamma.powf(step as f64)
    }
}

/// Half a cosine from the base rate down to `eta_min` in `t_max` steps (Loshchilov and Hutter, arXiv:1608.03983,
/// without restarts). Goes up again after that, as PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CosineAnnealingLr {
    /// Steps from top to bottom, at least 1.
    pub t_max: u64,
    /// The lowest rate.
    pub eta_min: f64,
}

impl Schedule for CosineAnnealingLr {
    fn lr(&self, base_lr: f64, step: u64) -> f64 {
        let phase = PI * step as f64 / self.t_max.max(1) as f64;
        self.eta_min + (base_lr - self.eta_min) * (1.0 + phase.cos()) / 2.0
    }
}

/// Falls to zero in `total_iters` steps along a polynomial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolynomialLr {
    /// Steps until zero, at least 1.
    pub total_iters: u64,
    /// The polynomial's degree; 1 is a straight line.
    pub power: f64,
}

impl Schedule for PolynomialLr {
    fn lr(&self, base_lr: f64, step: u64) -> f64 {
        let total = self.total_iters.max(1);
        base_lr * (1.0 - step.min(total) as f64 / total as f64).powf(self.power)
    }
}

/// Moves the factor on the rate along a straight line, and stays at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearLr {
    /// The factor at step 0.
    pub start_factor: f64,
    /// The factor from `total_iters` on.
    pub end_factor: f64,
    /// Steps from start to end.
    pub total_iters: u64,
}

impl Schedule for LinearLr {
    fn lr(&self, base_lr: f64, step: u64) -> f64 {
        let progress = match self.total_iters {
            0 => 1.0,
            total => step.min(total) as f64 / total as f64,
        };
        base_lr * (self.start_factor + (self.end_factor - self.start_factor) * progress)
    }
}

/// A linear warm-up of some steps, then another schedule from its beginning: PyTorch's `SequentialLR` of `LinearLR`
/// and that schedule, as torchvision's reference scripts chain them.
#[derive(Clone, Debug)]
pub struct Warmup<S> {
    /// Steps of warm-up.
    pub steps: u64,
    /// The factor on the rate at step 0 (0.01 in torchvision's scripts).
    pub start_factor: f64,
    /// What follows; its step 0 is the first after the warm-up.
    pub then: S,
}

impl<S: Schedule> Schedule for Warmup<S> {
    fn lr(&self, base_lr: f64, step: u64) -> f64 {
        match step.checked_sub(self.steps) {
            Some(step) => self.then.lr(base_lr, step),
            None => LinearLr { start_factor: self.start_factor, end_factor: 1.0, total_iters: self.steps }
                .lr(base_lr, step),
        }
    }
    fn momentum(&self, step: u64) -> Option<f64> {
        self.then.momentum(step.saturating_sub(self.steps))
    }
}
