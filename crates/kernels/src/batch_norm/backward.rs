//! Gradients of batch normalization, of the ReLU after it and of the residual before that.

/// Whose statistics normalized the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Those of the batch (training): mean and variance depend on `x`.
    Batch,
    /// The running ones (evaluation): constants.
    Running,
}

/// What followed the normalization, and how to know where a ReLU was active.
#[derive(Clone, Copy, Debug)]
pub enum Relu<'a> {
    /// No ReLU.
    None,
    /// A ReLU directly behind the normalization: its mask is recomputed from `x`, which costs no memory traffic.
    Recompute,
    /// A ReLU with this output (rows, channels): needed when a residual was added before it.
    Output(&'a [f32]),
}

/// What the gradient needs to know of the forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a> {
    /// Input of the normalization (rows, channels).
    pub x: &'a [f32],
    /// Mean of each channel that was subtracted.
    pub mean: &'a [f32],
    /// Biased variance of each channel that was divided by.
    pub variance: &'a [f32],
    /// What was added to the variance.
    pub epsilon: f32,
    /// Weight of each channel; `None` is 1.
    pub weight: Option<&'a [f32]>,
    /// Bias of each channel; `None` is 0. Only used to recompute the mask of a ReLU.
    pub bias: Option<&'a [f32]>,
    /// The ReLU behind the normalization.
    pub relu: Relu<'a>,
    /// Batch or running statistics.
    pub mode: Mode,
}

impl Backward<'_> {
    /// Computes `dx`, `dweight` and `dbias` from `dy`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[track_caller]
    pub fn run(&self, dy: &[f32], dx: &mut [f32], dweight: &mut [f32], dbias: &mut [f32]) {
        assert_eq!(dy.len(), dx.len(), "batch_norm: length of dy");
        dx.copy_from_slice(dy);
        self.run_in_place(dx, dweight, dbias);
    }

    /// [`Self::run`] with `dx` taking the place of `dy`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[track_caller]
    pub fn run_in_place(&self, dy: &mut [f32], dweight: &mut [f32], dbias: &mut [f32]) {
        let mut dx = vec![0.0; dy.len()];
        self.run_with_residual(dy, &mut dx, dweight, dbias);
        dy.copy_from_slice(&dx);
    }

    /// [`Self::run`] with the gradient of the residual, which is `dy` where the ReLU was active and 0 elsewhere,
    /// taking the place of `dy`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[track_caller]
    pub fn run_with_residual(&self, dy: &mut [f32], dx: &mut [f32], dweight: &mut [f32], dbias: &mut [f32]) {
        let channels = self.mean.len();
        assert_eq!(dy.len(), self.x.len(), "batch_norm: length of dy");
        assert_eq!(dx.len(), self.x.len(), "batch_norm: length of dx");
        assert_eq!(dweight.len(), channels, "batch_norm: length of dweight");
        assert_eq!(dbias.len(), channels, "batch_norm: length of dbias");
        let rows = dy.len().checked_div(channels).unwrap_or(0);
        let (mut scale, mut shift) = (vec![0.0; channels], vec![0.0; channels]);
        super::fold(self.mean, self.variance, self.epsilon, self.weight, self.bias, &mut scale, &mut shift);
        for (i, dy) in dy.iter_mut().enumerate() {
            let y = match self.relu {
                Relu::None => 1.0,
                Relu::Recompute => scale[i % channels] * self.x[i] + shift[i % channels],
                Relu::Output(y) => y[i],
            };
            *dy = crate::pointwise::gate(*dy, y);
        }
        for c in 0..channels {
            let inverse = 1.0 / (f64::from(self.variance[c]) + f64::from(self.epsilon)).sqrt();
            let mean = f64::from(self.mean[c]);
            let indices = || (0..rows).map(|r| r * channels + c);
            let normalized = |i: usize| (f64::from(self.x[i]) - mean) * inverse;
            let bias: f64 = indices().map(|i| f64::from(dy[i])).sum();
            let weight: f64 = indices().map(|i| f64::from(dy[i]) * normalized(i)).sum();
            (dbias[c], dweight[c]) = (bias as f32, weight as f32);
            for i in indices() {
                let mut d = f64::from(dy[i]);
                if self.mode == Mode::Batch {
                    d -= (bias + normalized(i) * weight) / rows as f64;
                }
                dx[i] = (d * f64::from(scale[c])) as f32;
            }
        }
    }
}
