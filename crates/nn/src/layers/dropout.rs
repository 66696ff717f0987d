//! Dropout, as `torch.nn.Dropout` and `Dropout2d` (Srivastava et al., 2014).

use super::error::{LayerError, or_panic};
use super::training_guard::TrainingGuard;
use crate::{Forward, Mode, Module};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Tensor, random, trace};

/// In training, sets each element to zero with probability `p` and scales the others by `1 / (1 - p)`; in
/// evaluation, changes nothing.
///
/// Draws from the thread's [step scope](cresset_tensor::random::step_scope), so that a resumed run drops the same
/// elements.
#[derive(Module, Clone, Debug)]
pub struct Dropout {
    name: LayerName,
    mode: Mode,
    guard: TrainingGuard,
    p: f32,
}

/// [`Dropout`] of whole channels of images (N, C, H, W) (Tompson et al., 2015).
#[derive(Module, Clone, Debug)]
pub struct Dropout2d {
    name: LayerName,
    mode: Mode,
    guard: TrainingGuard,
    p: f32,
}

fn check(kind: &'static str, p: f32) -> Result<f32, LayerError> {
    if (0.0..=1.0).contains(&p) {
        Ok(p)
    } else {
        Err(LayerError::new(kind, format!("p must be a probability from 0 to 1, found {p}")))
    }
}

impl Dropout {
    /// Drops with probability `p`; PyTorch's default is 0.5.
    ///
    /// # Panics
    /// If `p` is not a probability.
    #[track_caller]
    pub fn new(p: f32) -> Self {
        or_panic(Self::try_new(p))
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    /// If `p` is not a probability.
    pub fn try_new(p: f32) -> Result<Self, LayerError> {
        let p = check("Dropout", p)?;
        Ok(Self { name: LayerName::default(), mode: Mode::default(), guard: TrainingGuard::default(), p })
    }

    /// The probability to drop.
    pub fn p(&self) -> f32 {
        self.p
    }
}

impl Dropout2d {
    /// Drops with probability `p`; PyTorch's default is 0.5.
    ///
    /// # Panics
    /// If `p` is not a probability.
    #[track_caller]
    pub fn new(p: f32) -> Self {
        or_panic(Self::try_new(p))
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    /// If `p` is not a probability.
    pub fn try_new(p: f32) -> Result<Self, LayerError> {
        let p = check("Dropout2d", p)?;
        Ok(Self { name: LayerName::default(), mode: Mode::default(), guard: TrainingGuard::default(), p })
    }

    /// The probability to drop.
    pub fn p(&self) -> f32 {
        self.p
    }
}

impl Forward for Dropout {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.guard.check(self.mode, &self.name, self.kind());
        let layer = trace::enter(&self.name, self.kind(), x);
        let y = if self.mode.is_training() && self.p > 0.0 {
            x.dropout(self.p, &mut random::next_call())
        } else {
            x.clone()
        };
        layer.leave(y, || 0)
    }
}

impl Forward for Dropout2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.guard.check(self.mode, &self.name, self.kind());
        let layer = trace::enter(&self.name, self.kind(), x);
        // In a dry run the multiplication shows a misfit of the rank; before that any shape may come by.
        let y = match x.shape()[..] {
            [n, c, _, _] if self.mode.is_training() && self.p > 0.0 && !trace::is_active() => {
                let mask = Tensor::ones([n, c, 1, 1]).dropout(self.p, &mut random::next_call());
                x.mul(&mask)
            }
            [_, _, _, _] => x.clone(),
            _ => {
                assert!(
                    trace::is_active(),
                    "Dropout2d: expected images (N, C, H, W), found shape {}",
                    x.shape()
                );
                x.clone()
            }
        };
        layer.leave(y, || 0)
    }
}
