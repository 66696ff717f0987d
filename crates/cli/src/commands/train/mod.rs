//! `cresset train`

mod folder;
mod plan;
mod report;
pub mod setup;
mod terminal;

use crate::config::TrainArgs;
use crate::signals::Signals;
use crate::ui::output;
use anyhow::Result;
use cresset_train::{Outcome, RunDir};
use plan::Plan;
use std::ffi::OsString;
use std::process::ExitCode;
use terminal::Terminal;

/// Runs the command. `flags` are the words behind `train`, from which `parsed` was made.
pub fn run(parsed: TrainArgs, flags: &[OsString]) -> Result<ExitCode> {
    let Plan { mut args, checkpoint } = Plan::resolve(parsed, flags)?;
    args.validate()?;
    args.run.runtime.apply()?;
    args.run.seed.get_or_insert_with(random_seed);

    // Everything that can fail comes before the output folder is made.
    let setup = setup::Setup::new(&args, checkpoint.as_ref())?;
    let dir = match &checkpoint {
        Some(checkpoint) => folder::of_checkpoint(&checkpoint.path)?,
        None => folder::create(&args)?,
    };
    let config = toml::to_string(&args)?;
    let introduction = setup.describe(&args, &dir);
    let mut trainer = setup.into_trainer(&args, Some(&dir), config.clone())?;
    match &checkpoint {
        Some(checkpoint) => trainer.resume(checkpoint)?,
        None => dir.write_config(&config)?,
    }
    output::text(&introduction)?;
    if checkpoint.is_some() {
        output::text(&format!("going on after {}\n", report::standing(trainer.progress())))?;
    }

    let signals = Signals::catch()?;
    let mut terminal = Terminal::new(&signals);
    let outcome = trainer.fit(&mut terminal);
    terminal.clear();
    match outcome? {
        Outcome::Finished => {
            report::finish(&trainer, &dir)?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Stopped => {
            report::stopped(&trainer, &dir)?;
            Ok(signals.exit_code())
        }
    }
}

/// A seed that is easy to read and type.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library's hasher is keyed from the system's source of randomness.
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}

/// The file that a run's name is shown with.
fn shown(dir: &RunDir) -> std::path::Display<'_> {
    dir.path().display()
}
