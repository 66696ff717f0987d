//! Where a run writes.

use crate::config::TrainArgs;
use crate::config::validate::UsageError;
use anyhow::{Context, Result, bail};
use cresset_train::RunDir;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Makes the folder of a new run: `--output-dir`, or the first free `runs/DATA-MODEL-N`.
///
/// # Errors
/// If `--output-dir` holds a run already, or the folder cannot be made.
pub fn create(args: &TrainArgs) -> Result<RunDir> {
    let Some(dir) = &args.run.output_dir else { return Ok(RunDir::create(&first_free(args)?)?) };
    if RunDir::is_occupied(dir) {
        if !args.run.overwrite {
            let dir = dir.display();
            bail!(UsageError(format!(
                "--output-dir {dir} holds a run; go on with it by --resume {dir}, replace it with --overwrite, or \
                 choose another folder"
            )));
        }
        return Ok(RunDir::replace(dir)?);
    }
    Ok(RunDir::create(dir)?)
}

/// The folder of the run that a checkpoint belongs to.
///
/// # Errors
/// If it cannot be written.
pub fn of_checkpoint(checkpoint: &Path) -> Result<RunDir> {
    let dir = checkpoint.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(RunDir::create(dir)?)
}

/// Makes the folder rather than looking for it: two runs that start together get two folders.
fn first_free(args: &TrainArgs) -> Result<PathBuf> {
    let runs = Path::new("runs");
    fs::create_dir_all(runs).context("cannot create the folder runs; choose another with --output-dir")?;
    let data = args.data.source.short_name();
    for n in 1.. {
        let dir = runs.join(format!("{data}-{}-{n}", args.model.model));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e).with_context(|| format!("cannot create {}", dir.display())),
        }
    }
    unreachable!("one of 2^31 names is free")
}
