//! Flags about the optimizer and the size of its steps.

use super::validate::{count, fraction, not_negative, positive, refuse, whole};
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;

/// Which optimizer.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with momentum
    Sgd,
    /// The same with Nesterov's momentum
    #[value(alias = "sgd_nesterov")]
    Nesterov,
    /// Adam, weight decay as an L2 penalty
    Adam,
    /// Adam with decoupled weight decay
    Adamw,
}

/// Steps: how large, by which rule.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Optimization")]
pub struct OptimizerArgs {
    /// Passes over the training data
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = whole, allow_negative_numbers = true)]
    pub epochs: usize,
    /// Images in a batch
    #[arg(short, long, value_name = "N", default_value_t = 64, value_parser = whole, allow_negative_numbers = true)]
    pub batch_size: usize,
    /// Images in a batch of evaluation; changes speed and memory only [default: the batch size]
    #[arg(long, value_name = "N")]
    pub validation_batch_size: Option<usize>,
    /// Batches whose gradients are added up for one step
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole, allow_negative_numbers = true)]
    pub grad_accum_steps: usize,
    /// Train in mixed precision: activations and their gradients are stored as bfloat16, computed in float32; weights,
    /// their gradients and evaluation stay float32
    #[arg(long)]
    pub amp: bool,
    /// Optimizer
    #[arg(long, value_name = "NAME", default_value = "sgd")]
    pub opt: OptimizerKind,
    /// Learning rate
    #[arg(long, value_name = "X", default_value_t = 0.05, allow_negative_numbers = true)]
    pub lr: f64,
    /// Momentum of SGD
    #[arg(long, value_name = "X", default_value_t = 0.9, allow_negative_numbers = true)]
    pub momentum: f64,
    /// Weight decay
    #[arg(
        long,
        visible_alias = "wd",
        value_name = "X",
        default_value_t = 1e-4,
        allow_negative_numbers = true
    )]
    pub weight_decay: f64,
    /// Weight decay of the scales and shifts of norms [default: the weight decay]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub norm_weight_decay: Option<f64>,
    /// Weight decay of the biases of convolutions and linear layers [default: the weight decay]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub bias_weight_decay: Option<f64>,
    /// Adam's decay rates of the first and second moment
    #[arg(long, value_name = "X", value_delimiter = ',', default_values_t = [0.9, 0.999])]
    pub opt_betas: Vec<f64>,
    /// Adam's addition to the denominator
    #[arg(long, value_name = "X", default_value_t = 1e-8, allow_negative_numbers = true)]
    pub opt_eps: f64,
    /// Share of the target that is spread evenly over all classes
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    pub label_smoothing: f64,
    /// Scale gradients down to at most this norm
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub clip_grad_norm: Option<f64>,
}

impl OptimizerArgs {
    /// The largest batch that is accepted: a guard against a slip of the finger.
    const MAX_BATCH: usize = 1 << 20;

    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        count("--epochs", self.epochs, 1..=1_000_000)?;
        count("--batch-size", self.batch_size, 1..=Self::MAX_BATCH)?;
        if let Some(size) = self.validation_batch_size {
            count("--validation-batch-size", size, 1..=Self::MAX_BATCH)?;
        }
        count("--grad-accum-steps", self.grad_accum_steps, 1..=Self::MAX_BATCH)?;
        positive("--lr", self.lr)?;
        fraction("--momentum", self.momentum)?;
        if self.opt == OptimizerKind::Nesterov && self.momentum == 0.0 {
            refuse::<()>("--momentum", 0, "above 0, as --opt nesterov needs momentum")?;
        }
        not_negative("--weight-decay", self.weight_decay)?;
        if let Some(decay) = self.norm_weight_decay {
            not_negative("--norm-weight-decay", decay)?;
        }
        if let Some(decay) = self.bias_weight_decay {
            not_negative("--bias-weight-decay", decay)?;
        }
        if self.opt_betas.len() != 2 {
            refuse::<()>("--opt-betas", format!("{} numbers", self.opt_betas.len()), "two, as 0.9,0.999")?;
        }
        for &beta in &self.opt_betas {
            fraction("--opt-betas", beta)?;
        }
        positive("--opt-eps", self.opt_eps)?;
        fraction("--label-smoothing", self.label_smoothing)?;
        if let Some(norm) = self.clip_grad_norm {
            positive("--clip-grad-norm", norm)?;
        }
        Ok(())
    }
}
