//! What a run is: flags, over a configuration file or over the configuration of the run that is resumed.

use crate::config::file::{self, Table};
use crate::config::validate::UsageError;
use crate::config::{SchedulerKind, TrainArgs};
use anyhow::{Context, Result, bail};
use cresset_train::checkpoint::{Checkpoint, TrainingState};
use std::ffi::OsString;
use std::path::Path;

/// A run to be made.
pub struct Plan {
    /// Its options.
    pub args: TrainArgs,
    /// Where it goes on, if it does.
    pub checkpoint: Option<Checkpoint>,
}

/// Options that may change between a run and its resume, because the result does not depend on them.
const HARMLESS: [&str; 9] = [
    "threads",
    "workers",
    "data-dir",
    "no-download",
    "cache",
    "validation-batch-size",
    "checkpoint-every",
    "eval-every",
    "patience",
];

impl Plan {
    /// Puts the options together.
    ///
    /// # Errors
    /// If a file cannot be read, or a resumed run would not be the same any more.
    pub fn resolve(parsed: TrainArgs, flags: &[OsString]) -> Result<Self> {
        if let Some(from) = &parsed.run.resume {
            return Self::resume(from, flags, parsed.run.resume_with_changes);
        }
        let args = match &parsed.run.config {
            Some(path) => file::layered(flags, &file::read(path)?, &path.display().to_string())?,
            None => parsed,
        };
        Ok(Self { args, checkpoint: None })
    }

    fn resume(from: &Path, flags: &[OsString], allow_changes: bool) -> Result<Self> {
        let path = if from.is_dir() { from.join("last.safetensors") } else { from.to_path_buf() };
        let checkpoint = Checkpoint::load(&path)?;
        let source = path.display().to_string();
        let Some(TrainingState { config, .. }) = &checkpoint.training else {
            bail!(
                "{source} holds weights but no training state; resume from last.safetensors, or start a new run from \
                 these weights with --weights {source}"
            );
        };
        let saved = file::parse(config).with_context(|| source.clone())?;
        let before = Table::try_from(file::layered(&[], &saved, &source)?)?;
        let args = file::layered(flags, &saved, &source)?;
        let changes = changes(&before, &Table::try_from(&args)?, args.schedule.lr_scheduler);
        if !changes.is_empty() && !allow_changes {
            bail!(UsageError(format!(
                "--resume would go on with another {}, and end in another result; leave it as it was, or add \
                 --resume-with-changes",
                changes.join(", ")
            )));
        }
        Ok(Self { args, checkpoint: Some(checkpoint) })
    }
}

/// The options that differ and on which the result depends, as `lr (0.1, was 0.05)`.
fn changes(before: &Table, after: &Table, scheduler: SchedulerKind) -> Vec<String> {
    // Training on for longer only adds to a run, unless the schedule was laid out over its length.
    let length_matters =
        matches!(scheduler, SchedulerKind::Cosine | SchedulerKind::Polynomial | SchedulerKind::OneCycle);
    let matters = |key: &str| !HARMLESS.contains(&key) && (key != "epochs" || length_matters);
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).filter(|key| matters(key)).collect();
    keys.sort();
    keys.dedup();
    let text = |value: Option<&toml::Value>| value.map_or("unset".to_owned(), ToString::to_string);
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| format!("{key} ({}, was {})", text(after.get(key)), text(before.get(key))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_that_matter_are_told() {
        let before: Table = "lr = 0.1\nworkers = 1\nepochs = 3\nopt = 'sgd'".parse().unwrap();
        let after: Table =
            "lr = 0.2\nworkers = 4\nepochs = 5\nopt = 'sgd'\nclip-grad-norm = 1.0".parse().unwrap();
        assert_eq!(
            changes(&before, &after, SchedulerKind::Constant),
            ["clip-grad-norm (1.0, was unset)", "lr (0.2, was 0.1)"]
        );
        assert_eq!(changes(&before, &after, SchedulerKind::Cosine).len(), 3);
        assert!(changes(&before, &before, SchedulerKind::Cosine).is_empty());
    }
}
