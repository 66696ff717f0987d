//! A tiny training with everything in it that a checkpoint has to remember, and what it comes to.

use crate::common;
use cresset_train::checkpoint::{Checkpoint, Digest};
use cresset_train::{EpochRecord, RunDir};
use cresset_vision::image::{Image, write_png};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Eight batches, four steps an epoch, a checkpoint after each, of which the newest two are kept.
pub const TINY: &[&str] = &[
    "--data",
    "images",
    "--epochs",
    "1",
    "--batch-size",
    "4",
    "--grad-accum-steps",
    "2",
    "--clip-grad-norm",
    "1",
    "--val-crop-size",
    "28",
    "--augment",
    "crop-pad",
    "--mixup-alpha",
    "0.2",
    "--dropout",
    "0.2",
    "--model-ema",
    "--model-ema-steps",
    "1",
    "--checkpoint-every",
    "1",
    "--keep",
    "2",
    "--seed",
    "7",
    "--threads",
    "1",
    "--workers",
    "0",
];

/// A place with a few pictures.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (part, per_class) in [("train", 16), ("val", 4)] {
            for class in 0..2 {
                let dir = place.path().join("images").join(part).join(["lower", "upper"][class]);
                fs::create_dir_all(&dir).unwrap();
                for n in 0..per_class {
                    let pixel = |i: usize| {
                        let bright = (i / (32 * 3) < 16) == (class == 1);
                        (if bright { 180 } else { 40 }) + ((i * 7 + n * 13) % 40) as u8
                    };
                    let image = Image::new(32, 32, 3, (0..32 * 32 * 3).map(pixel).collect()).unwrap();
                    write_png(&image, &dir.join(format!("{n}.png"))).unwrap();
                }
            }
        }
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// `cresset train` with the tiny recipe and these words.
    pub fn tiny(&self, more: &[&str]) -> Command {
        common::command(self.path(), &[&["train"], TINY, more].concat())
    }

    pub fn resume(&self, dir: &str) -> Command {
        common::command(self.path(), &["train", "--resume", dir])
    }

    /// Goes on with a run as its user would, if need be from the beginning, and returns what it comes to.
    pub fn finish(&self, dir: &str) -> End {
        if RunDir::is_occupied(&self.path().join(dir)) {
            succeed(&mut self.resume(dir));
        } else {
            succeed(&mut self.tiny(&["--output-dir", dir]));
        }
        End::of(&self.path().join(dir))
    }
}

/// What a run comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    pub digest: Digest,
    best: Vec<u8>,
    metrics: Vec<EpochRecord>,
}

impl End {
    /// What is in the folder of a run, where nothing may lie about.
    pub fn of(dir: &Path) -> Self {
        assert_eq!(leftovers(dir), Vec::<PathBuf>::new());
        let metrics = RunDir::create(dir).unwrap().read_metrics().unwrap();
        Self {
            digest: Checkpoint::load(&dir.join("last.safetensors")).unwrap().digest(),
            best: fs::read(dir.join("best.safetensors")).unwrap_or_default(),
            metrics: metrics.iter().map(EpochRecord::timeless).collect(),
        }
    }
}

/// Files that were being written.
pub fn leftovers(dir: &Path) -> Vec<PathBuf> {
    common::listing(dir).into_iter().filter(|path| path.to_string_lossy().ends_with(".tmp")).collect()
}

pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The one line of a command that fails with status 1.
pub fn failure(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("error: ") && text.lines().count() == 1 && !text.contains("bug in"), "{text}");
    text
}

/// A number from the environment.
pub fn setting(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
