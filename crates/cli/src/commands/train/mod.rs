//! `cresset train`

mod folder;
pub mod plan;
mod report;
pub mod setup;
mod terminal;

use crate::config::TrainArgs;
use crate::config::validate::UsageError;
use crate::signals::Signals;
use crate::ui::output;
use anyhow::{Result, bail};
use cresset_train::checkpoint::Checkpoint;
use cresset_train::{Outcome, RunDir};
use plan::{Plan, Start};
use std::ffi::OsString;
use std::process::ExitCode;
use terminal::Terminal;

/// Runs the command. `flags` are the words behind `train`, from which `parsed` was made.
pub fn run(parsed: TrainArgs, flags: &[OsString]) -> Result<ExitCode> {
    let allow_changes = parsed.run.resume_with_changes;
    let mut plan = Plan::resolve(parsed, flags)?;
    plan.args.validate()?;
    plan.args.run.runtime.apply()?;
    plan.args.run.seed.get_or_insert_with(random_seed);

    // Everything that can fail comes before the output folder is made.
    let setup = setup::Setup::new(&plan.args, plan.start.checkpoint())?;
    if let Some(checkpoint) = plan.start.checkpoint().filter(|_| !allow_changes) {
        require_same_data(checkpoint, setup.images())?;
    }
    let dir = folder::open(&plan)?;
    let _lock = dir.lock()?;
    dir.remove_leftovers()?;
    let config = plan.config()?;
    let introduction = setup.describe(&plan.args, &dir);
    let mut trainer = setup.into_trainer(&plan.args, Some(&dir), config.clone())?;
    if let Some(checkpoint) = plan.start.checkpoint() {
        trainer.resume(checkpoint)?;
    }
    dir.write_config(&config)?;
    output::text(&introduction)?;
    match &plan.start {
        Start::New => {}
        Start::Again(_) => output::text("starting again: there is no checkpoint yet\n")?,
        Start::Resume(_) => {
            output::text(&format!("going on after {}\n", report::standing(trainer.progress())))?;
        }
    }

    let signals = Signals::catch()?;
    let mut terminal = Terminal::new(&signals);
    let outcome = trainer.fit(&mut terminal);
    terminal.clear();
    match outcome.map_err(|error| report::failed(error, &dir))? {
        Outcome::Finished => {
            report::finish(&trainer, &dir)?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Stopped => {
            report::stopped(&trainer, &dir)?;
            Ok(if signals.received() { signals.exit_code() } else { ExitCode::SUCCESS })
        }
    }
}

/// Refuses to go on with more or fewer images than the run began with.
fn require_same_data(checkpoint: &Checkpoint, found: [usize; 2]) -> Result<()> {
    let known = checkpoint.training.as_ref().and_then(|training| training.images);
    let Some([train, val]) = known.filter(|images| *images != found) else { return Ok(()) };
    bail!(UsageError(format!(
        "--resume would go on with {} training and {} validation images, the run began with {train} and {val}; \
         restore the data, or add --resume-with-changes",
        found[0], found[1]
    )))
}

/// A seed that is easy to read and type.
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library's hasher is keyed from the system's source of randomness.
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}

/// The file that a run's name is shown with.
fn shown(dir: &RunDir) -> std::path::Display<'_> {
    dir.path().display()
}
