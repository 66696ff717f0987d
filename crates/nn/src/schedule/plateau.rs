//! Lower the learning rate when a metric stops improving, as `torch.optim.lr_scheduler.ReduceLROnPlateau`.

/// Which direction is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlateauMode {
    /// Lower is better: a loss.
    #[default]
    Min,
    /// Higher is better: an accuracy.
    Max,
}

/// By how much a metric must be better to count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PlateauThreshold {
    /// By this fraction of the best.
    Relative(f64),
    /// By this amount.
    Absolute(f64),
}

/// Multiplies the learning rates by `factor` after more than `patience` checks without improvement.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceLrOnPlateau {
    /// Which direction is better.
    pub mode: PlateauMode,
    /// The factor of each drop.
    pub factor: f64,
    /// Checks without improvement that are tolerated.
    pub patience: u64,
    /// What counts as improvement.
    pub threshold: PlateauThreshold,
    /// Checks after a drop during which nothing is counted.
    pub cooldown: u64,
    /// The lowest rate of each group; one value serves all.
    pub min_lr: Vec<f64>,
    /// Smaller drops than this are not made.
    pub eps: f64,
    /// What happened so far.
    pub state: PlateauState,
}

/// What [`ReduceLrOnPlateau`] remembers: save it to resume.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlateauState {
    /// The best metric, once there is one.
    pub best: Option<f64>,
    /// Checks since it improved.
    pub bad_checks: u64,
    /// Checks of cooldown left.
    pub cooldown_left: u64,
}

/// PyTorch's: a tenth after more than 10 checks without a relative improvement of 1e-4.
impl Default for ReduceLrOnPlateau {
    fn default() -> Self {
        Self {
            mode: PlateauMode::Min,
            factor: 0.1,
            patience: 10,
            threshold: PlateauThreshold::Relative(1e-4),
            cooldown: 0,
            min_lr: vec![0.0],
            eps: 1e-8,
            state: PlateauState::default(),
        }
    }
}

impl ReduceLrOnPlateau {
    /// Takes note of a metric; returns the groups' new learning rates from their present ones.
    pub fn step(&mut self, metric: f64, lrs: &[f64]) -> Vec<f64> {
        let state = &mut self.state;
        let worst = if self.mode == PlateauMode::Min { f64::INFINITY } else { f64::NEG_INFINITY };
        if is_better(self.mode, self.threshold, metric, state.best.unwrap_or(worst)) {
            state.best = Some(metric);
            state.bad_checks = 0;
        } else {
            state.bad_checks += 1;
        }
        if state.cooldown_left > 0 {
            state.cooldown_left -= 1;
            state.bad_checks = 0;
        }
        if state.bad_checks <= self.patience {
            return lrs.to_vec();
        }
        state.cooldown_left = self.cooldown;
        state.bad_checks = 0;
        let lowest = |group: usize| self.min_lr.get(group).or(self.min_lr.last()).copied().unwrap_or(0.0);
        let drop = |(group, &lr): (usize, &f64)| {
            let lower = (lr * self.factor).max(lowest(group));
            if lr - lower > self.eps { lower } else { lr }
        };
        lrs.iter().enumerate().map(drop).collect()
    }
}

fn is_better(mode: PlateauMode, threshold: PlateauThreshold, metric: f64, best: f64) -> bool {
    match (mode, threshold) {
        (PlateauMode::Min, PlateauThreshold::Relative(t)) => metric < best * (1.0 - t),
        (PlateauMode::Min, PlateauThreshold::Absolute(t)) => metric < best - t,
        (PlateauMode::Max, PlateauThreshold::Relative(t)) => metric > best * (1.0 + t),
        (PlateauMode::Max, PlateauThreshold::Absolute(t)) => metric > best + t,
    }
}
