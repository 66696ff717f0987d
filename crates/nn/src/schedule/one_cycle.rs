//! The one-cycle policy (Smith and Topin, arXiv:1708.07120), as `torch.optim.lr_scheduler.OneCycleLR`.

use super::Schedule;
use std::f64::consts::PI;

/// The shape of each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anneal {
    /// Half a cosine.
    #[default]
    Cosine,
    /// A straight line.
    Linear,
}

impl Anneal {
    fn at(self, start: f64, end: f64, progress: f64) -> f64 {
        match self {
            Anneal::Cosine => end + (start - end) / 2.0 * (1.0 + (PI * progress).cos()),
            Anneal::Linear => (end - start) * progress + start,
        }
    }
}

/// Rises to the group's own learning rate (PyTorch's `max_lr`), then falls far below where it started; momentum
/// moves the other way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycleLr {
    /// Steps of the whole cycle.
    pub total_steps: u64,
    /// The part of the cycle in which the rate rises.
    pub pct_start: f64,
    /// The shape of the phases.
    pub anneal: Anneal,
    /// The lowest and the highest momentum, if momentum is cycled.
    pub momentum: Option<(f64, f64)>,
    /// The first rate is the highest divided by this.
    pub div_factor: f64,
    /// The last rate is the first divided by this.
    pub final_div_factor: f64,
    /// Fall as long as the rise took, then to the last rate in a third phase.
    pub three_phase: bool,
}

impl OneCycleLr {
    /// PyTorch's defaults for a cycle of this many steps.
    pub fn new(total_steps: u64) -> Self {
        Self {
            total_steps,
            pct_start: 0.3,
            anneal: Anneal::Cosine,
            momentum: Some((0.85, 0.95)),
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
        }
    }

    /// The value at `step` of what goes from `low` up to `high` and down to `last`.
    fn at(&self, step: u64, low: f64, high: f64, last: f64) -> f64 {
        let total = self.total_steps as f64;
        let peak = self.pct_start * total - 1.0;
        let ends: &[(f64, f64, f64)] = if self.three_phase {
            &[(peak, low, high), (2.0 * self.pct_start * total - 2.0, high, low), (total - 1.0, low, last)]
        } else {
            &[(peak, low, high), (total - 1.0, high, last)]
        };
        let step = step as f64;
        let mut start = 0.0;
        for (i, &(end, from, to)) in ends.iter().enumerate() {
            if step <= end || i + 1 == ends.len() {
                let length = end - start;
                let progress = if length > 0.0 { (step - start) / length } else { 1.0 };
                return self.anneal.at(from, to, progress.min(1.0));
            }
            start = end;
        }
        last
    }
}

impl Schedule for OneCycleLr {
    fn lr(&self, base_lr: f64, step: u64) -> f64 {
        let first = base_lr / self.div_factor;
        self.at(step, first, base_lr, first / self.final_div_factor)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.momentum.map(|(low, high)| self.at(step, high, low, high))
    }
}
