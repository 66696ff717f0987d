//! Flags about the learning rate over time.

use super::validate::{not_negative, positive, refuse, shrinking};
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;

/// How the learning rate moves.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SchedulerKind {
    /// Not at all
    Constant,
    /// Times --lr-gamma every --lr-step-size epochs
    #[value(alias = "steplr")]
    Step,
    /// Times --lr-gamma at each of --lr-milestones
    #[value(alias = "multisteplr")]
    Multistep,
    /// Times --lr-gamma every epoch
    #[value(alias = "exponentiallr")]
    Exponential,
    /// Half a cosine down to --lr-min
    #[value(alias = "cosineannealinglr")]
    Cosine,
    /// Down to zero, to the power of --lr-power
    #[value(alias = "polynomiallr")]
    Polynomial,
    /// Up and down once, momentum the other way
    #[value(alias = "onecycle")]
    OneCycle,
    /// Times --lr-gamma when the validation loss has not improved for --lr-patience epochs
    Plateau,
}

/// The schedule of the learning rate.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Learning-rate schedule")]
pub struct ScheduleArgs {
    /// Schedule
    #[arg(long, value_name = "NAME", default_value = "cosine")]
    pub lr_scheduler: SchedulerKind,
    /// Epochs in which the rate rises to --lr in a straight line
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub lr_warmup_epochs: u64,
    /// The rate starts its rise at this share of --lr
    #[arg(long, value_name = "X", default_value_t = 0.01, allow_negative_numbers = true)]
    pub lr_warmup_decay: f64,
    /// Epochs between drops of "step"
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub lr_step_size: u64,
    /// Epochs of the drops of "multistep"
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub lr_milestones: Vec<u64>,
    /// Factor of a drop
    #[arg(long, value_name = "X", default_value_t = 0.1, allow_negative_numbers = true)]
    pub lr_gamma: f64,
    /// Lowest rate of "cosine" and "plateau"
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    pub lr_min: f64,
    /// Exponent of "polynomial"
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    pub lr_power: f64,
    /// Epochs without improvement that "plateau" tolerates
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub lr_patience: u64,
    /// Move the rate at every step instead of every epoch ("one-cycle" always does)
    #[arg(long)]
    pub lr_on_updates: bool,
}

impl ScheduleArgs {
    /// Checks every range, and the schedule against the length of the run.
    pub fn validate(&self, epochs: usize, lr: f64) -> Result<()> {
        if self.lr_warmup_epochs >= epochs as u64 && self.lr_warmup_epochs > 0 {
            refuse::<()>(
                "--lr-warmup-epochs",
                self.lr_warmup_epochs,
                &format!("fewer than the {epochs} of --epochs"),
            )?;
        }
        shrinking("--lr-warmup-decay", self.lr_warmup_decay)?;
        if self.lr_step_size == 0 {
            refuse::<()>("--lr-step-size", 0, "whole numbers from 1 up")?;
        }
        let milestones = &self.lr_milestones;
        match self.lr_scheduler {
            SchedulerKind::Multistep if milestones.is_empty() => {
                refuse::<()>(
                    "--lr-milestones",
                    "empty",
                    "one epoch or more for --lr-scheduler multistep, as 30,60",
                )?;
            }
            SchedulerKind::OneCycle if self.lr_warmup_epochs > 0 => {
                refuse::<()>(
                    "--lr-warmup-epochs",
                    self.lr_warmup_epochs,
                    "0 with one-cycle, which warms up itself",
                )?;
            }
            _ => {}
        }
        shrinking("--lr-gamma", self.lr_gamma)?;
        not_negative("--lr-min", self.lr_min)?;
        if self.lr_min > lr {
            refuse::<()>("--lr-min", self.lr_min, &format!("at most the {lr} of --lr"))?;
        }
        positive("--lr-power", self.lr_power)?;
        Ok(())
    }
}
