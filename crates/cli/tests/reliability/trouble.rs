//! Real disks that are full, read-only or gone, and other trouble with the folder of a run.

use crate::common;
use crate::runs::{End, Place, failure, leftovers, succeed};
use cresset_train::checkpoint::Checkpoint;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A file system of its own, which only root can have.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(at: &'a Path, options: &str) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Self(at))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.0).status().unwrap().success());
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_or_read_only_keeps_the_old_checkpoint() {
    let place = Place::new();
    succeed(&mut place.tiny(&["--output-dir", "whole"]));
    let disk = place.path().join("disk");
    // Room for one checkpoint, but not for another beside it.
    let size = fs::metadata(place.path().join("whole/last.safetensors")).unwrap().len() * 3 / 2;
    let Some(mount) = Mount::new(&disk, &format!("size={size}")) else {
        return println!("skipped: only root can mount a small disk");
    };
    let output = place.tiny(&["--output-dir", "disk/run"]).output().unwrap();
    let text = failure(&output);
    assert!(text.contains("cannot write disk/run/") && text.contains("No space left on device"), "{text}");
    assert!(text.contains("go on with: cresset train --resume disk/run"), "{text}");
    let dir = disk.join("run");
    let step =
        |dir: &Path| Checkpoint::load(&dir.join("last.safetensors")).unwrap().training.unwrap().progress.step;
    assert_eq!((step(&dir), leftovers(&dir).len()), (1, 0));

    mount.remount("size=64m,ro");
    let text = failure(&place.resume("disk/run").output().unwrap());
    assert!(text.contains("Read-only file system"), "{text}");
    assert_eq!(step(&dir), 1);
    mount.remount("rw");
    assert_eq!(place.finish("disk/run"), End::of(&place.path().join("whole")));
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    succeed(&mut place.tiny(&["--output-dir", "run", "--max-steps", "2"]));
    let dir = place.path().join("run");
    fs::set_permissions(&dir, PermissionsExt::from_mode(0o555)).unwrap();
    if fs::write(dir.join("probe"), "").is_ok() {
        return println!("skipped: root may write everywhere");
    }
    let text = failure(&place.resume("run").output().unwrap());
    fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).unwrap();
    assert!(text.contains("ermission denied") && leftovers(&dir).is_empty(), "{text}");
    Checkpoint::load(&dir.join("last.safetensors")).unwrap();
}

#[test]
fn a_folder_that_vanishes_ends_the_run_with_an_error() {
    let place = Place::new();
    let mut command = place.tiny(&["--epochs", "100000", "--output-dir", "run"]);
    let child =
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let dir = place.path().join("run");
    while !dir.join("metrics.jsonl").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fs::rename(&dir, place.path().join("away")).unwrap();
    let text = failure(&child.wait_with_output().unwrap());
    assert!(text.contains("cannot write run/") && text.contains("No such file or directory"), "{text}");
    assert!(!dir.exists());
    Checkpoint::load(&place.path().join("away/last.safetensors")).unwrap();
}

#[test]
fn what_cannot_be_resumed_says_why() {
    let place = Place::new();
    let refused = |words: &[&str], status: i32, parts: &[&str]| {
        let (code, text) = common::error(place.path(), &[&["train", "--resume"], words].concat());
        assert!(code == status && parts.iter().all(|part| text.contains(part)), "{words:?}: {text}");
    };
    refused(&["nowhere"], 1, &["nowhere: No such file"]);
    fs::create_dir(place.path().join("empty")).unwrap();
    refused(&["empty"], 2, &["--resume empty", "no last.safetensors", "--output-dir empty"]);

    succeed(&mut place.tiny(&["--output-dir", "run", "--max-steps", "3"]));
    refused(
        &["run", "--dropout", "0.3", "--mixup-alpha", "0"],
        2,
        &["dropout (0.3, was 0.2), mixup-alpha (0.0, was 0.2)"],
    );
    refused(&["run", "--epochs", "2"], 2, &["epochs (2, was 1)"]);
    let picture = place.path().join("images/train/upper/0.png");
    fs::copy(&picture, picture.with_file_name("more.png")).unwrap();
    refused(&["run"], 2, &["33 training and 8 validation images", "32 and 8", "--resume-with-changes"]);
    fs::remove_file(picture.with_file_name("more.png")).unwrap();
    let words = ["train", "--resume", "run", "--epochs", "2", "--max-steps", "9", "--resume-with-changes"];
    common::stdout(place.path(), &words);
    let config = fs::read_to_string(place.path().join("run/config.toml")).unwrap();
    assert!(config.starts_with("# changed after step 3: epochs (2, was 1)\n"), "{config}");
    assert!(config.contains("\nepochs = 2\n"), "{config}");

    // A damaged checkpoint points at the one before it, which can be resumed.
    let last = place.path().join("run/last.safetensors");
    let mut bytes = fs::read(&last).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&last).unwrap();
    fs::write(&last, bytes).unwrap();
    refused(&["run"], 1, &["damaged", "an older one is there: --resume run/step-0000000"]);
    let kept = cresset_train::RunDir::create(&place.path().join("run")).unwrap().kept().unwrap();
    assert_eq!(kept.len(), 2);
    let newest = kept.into_values().next_back().unwrap();
    common::stdout(place.path(), &["train", "--resume", newest.to_str().unwrap()]);
    fs::remove_file(&last).unwrap();
    refused(&["run"], 2, &["no last.safetensors"]);
}
