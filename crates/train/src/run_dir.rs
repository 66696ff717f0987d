//! The folder of a run.

use crate::error::{Result, TrainError};
use crate::record::EpochRecord;
use cresset_nn::weights::write_atomically;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The folder of a run: `config.toml`, `metrics.jsonl`, `best.safetensors`, `last.safetensors`.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

const FILES: [&str; 4] = ["config.toml", "metrics.jsonl", "best.safetensors", "last.safetensors"];

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
        for file in FILES.map(|name| path.join(name)) {
            match fs::remove_file(&file) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(TrainError::io("remove", &file, e)),
                _ => {}
            }
        }
        Ok(dir)
    }

    /// Whether there is a run in the folder already.
    pub fn is_occupied(path: &Path) -> bool {
        FILES.iter().any(|name| path.join(name).exists())
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

    /// Adds a line to `metrics.jsonl`.
    pub(crate) fn append_metrics(&self, record: &EpochRecord) -> Result<()> {
        let path = self.metrics();
        let append = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            // One write call: a reader sees the whole line or nothing of it.
            file.write_all(line(record).as_bytes())
        };
        append().map_err(|e| TrainError::io("write", &path, e))
    }

    /// Writes `metrics.jsonl` anew: after a resume it holds exactly the epochs before the checkpoint.
    pub(crate) fn rewrite_metrics(&self, history: &[EpochRecord]) -> Result<()> {
        write_whole(&self.metrics(), history.iter().map(line).collect::<String>().as_bytes())
    }
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
    fn an_impossible_folder_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = RunDir::create(&file.join("run")).unwrap_err().to_string();
        assert!(error.contains("file/run"), "{error}");
    }
}
