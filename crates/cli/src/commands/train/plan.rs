//! What a run is: flags, over a configuration file or over the configuration of the run that is resumed.

use crate::config::file::{self, Table};
use crate::config::validate::UsageError;
use crate::config::{SchedulerKind, TrainArgs};
use anyhow::{Context, Result, anyhow, bail};
use cresset_train::RunDir;
use cresset_train::checkpoint::{Checkpoint, TrainingState};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A run to be made.
pub struct Plan {
    /// Its options.
    pub args: TrainArgs,
    /// Where it starts.
    pub start: Start,
    /// What else than the options `config.toml` has: comments on what was changed on the way.
    pub remarks: String,
}

/// Where a run starts.
pub enum Start {
    /// At the beginning, in a folder of its own.
    New,
    /// At the beginning, in the folder of a run that came to its end before its first checkpoint.
    Again(PathBuf),
    /// Where a checkpoint was written.
    Resume(Box<Checkpoint>),
}

impl Start {
    /// The checkpoint, if there is one.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match self {
            Start::Resume(checkpoint) => Some(checkpoint),
            _ => None,
        }
    }
}

/// Options that may change between a run and its resume, because the result does not depend on them.
const HARMLESS: [&str; 11] = [
    "detect-anomaly",
    "threads",
    "workers",
    "data-dir",
    "no-download",
    "cache",
    "checkpoint-every",
    "keep",
    "max-steps",
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
        Ok(Self { args, start: Start::New, remarks: String::new() })
    }

    fn resume(from: &Path, flags: &[OsString], allow_changes: bool) -> Result<Self> {
        let path = if from.is_dir() { from.join("last.safetensors") } else { from.to_path_buf() };
        if from.is_dir() && !path.exists() {
            return Self::again(from, flags);
        }
        let checkpoint = Checkpoint::load(&path).map_err(|error| with_older(error.into(), &path))?;
        let source = path.display().to_string();
        let Some(TrainingState { config, progress, .. }) = &checkpoint.training else {
            bail!(
                "{source} holds weights but no training state; resume from last.safetensors, or start a new run from \
                 these weights with --weights {source}"
            );
        };
        let saved = file::parse(config).with_context(|| source.clone())?;
        let before = file::layered(&[], &saved, &source)?;
        let args = file::layered(flags, &saved, &source)?;
        let changes = changes(&before, &args)?;
        if !changes.is_empty() && !allow_changes {
            bail!(UsageError(format!(
                "--resume would go on with another {}, and end in another result; leave it as it was, or add \
                 --resume-with-changes",
                changes.join(", ")
            )));
        }
        let mut remarks: String =
            config.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        for change in changes {
            remarks.push_str(&format!("# changed after step {}: {change}\n", progress.step));
        }
        Ok(Self { args, start: Start::Resume(Box::new(checkpoint)), remarks })
    }

    /// A run that ended before its first checkpoint is its configuration and nothing else.
    fn again(dir: &Path, flags: &[OsString]) -> Result<Self> {
        let run = RunDir::create(dir)?;
        let name = dir.display();
        if !run.config().exists() || run.metrics().exists() {
            bail!(UsageError(format!(
                "--resume {name}: the folder has no last.safetensors to go on from; start a run in it with --output-dir \
                 {name}"
            )));
        }
        let source = run.config().display().to_string();
        let args = file::layered(flags, &file::read(&run.config())?, &source)?;
        Ok(Self { args, start: Start::Again(dir.to_path_buf()), remarks: String::new() })
    }

    /// What `config.toml` is to hold.
    ///
    /// # Errors
    /// If the options are not TOML, which would be a mistake of ours.
    pub fn config(&self) -> Result<String> {
        Ok(format!("{}{}", self.remarks, toml::to_string(&self.args)?))
    }
}

/// Points at the checkpoints before the one that cannot be read, if there are any.
fn with_older(error: anyhow::Error, path: &Path) -> anyhow::Error {
    let run = path.parent().filter(|_| path.exists()).and_then(|dir| RunDir::create(dir).ok());
    let kept = run.and_then(|run| run.kept().ok()).unwrap_or_default();
    match kept.into_values().rfind(|kept| kept != path) {
        Some(older) => anyhow!("{error}; an older one is there: --resume {}", older.display()),
        None => error,
    }
}

/// The options that differ and on which the result depends, as `lr (0.1, was 0.05)`.
fn changes(before: &TrainArgs, after: &TrainArgs) -> Result<Vec<String>> {
    // Training on for longer only adds to a run, unless something was laid out over its length.
    let length_matters = after.evaluation.model_ema
        || matches!(
            after.schedule.lr_scheduler,
            SchedulerKind::Cosine | SchedulerKind::Polynomial | SchedulerKind::OneCycle
        );
    let (before, after) = (Table::try_from(before)?, Table::try_from(after)?);
    let matters = |key: &str| !HARMLESS.contains(&key) && (key != "epochs" || length_matters);
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).filter(|key| matters(key)).collect();
    keys.sort();
    keys.dedup();
    let text = |value: Option<&toml::Value>| value.map_or("unset".to_owned(), ToString::to_string);
    let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    Ok(changed
        .map(|key| format!("{key} ({}, was {})", text(after.get(key)), text(before.get(key))))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let args = |text: &str| file::layered(&[], &file::parse(text).unwrap(), "run.toml").unwrap();
        changes(&args(before), &args(after)).unwrap()
    }

    #[test]
    fn only_changes_that_matter_are_told() {
        let before = "lr = 0.1\nworkers = 1\nepochs = 3\nlr-scheduler = 'constant'\n";
        let after = before.replace("lr = 0.1", "lr = 0.2\nclip-grad-norm = 1.0").replace("= 3", "= 5");
        let after =
            after.replace("workers = 1", "workers = 4\nkeep = 3\ncheckpoint-every = '5m'\nmax-steps = 9");
        assert_eq!(told(before, &after), ["clip-grad-norm (1.0, was unset)", "lr (0.2, was 0.1)"]);
        assert!(told(before, before).is_empty());
    }

    #[test]
    fn the_length_of_a_run_matters_where_something_is_laid_out_over_it() {
        for more in ["lr-scheduler = 'cosine'", "lr-scheduler = 'constant'\nmodel-ema = true"] {
            let run = |epochs: usize| format!("epochs = {epochs}\n{more}");
            assert_eq!(told(&run(3), &run(5)), ["epochs (5, was 3)"], "{more}");
        }
    }
}
