//! Running the program.
#![allow(dead_code, reason = "not every test uses every helper")]

use cresset_vision::image::{Image, write_png};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `cresset` with these words, in this folder.
pub fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cresset"));
    command.args(words).current_dir(folder).env_remove("COLUMNS").env_remove("RUST_BACKTRACE");
    command
}

/// What came of it.
pub fn run(folder: &Path, words: &[&str]) -> Output {
    command(folder, words).output().unwrap()
}

/// Standard output of a run that succeeds.
pub fn stdout(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {error}");
    assert!(!error.contains("error"), "{words:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// JSON of a run that succeeds.
pub fn json(folder: &Path, words: &[&str]) -> serde_json::Value {
    serde_json::from_str(&stdout(folder, words)).unwrap()
}

/// The one line of a run that fails: nothing on standard output, no panic.
pub fn error(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = run(folder, words);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.stdout.is_empty(), "{words:?} printed {}", String::from_utf8_lossy(&output.stdout));
    assert!(text.starts_with("error: ") && text.lines().count() == 1, "{words:?}: {text}");
    assert!(!text.contains("bug in cresset") && !text.contains("panicked"), "{words:?}: {text}");
    (output.status.code().unwrap(), text.trim_end().to_owned())
}

/// The one line on standard error of a run that fails after its introduction.
pub fn error_after_start(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = run(folder, words);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// A short training on what [`write_folder`] writes; the folder of the run comes behind it.
pub const TRAIN: [&str; 18] = [
    "train",
    "--data",
    "images",
    "--model",
    "cifar_resnet20",
    "--epochs",
    "1",
    "--batch-size",
    "8",
    "--val-resize-size",
    "36",
    "--seed",
    "1",
    "--workers",
    "0",
    "--lr",
    "0.05",
    "--output-dir",
];

/// A folder of two classes, bright above and bright below, in squares of `side` pixels.
pub fn write_folder(root: &Path, per_class: usize, side: usize) {
    for part in ["train", "val"] {
        for (class, top) in [("lower", false), ("upper", true)] {
            let dir = root.join(part).join(class);
            fs::create_dir_all(&dir).unwrap();
            for n in 0..per_class {
                let pixel = |i: usize| {
                    let bright = (i / (side * 3) < side / 2) == top;
                    (if bright { 180 } else { 40 }) + ((i * 7 + n * 13) % 40) as u8
                };
                let pixels = (0..side * side * 3).map(pixel).collect();
                write_png(&Image::new(side, side, 3, pixels).unwrap(), &dir.join(format!("{n}.png")))
                    .unwrap();
            }
        }
    }
}

/// Every file and folder below `folder`, for comparing before and after.
pub fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The MNIST files, where this machine has them.
pub fn mnist() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = std::env::var_os("CRESSET_DATA").map_or(repository.join("../shared/data"), PathBuf::from);
    let folder = root.join("mnist");
    folder.is_dir().then(|| folder.canonicalize().unwrap())
}
