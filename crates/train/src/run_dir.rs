//! The folder of a run.

use crate::error::{Result, TrainError};
use crate::record::EpochRecord;
use cresset_nn::fail_point;
use cresset_nn::weights::{target_of_leftover, write_atomically};
use std::collections::BTreeMap;
use std::fs::{self, DirEntry, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The folder of a run: `config.toml`, `metrics.jsonl`, `best.safetensors`, `last.safetensors`, and where more than one
/// checkpoint is kept, `step-00000500.safetensors` and so on.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

const FILES: [&str; 4] = ["config.toml", "metrics.jsonl", "best.safetensors", "last.safetensors"];
const STEP: &str = "step-";
const SAFETENSORS: &str = ".safetensors";

/// See [`RunDir::lock`].
#[derive(Debug)]
pub struct RunLock {
    _folder: Option<File>,
}

impl RunDir {
    /// The folder, made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(|e| TrainError::io("create", path, e))?;
        Ok(Self(path.to_path_buf()))
    }

    /// The folder, with the files of an earlier run removed.
    ///
    /// # Errors
    /// If it cannot be made, or a file cannot be removed.
    pub fn replace(path: &Path) -> Result<Self> {
        let dir = Self::create(path)?;
        dir.remove_leftovers()?;
        // The checkpoints last: what is left of a removal that was interrupted is still a run.
        let files = FILES.map(|name| path.join(name)).into_iter().chain(dir.kept()?.into_values());
        files.into_iter().try_for_each(|file| remove(&file))?;
        Ok(dir)
    }

    /// Whether there is a run in the folder already.
    pub fn is_occupied(path: &Path) -> bool {
        FILES.iter().any(|name| path.join(name).exists())
    }

    /// Makes sure that no other process writes to the folder as long as the returned value lives, which ends with the
    /// process at the latest. On systems where a folder cannot be locked, does nothing.
    ///
    /// # Errors
    /// If another process does.
    pub fn lock(&self) -> Result<RunLock> {
        let Ok(folder) = File::open(&self.0) else { return Ok(RunLock { _folder: None }) };
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => Err(TrainError::Locked { path: self.0.clone() }),
            _ => Ok(RunLock { _folder: Some(folder) }),
        }
    }

    /// Removes files that were being written when an earlier process of this run was killed.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn remove_leftovers(&self) -> Result<()> {
        for entry in self.entries()? {
            let name = entry.file_name();
            let ours = |target: &str| FILES.contains(&target) || step_of(target).is_some();
            if target_of_leftover(&name).is_some_and(ours) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn entries(&self) -> Result<Vec<DirEntry>> {
        let read = || fs::read_dir(&self.0)?.collect::<io::Result<_>>();
        read().map_err(|e| TrainError::io("read", &self.0, e))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Everything needed to repeat the run.
    pub fn config(&self) -> PathBuf {
        self.0.join(FILES[0])
    }

    /// One JSON object an epoch.
    pub fn metrics(&self) -> PathBuf {
        self.0.join(FILES[1])
    }

    /// The weights of the best epoch.
    pub fn best(&self) -> PathBuf {
        self.0.join(FILES[2])
    }

    /// The latest weights and all that training needs to go on.
    pub fn last(&self) -> PathBuf {
        self.0.join(FILES[3])
    }

    /// Writes `config.toml`, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_config(&self, text: &str) -> Result<()> {
        write_whole(&self.config(), text.as_bytes())
    }

    /// The checkpoints that were kept besides `last.safetensors`, by step.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn kept(&self) -> Result<BTreeMap<u64, PathBuf>> {
        let entries = self.entries()?.into_iter();
        Ok(entries.filter_map(|entry| Some((step_of(entry.file_name().to_str()?)?, entry.path()))).collect())
    }

    /// Gives the newest checkpoint, that of `step`, a name of its own, and removes all but the newest `keep`. If only
    /// one is to be kept, that is `last.safetensors`.
    pub(crate) fn keep(&self, step: u64, keep: usize) -> Result<()> {
        if keep <= 1 {
            return Ok(());
        }
        let path = self.0.join(format!("{STEP}{step:08}{SAFETENSORS}"));
        let link = || {
            fail_point::reach("link")?;
            match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            // Two names for one file cost nothing; not every file system has them.
            fs::hard_link(self.last(), &path).or_else(|_| {
                write_atomically(&path, |writer| io::copy(&mut File::open(self.last())?, writer).map(drop))
            })
        };
        link().map_err(|e| TrainError::io("write", &path, e))?;
        let kept: Vec<PathBuf> = self.kept()?.into_values().collect();
        let surplus = kept.len().saturating_sub(keep);
        kept[..surplus].iter().try_for_each(|old| remove(old))
    }

    /// Adds a line to `metrics.jsonl`: the whole line, or nothing of it.
    pub(crate) fn append_metrics(&self, record: &EpochRecord) -> Result<()> {
        let path = self.metrics();
        let append = || {
            fail_point::reach("append")?;
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            let before = file.metadata()?.len();
            let line = line(record);
            let written = match fail_point::due("append line") {
                // As on a disk that fills up meanwhile.
                Some(failure) => {
                    file.write_all(&line.as_bytes()[..line.len() / 2]).and(Err(failure.happen()))
                }
                None => file.write_all(line.as_bytes()),
            };
            written.inspect_err(|_| {
                let _ = file.set_len(before);
            })
        };
        append().map_err(|e| TrainError::io("write", &path, e))
    }

    /// The lines of `metrics.jsonl`; none if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read, or a line is no record.
    pub fn read_metrics(&self) -> Result<Vec<EpochRecord>> {
        let path = self.metrics();
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|e| TrainError::io("read", &path, e))?,
        };
        let records = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        records.map_err(|e| TrainError::io("read", &path, e.into()))
    }

    /// Writes `metrics.jsonl` anew: after a resume it holds exactly the epochs before the checkpoint.
    pub(crate) fn rewrite_metrics(&self, history: &[EpochRecord]) -> Result<()> {
        write_whole(&self.metrics(), history.iter().map(line).collect::<String>().as_bytes())
    }
}

