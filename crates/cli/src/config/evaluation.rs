//! Flags about what is evaluated, when, and for how long.

use super::validate::{fraction, refuse};
use anyhow::Result;
use clap::Args;
use cresset_train::AverageOptions;
use serde::Serialize;

/// What is evaluated, and when.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Evaluation")]
pub struct EvaluationArgs {
    /// Evaluate and save a moving average of the weights in their place
    #[arg(long)]
    pub model_ema: bool,
    /// Decay of the average, before it is adapted to the batch size and the length of the run
    #[arg(long, value_name = "X", default_value_t = 0.99998, allow_negative_numbers = true)]
    pub model_ema_decay: f64,
    /// Steps between updates of the average
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub model_ema_steps: u64,
    /// Also evaluate every N steps, not only after each epoch
    #[arg(long, value_name = "N")]
    pub eval_every: Option<u64>,
    /// End the run when N epochs in a row were no better than the best before them
    #[arg(long, value_name = "N")]
    pub patience: Option<u64>,
}

impl EvaluationArgs {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        fraction("--model-ema-decay", self.model_ema_decay)?;
        let counts = [
            ("--model-ema-steps", Some(self.model_ema_steps)),
            ("--eval-every", self.eval_every),
            ("--patience", self.patience),
        ];
        match counts.iter().find(|(_, value)| *value == Some(0)) {
            Some((flag, _)) => refuse(flag, 0, "whole numbers from 1 up"),
            None => Ok(()),
        }
    }

    /// How the average is kept, if it is.
    pub fn average(&self, images_per_step: u64, epochs: u64, warmup_epochs: u64) -> Option<AverageOptions> {
        let options =
            AverageOptions::scaled(self.model_ema_decay, self.model_ema_steps, images_per_step, epochs);
        self.model_ema.then_some(AverageOptions { warmup_epochs, ..options })
    }
}
