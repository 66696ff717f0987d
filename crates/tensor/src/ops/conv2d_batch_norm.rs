//! Convolution, batch normalization, plus a residual, then ReLU, as one op.
//!
//! In training the statistics are taken while the convolution's output is in cache, and normalization, addition
//! and ReLU are one pass over memory; backward is two passes and the convolution's. In evaluation the
//! normalization disappears into the convolution's weight and bias.
//!
//! Between forward and backward one array of the output's size is kept, not two: the convolution's output if the
//! next op can have the normalized one [computed again](crate::recompute), or else, if computing a number of it takes few
//! multiply-adds, the normalized output alone.

use super::batch_norm::{BatchStats, check_count};
use super::conv2d::{Conv2dOptions, Operands, Saved, output_shape};
use super::conv2d_fused::{check_residual, conv2d_fused};
use super::images::{dim_back, dim_last};
use super::normalization::{After, Gradients, Normalization, Normalized};
use super::optional::{given, is_given, one_a_channel, or_absent};
use crate::array::Array;
use crate::autocast;
use crate::error::ShapeError;
use crate::graph;
use crate::op::{Op, apply_and_look};
use crate::recompute::{Recompute, Source};
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::batch_norm::Mode;
use cresset_kernels::conv2d::{ColumnStatistics, Conv2dGeometry, Epilogue};

/// A convolution, the batch normalization of its output, and what follows.
#[derive(Clone, Copy)]
pub struct Conv2dBatchNorm<'a> {
    /// Weight of the convolution (O, C / groups, kh, kw).
    pub weight: &'a Tensor,
    /// Bias of the convolution (O); pointless before a normalization, but some models have one.
    pub bias: Option<&'a Tensor>,
    /// Options of the convolution.
    pub conv: Conv2dOptions,
    /// Weight of the normalization (O); 1 if not given.
    pub norm_weight: Option<&'a Tensor>,
    /// Bias of the normalization (O); 0 if not given.
    pub norm_bias: Option<&'a Tensor>,
    /// What is added to the variance.
    pub eps: f32,
    /// Added to the normalized output, whose shape it has.
    pub residual: Option<&'a Tensor>,
    /// Whether a ReLU comes last.
    pub relu: bool,
}

impl Conv2dBatchNorm<'_> {
    /// With the statistics of the batch, which are the second result: the same as
    /// [`conv2d`](Tensor::conv2d), [`batch_norm_train`](super::batch_norm_train), addition and ReLU.
    ///
    /// # Panics
    /// If the shapes do not fit, or if there is only one value a channel.
    #[track_caller]
    pub fn train(&self, x: &Tensor) -> (Tensor, BatchStats) {
        let x = &autocast::operand(x);
        let residual = self.residual.map(|r| r.to_dtype(x.dtype()));
        let [bias, norm_weight, norm_bias, residual] =
            [self.bias, self.norm_weight, self.norm_bias, residual.as_ref()].map(or_absent);
        let inputs = [x, self.weight, &bias, &norm_weight, &norm_bias, &residual];
        if let Ok(g) = self.conv.geometry(x.shape(), self.weight.shape()) {
            check_count(&output_shape(&g));
        }
        let record = graph::is_grad_enabled() && inputs.iter().any(|t| t.needs_grad());
        let op = Train { conv: self.conv, eps: self.eps, relu: self.relu, record, source: Source::of(x) };
        let (y, stats) = apply_and_look(op, inputs, |saved| saved.stats.clone());
        let stats = BatchStats::new(stats, y.shape());
        (y, stats)
    }

    /// With running statistics (O): one convolution with [folded](Self::folded) parameters.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn eval(&self, x: &Tensor, running_mean: &Array, running_var: &Array) -> Tensor {
        let (weight, bias) = self.folded(running_mean, running_var);
        conv2d_fused(x, &weight, Some(&bias), self.residual, self.relu, &self.conv)
    }

    /// Weight and bias of the convolution that does what convolution and normalization with these statistics (O)
    /// do, for [`conv2d_fused`]. Differentiable in all parameters.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn folded(&self, running_mean: &Array, running_var: &Array) -> (Tensor, Tensor) {
        let channels = self.weight.shape().first().copied().unwrap_or(0);
        let one_a_channel = [running_mean.shape(), running_var.shape()].iter().all(|&s| *s == [channels]);
        assert!(
            one_a_channel && self.weight.rank() == 4,
            "conv2d_batch_norm: running_mean {} and running_var {} do not fit a weight of shape {}",
            running_mean.shape(),
            running_var.shape(),
            self.weight.shape()
        );
        let eps = self.eps;
        let inverse = Tensor::constant(running_var.clone().map(|v| 1.0 / (v + eps).sqrt()));
        let scale = self.norm_weight.map_or(inverse.clone(), |w| w.mul(&inverse));
        let mean = Tensor::constant(running_mean.clone());
        let centre = self.bias.map_or_else(|| mean.neg(), |b| b.sub(&mean));
        let shift = centre.mul(&scale);
        let bias = self.norm_bias.map_or(shift.clone(), |b| b.add(&shift));
        (self.weight.mul(&scale.reshape([channels, 1, 1, 1])), bias)
    }
}

/// The op of [`Conv2dBatchNorm::train`]; inputs are x, weight, bias, norm_weight, norm_bias, residual.
#[derive(Debug)]
struct Train {
    conv: Conv2dOptions,
    eps: f32,
    relu: bool,
    /// Whether backward is wanted; otherwise the normalization is done in place.
    record: bool,
    /// Where backward finds the input, if not in memory.
    source: Option<Source>,
}

