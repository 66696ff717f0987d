//! `cresset lr-find`

use super::train::setup::Setup;
use crate::config::validate::{UsageError, count, positive, refuse};
use crate::config::{RuntimeArgs, TrialArgs};
use crate::signals::Signals;
use crate::ui::{chart, output};
use anyhow::{Result, bail};
use clap::Args;
use cresset_train::{LrPoint, Observer, steepest};
use std::path::PathBuf;
use std::process::ExitCode;

/// Draw the loss over a rising learning rate, to choose --lr by
#[derive(Args)]
pub struct LrFindArgs {
    #[command(flatten)]
    trial: TrialArgs,
    /// Lowest learning rate
    #[arg(long, value_name = "X", default_value_t = 1e-5)]
    min_lr: f64,
    /// Highest learning rate
    #[arg(long, value_name = "X", default_value_t = 10.0)]
    max_lr: f64,
    /// Steps from the lowest to the highest
    #[arg(long, value_name = "N", default_value_t = 100)]
    steps: usize,
    /// Where to write the drawing
    #[arg(short, long, value_name = "FILE.svg", default_value = "lr.svg")]
    out: PathBuf,
    /// Seed of weights, order and augmentation
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

impl Observer for &Signals {
    fn should_stop(&mut self) -> bool {
        self.received()
    }
}

/// Runs the command.
pub fn run(args: LrFindArgs) -> Result<ExitCode> {
    positive("--min-lr", args.min_lr)?;
    positive("--max-lr", args.max_lr)?;
    if args.min_lr >= args.max_lr {
        refuse::<()>("--max-lr", args.max_lr, &format!("above the {} of --min-lr", args.min_lr))?;
    }
    let steps = count("--steps", args.steps, 10..=100_000)?;
    if args.out.extension().is_none_or(|ending| ending != "svg") {
        bail!(UsageError(format!("--out is {}, allowed: names that end in .svg", args.out.display())));
    }
    args.runtime.apply()?;
    let mut train = args.trial.into_train()?;
    train.optimizer.lr = args.min_lr;
    train.run.seed = Some(args.seed);
    train.validate()?;
    let mut trainer = Setup::new(&train, None)?.into_trainer(&train, None, String::new())?;
    let signals = Signals::catch()?;
    let points = trainer.lr_range_test(args.max_lr / args.min_lr, steps as u64, &mut &signals)?;
    if signals.received() {
        return Ok(signals.exit_code());
    }
    let found = steepest(&points);
    let curve: Vec<(f64, f64)> = points.iter().map(|p: &LrPoint| (p.lr, p.smoothed)).collect();
    chart::loss_over_rate(&args.out, &curve, found)?;
    let advice = match found {
        Some(lr) => format!("the loss falls fastest at {lr:.2e}; try --lr {lr:.0e}"),
        None => "the loss never fell; try another --min-lr and more --steps".to_owned(),
    };
    output::text(&format!("{}: {} steps; {advice}\n", args.out.display(), points.len()))?;
    Ok(ExitCode::SUCCESS)
}
