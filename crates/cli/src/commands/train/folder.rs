//! Where a run writes.

use super::plan::{Plan, Start};
use crate::config::TrainArgs;
use crate::config::validate::UsageError;
use anyhow::{Context, Result, bail};
use cresset_train::RunDir;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folder of a run: of the one that is resumed, `--output-dir`, or the first free `runs/DATA-MODEL-N`.
///
/// # Errors
/// If `--output-dir` holds a run already, or the folder cannot be made.
pub fn open(plan: &Plan) -> Result<RunDir> {
    Ok(match (&plan.start, &plan.args.run.output_dir) {
        (Start::Resume(checkpoint), _) => RunDir::create(folder_of(&checkpoint.path))?,
        (Start::Again(dir), _) => RunDir::create(dir)?,
        (Start::New, None) => RunDir::create(&first_free(&plan.args)?)?,
        (Start::New, Some(dir)) if !RunDir::is_occupied(dir) => RunDir::create(dir)?,
        (Start::New, Some(dir)) if plan.args.run.overwrite => {
            // Not while another process writes to it.
            let _lock = RunDir::create(dir)?.lock()?;
            RunDir::replace(dir)?
        }
        (Start::New, Some(dir)) => {
            let dir = dir.display();
            bail!(UsageError(format!(
                "--output-dir {dir} holds a run; go on with it by --resume {dir}, replace it with --overwrite, or \
                 choose another folder"
            )));
        }
    })
}

fn folder_of(checkpoint: &Path) -> &Path {
    checkpoint.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