struct SavedTrain {
    /// Mean and biased variance of the convolution's output.
    stats: [Array; 2],
    /// `None` if backward is not wanted.
    rest: Option<(Saved, Convolved)>,
}

/// The convolution's output, and how it was normalized.
enum Convolved {
    /// Kept, as rows.
    Kept(Normalized),
    /// Computed again by backward, with this bias.
    Again(Option<Array>, Normalization),
}

/// Multiply-adds that make it worth keeping a number: fewer take little longer than writing and reading it.
const WORTH_KEEPING: usize = 128;

impl Train {
    /// Whether the convolution's output is kept for backward.
    ///
    /// It is where the ReLU's output, which the next op needs, can be had from it. Behind a residual that cannot
    /// be, and without a ReLU the next is likely an addition, which needs neither.
    fn keeps_convolved(&self, g: &Conv2dGeometry, residual: bool) -> bool {
        let macs = g.kernel.iter().product::<usize>() * g.in_channels / g.groups;
        (self.relu && !residual) || macs > WORTH_KEEPING
    }
}

impl Op<6> for Train {
    const BF16: bool = true;
    type Saved = SavedTrain;

    fn name(&self) -> &'static str {
        "conv2d_batch_norm"
    }

    fn shape(
        &self,
        [x, w, bias, norm_weight, norm_bias, residual]: [&Shape; 6],
    ) -> Result<Shape, ShapeError> {
        let geometry = self.conv.geometry(x, w)?;
        let parameters =
            [("the bias", bias), ("the norm's weight", norm_weight), ("the norm's bias", norm_bias)];
        for (name, shape) in parameters {
            one_a_channel(self.name(), name, shape, geometry.out_channels, x)?;
        }
        check_residual(self.name(), residual, &geometry)?;
        Ok(output_shape(&geometry))
    }

    fn forward(&self, [x, w, bias, norm_weight, norm_bias, residual]: [&Array; 6]) -> (Array, SavedTrain) {
        let conv = Operands::new(&self.conv, x, w);
        let [bias, weight, norm_bias] =
            [bias, norm_weight, norm_bias].map(|a| given(a).map(Array::contiguous));
        let g = conv.geometry;
        let (mut mean, mut var) = (Array::empty([g.out_channels]), Array::empty([g.out_channels]));
        let statistics = ColumnStatistics { mean: mean.memory_mut(), variance: var.memory_mut() };
        let memory = bias.as_ref().map(Array::memory);
        let z =
            conv.forward(Epilogue { bias: memory, statistics: Some(statistics), ..Default::default() }, None);
        let x = dim_last(&z, 1);
        drop(z);

        let stats = [mean, var];
        let mut normalization = Normalization {
            stats: stats.clone(),
            eps: self.eps,
            mode: Mode::Batch,
            weight,
            bias: norm_bias,
            relu: self.relu,
            after: After::Nothing,
        };
        let (y, convolved) = if self.record && self.keeps_convolved(&g, is_given(residual.shape())) {
            let y = normalization.forward(&x, residual);
            (y, Convolved::Kept(Normalized { x, normalization }))
        } else {
            let y = normalization.forward_in_place(x, residual);
            (y, Convolved::Again(bias, normalization))
        };
        let rest = self.record.then(|| (conv.saved(self.source.as_ref()), convolved));
        (dim_back(&y, 1), SavedTrain { stats, rest })
    }

    fn backward(&self, saved: SavedTrain, grad: Array, needs: [bool; 6]) -> [Option<Array>; 6] {
        self.backward_onto(saved, grad, needs, &mut [const { None }; 6])
    }

    fn backward_onto(
        &self,
        saved: SavedTrain,
        grad: Array,
        needs: [bool; 6],
        sums: &mut [Option<Array>; 6],
    ) -> [Option<Array>; 6] {
        let (mut conv, convolved) = saved.rest.expect("recorded, since backward was wanted");
        let Normalized { x: z, normalization } = match convolved {
            Convolved::Kept(normalized) => normalized,
            Convolved::Again(bias, normalization) => {
                let bias = bias.as_ref().map(Array::memory);
                let operands = conv.operands();
                let z = operands.forward(Epilogue { bias, ..Default::default() }, None);
                conv = operands.saved(None);
                Normalized { x: dim_last(&z, 1), normalization }
            }
        };
        let Gradients { x, weight, bias, residual } = normalization.backward(z, grad, needs[5]);
        let dz = dim_back(&x, 1);
        drop(x);
        let dconv_bias = needs[2].then(|| conv.bias_gradient(&dz));
        let [dx, dw] = conv.backward(&dz, [needs[0], needs[1]], sums[0].take());
        let [dweight, dbias] = [needs[3].then_some(weight), needs[4].then_some(bias)];
        [dx, dw, dconv_bias, dweight, dbias, residual.map(|r| dim_back(&r, 1))]
    }

    fn recompute<'a>(&'a self, saved: &'a SavedTrain) -> Option<&'a dyn Recompute> {
        match &saved.rest {
            Some((_, Convolved::Kept(normalized))) => normalized.recompute(),
            _ => None,
        }
    }

    fn macs(&self, [x, w, ..]: [&Shape; 6], _: &Shape) -> u64 {
        self.conv.geometry(x, w).map_or(0, |g| g.macs())
    }
}