fn remove(file: &Path) -> Result<()> {
    let removed = fail_point::reach("remove").and_then(|()| fs::remove_file(file));
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(TrainError::io("remove", file, e)),
        _ => Ok(()),
    }
}

/// The step in the name of a checkpoint that was kept: 500 for `step-00000500.safetensors`.
fn step_of(name: &str) -> Option<u64> {
    name.strip_prefix(STEP)?.strip_suffix(SAFETENSORS)?.parse().ok()
}

fn line(record: &EpochRecord) -> String {
    let mut line = serde_json::to_string(record).expect("a record is numbers");
    line.push('\n');
    line
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |writer| writer.write_all(bytes)).map_err(|e| TrainError::io("write", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_lines_and_a_resume_drops_what_came_after_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&folder.path().join("a/b")).unwrap();
        assert!(!RunDir::is_occupied(dir.path()));
        let record = |epoch| EpochRecord {
            epoch,
            train_loss: 0.1,
            train_top1: 0.2,
            val_loss: 1.0 / 3.0,
            val_top1: 0.4,
            lr: 0.05,
            train_seconds: 1.5,
            eval_seconds: 0.25,
            train_images_per_second: 1000.0,
        };
        (1..=3).for_each(|epoch| dir.append_metrics(&record(epoch)).unwrap());
        dir.rewrite_metrics(&[record(1)]).unwrap();
        dir.append_metrics(&record(2)).unwrap();
        let text = fs::read_to_string(dir.metrics()).unwrap();
        let read: Vec<EpochRecord> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(read, [record(1), record(2)]);
        assert!(RunDir::is_occupied(dir.path()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[test]
    fn the_newest_checkpoints_are_kept_and_leftovers_removed() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::create(folder.path()).unwrap();
        for step in [5, 10, 10, 1000, 123_456_789] {
            write_whole(&dir.last(), step.to_string().as_bytes()).unwrap();
            dir.keep(step, 3).unwrap();
        }
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
        let kept = dir.kept().unwrap();
        let kept: Vec<_> = kept.iter().map(|(step, path)| (*step, read(path))).collect();
        assert_eq!(kept, [10, 1000, 123_456_789].map(|step| (step, step.to_string())));

        let stray = [".last.safetensors.aB3xyz.tmp", ".step-00000010.safetensors.000000.tmp"];
        let others = [".notes.txt.aB3xyz.tmp", ".last.safetensors.tmp", "step-x.safetensors"];
        stray.iter().chain(&others).for_each(|name| fs::write(dir.path().join(name), "").unwrap());
        dir.remove_leftovers().unwrap();
        assert!(stray.iter().all(|name| !dir.path().join(name).exists()));
        assert!(others.iter().all(|name| dir.path().join(name).exists()), "not ours");
        RunDir::replace(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), others.len());
    }

    #[test]
    fn a_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::create(folder.path()).unwrap();
        let lock = dir.lock().unwrap();
        if cfg!(target_os = "linux") {
            assert!(dir.lock().unwrap_err().to_string().contains("another process"));
        }
        drop(lock);
        dir.lock().unwrap();
    }

    #[test]
    fn an_impossible_folder_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = RunDir::create(&file.join("run")).unwrap_err().to_string();
        assert!(error.contains("file/run"), "{error}");
    }
}
