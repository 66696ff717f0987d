//! Batch normalization, as `torch.nn.BatchNorm1d` and `BatchNorm2d` (Ioffe and Szegedy, 2015).

use super::error::{LayerError, or_panic};
use super::training_guard::TrainingGuard;
use crate::{Buffer, Forward, Mode, Module, ModuleExt, Param};
use cresset_tensor::ops::{BatchStats, batch_norm_eval, batch_norm_train};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Array, Tensor, trace};

/// [`BatchNorm`] of rows (N, C) or sequences (N, C, L).
pub type BatchNorm1d = BatchNorm<1>;

/// [`BatchNorm`] of images (N, C, H, W).
pub type BatchNorm2d = BatchNorm<2>;

/// Normalizes each channel, then scales and shifts it: with the batch's statistics in training, with running ones
/// in evaluation. `SPATIAL` is the number of spatial dimensions of the input.
///
/// `forward` in training also moves the running statistics; the variance enters them with Bessel's correction.
#[derive(Module, Clone, Debug)]
#[module(kind = Self::KIND)]
pub struct BatchNorm<const SPATIAL: usize> {
    name: LayerName,
    mode: Mode,
    guard: TrainingGuard,
    /// Scale (C), if affine.
    pub weight: Option<Param>,
    /// Shift (C), if affine.
    pub bias: Option<Param>,
    /// Mean of each channel (C) over past batches, if tracked.
    pub running_mean: Option<Buffer>,
    /// Variance of each channel (C) over past batches, if tracked.
    pub running_var: Option<Buffer>,
    /// Batches seen in training: an integer scalar, if tracked.
    pub num_batches_tracked: Option<Buffer>,
    features: usize,
    eps: f32,
    #[module(skip)]
    momentum: Option<f32>,
}

impl<const SPATIAL: usize> BatchNorm<SPATIAL> {
    const KIND: &'static str = match SPATIAL {
        1 => "BatchNorm1d",
        2 => "BatchNorm2d",
        _ => panic!("batch norm is for 1 or 2 spatial dimensions"),
    };

    /// Batch norm of so many channels, with PyTorch's settings: eps 1e-5, momentum 0.1, affine from the identity,
    /// tracking running statistics.
    ///
    /// # Panics
    /// If `features` is 0.
    #[track_caller]
    pub fn new(features: usize) -> Self {
        Self::builder(features).build()
    }

    /// Starts from [`new`](Self::new)'s settings.
    pub fn builder(features: usize) -> BatchNormBuilder<SPATIAL> {
        BatchNormBuilder { features, eps: 1e-5, momentum: Some(0.1), affine: true, track_running_stats: true }
    }

    /// The layer's place in its model, for code that computes the layer otherwise.
    pub fn layer_name(&self) -> &LayerName {
        &self.name
    }

    /// Channels.
    pub fn features(&self) -> usize {
        self.features
    }

    /// What is added to the variance.
    pub fn eps(&self) -> f32 {
        self.eps
    }

    /// The weight of a new batch in the running statistics; `None` averages all batches alike.
    pub fn momentum(&self) -> Option<f32> {
        self.momentum
    }

    /// Whether the layer normalizes with the statistics of the batch: in training, and always if it has no
    /// running ones.
    pub fn uses_batch_statistics(&self) -> bool {
        self.mode.is_training() || self.running_mean.is_none()
    }

    /// Whether the layer is in training.
    pub fn is_training(&self) -> bool {
        self.mode.is_training()
    }

    /// Moves the running statistics towards those of a batch, as `forward` does in training; for code that
    /// computed the normalization otherwise. Does nothing in evaluation, in a dry run or without tracking.
    pub fn track(&self, stats: &BatchStats) {
        let (Some(mean), Some(var), Some(batches)) =
            (&self.running_mean, &self.running_var, &self.num_batches_tracked)
        else {
            return;
        };
        if !self.mode.is_training() || trace::is_active() {
            return;
        }
        let seen = batches.update(|a| {
            let seen = a.to_vec_i64()[0] + 1;
            *a = Array::from_i64(vec![seen], []);
            seen
        });
        let momentum = self.momentum.unwrap_or(1.0 / seen as f32);
        mean.update(|mean| var.update(|var| stats.update_running(momentum, mean, var)));
    }

    /// Reports training mode without gradients, once; `forward` does so itself.
    pub fn check_mode(&self) {
        self.guard.check(self.mode, &self.name, Self::KIND);
    }

    #[track_caller]
    fn check_rank(&self, x: &Tensor) {
        let expected = match SPATIAL {
            1 => (2..=3).contains(&x.rank()),
            _ => x.rank() == SPATIAL + 2,
        };
        // A dry run that has already found its misfit carries any shape to the end.
        assert!(
            expected || trace::is_active(),
            "{}{}: expected {}, found shape {}",
            self.name.get().map(|n| format!("layer {n:?}: ")).unwrap_or_default(),
            Self::KIND,
            if SPATIAL == 1 { "(N, C) or (N, C, L)" } else { "images (N, C, H, W)" },
            x.shape()
        );
    }
}

impl<const SPATIAL: usize> Forward for BatchNorm<SPATIAL> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.check_rank(x);
        self.check_mode();
        let layer = trace::enter(&self.name, Self::KIND, x);
        let weight = self.weight.as_ref().map(Param::tensor);
        let bias = self.bias.as_ref().map(Param::tensor);
        let (weight, bias) = (weight.as_ref(), bias.as_ref());
        let y = match (&self.running_mean, &self.running_var) {
            (Some(mean), Some(var)) if !self.mode.is_training() => {
                batch_norm_eval(x, &mean.get(), &var.get(), weight, bias, self.eps)
            }
            _ => {
                let (y, stats) = batch_norm_train(x, weight, bias, self.eps);
                self.track(&stats);
                y
            }
        };
        layer.leave(y, || self.num_parameters())
    }
}

/// Settings of a [`BatchNorm`].
#[derive(Clone, Copy, Debug)]
#[must_use = "call build()"]
pub struct BatchNormBuilder<const SPATIAL: usize> {
    features: usize,
    eps: f32,
    momentum: Option<f32>,
    affine: bool,
    track_running_stats: bool,
}

impl<const SPATIAL: usize> BatchNormBuilder<SPATIAL> {
    /// What is added to the variance before its root.
    pub fn eps(self, eps: f32) -> Self {
        Self { eps, ..self }
    }

    /// The weight of a new batch in the running statistics; `None` averages all batches alike.
    pub fn momentum(self, momentum: impl Into<Option<f32>>) -> Self {
        Self { momentum: momentum.into(), ..self }
    }

    /// Whether to learn a scale and a shift.
    pub fn affine(self, affine: bool) -> Self {
        Self { affine, ..self }
    }

    /// Whether to keep running statistics; without, evaluation normalizes with the batch's own too.
    pub fn track_running_stats(self, track_running_stats: bool) -> Self {
        Self { track_running_stats, ..self }
    }

    /// Makes the layer.
    ///
    /// # Panics
    /// Where [`try_build`](Self::try_build) gives an error.
    #[track_caller]
    pub fn build(self) -> BatchNorm<SPATIAL> {
        or_panic(self.try_build())
    }

    /// Makes the layer.
    ///
    /// # Errors
    /// If `features` is 0, `eps` is not a positive number, or `momentum` is not between 0 and 1.
    pub fn try_build(self) -> Result<BatchNorm<SPATIAL>, LayerError> {
        let Self { features, eps, momentum, affine, track_running_stats: track } = self;
        let kind = BatchNorm::<SPATIAL>::KIND;
        LayerError::check_positive(kind, &[("features", features)])?;
        if !(eps > 0.0 && eps.is_finite()) {
            return Err(LayerError::new(kind, format!("eps must be a positive number, found {eps}")));
        }
        if momentum.is_some_and(|m| !(0.0..=1.0).contains(&m)) {
            let found = momentum.unwrap_or_default();
            return Err(LayerError::new(kind, format!("momentum must be from 0 to 1, found {found}")));
        }
        let param = |value| affine.then(|| Param::new(Array::full([features], value)));
        let buffer = |value| track.then(|| Buffer::new(Array::full([features], value)));
        Ok(BatchNorm {
            name: LayerName::default(),
            mode: Mode::default(),
            guard: TrainingGuard::default(),
            weight: param(1.0),
            bias: param(0.0),
            running_mean: buffer(0.0),
            running_var: buffer(1.0),
            num_batches_tracked: track.then(|| Buffer::new(Array::from_i64(vec![0], []))),
            features,
            eps,
            momentum,
        })
    }
}
