//! The same bits with any number of threads and workers, with a terminal and without, and from `config.toml`.

use crate::common;
use crate::runs::{End, Place, setting, succeed};
use std::path::Path;
use std::process::Command;

/// Augmentation, mixup, cutmix and dropout: everything random.
const RANDOM: &[&str] = &[
    "--augment",
    "crop-pad",
    "--auto-augment",
    "ta_wide",
    "--random-erase",
    "0.3",
    "--mixup-alpha",
    "0.2",
    "--cutmix-alpha",
    "1",
    "--dropout",
    "0.2",
    "--lr",
    "0.01",
    "--epochs",
    "60",
    "--seed",
    "3",
    "--output-dir",
];

fn train(folder: &Path, dir: &str, threads: usize, workers: usize, more: &[&str]) -> Command {
    let numbers = [threads.to_string(), workers.to_string()];
    let own = [dir, "--threads", &numbers[0], "--workers", &numbers[1]];
    common::command(folder, &[&["train"], RANDOM, &own, more].concat())
}

/// Trains with each pair of (threads, workers) and compares.
fn same_bits(model: &str, batch_size: usize, steps: usize, pairs: &[(usize, usize)]) {
    let folder = tempfile::tempdir().unwrap();
    let (batch, steps) = (batch_size.to_string(), steps.to_string());
    let more = ["--model", model, "--batch-size", &batch, "--max-steps", &steps];
    let mut expected: Option<End> = None;
    for &(threads, workers) in pairs {
        let dir = format!("{threads}-{workers}");
        succeed(&mut train(folder.path(), &dir, threads, workers, &more));
        let end = End::of(&folder.path().join(&dir));
        let expected = expected.get_or_insert_with(|| end.clone());
        assert!(end == *expected, "{model} with {threads} threads and {workers} workers");
    }
    let digest = expected.unwrap().digest;
    println!("{model}, {steps} steps: {} runs, weights {}", pairs.len(), digest.weights);
}

/// The pairs of a quick look, or all of them, and the number of steps.
fn extent(quick_steps: usize) -> (usize, Vec<(usize, usize)>) {
    match setting("CRESSET_REPRODUCE") {
        None => (quick_steps, vec![(1, 0), (2, 1), (3, 4), (16, 0)]),
        Some(steps) => {
            let threads = [1, 2, 3, 4, 8, 16];
            (steps, threads.iter().flat_map(|&threads| [0, 1, 4].map(|workers| (threads, workers))).collect())
        }
    }
}

#[test]
fn cnn_does_not_depend_on_threads_or_workers() {
    let (steps, pairs) = extent(30);
    same_bits("cnn", 64, steps, &pairs);
}

#[test]
fn cifar_resnet20_does_not_depend_on_threads_or_workers() {
    let (steps, pairs) = extent(4);
    same_bits("cifar_resnet20", 16, steps, &pairs);
}

/// A terminal on which a command writes.
#[cfg(unix)]
fn on_a_terminal(command: &mut Command) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::fs::{File, OpenOptions};
    use std::io::Read;
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
    let keyboard = OpenOptions::new().read(true).write(true).open(name).unwrap();
    command.stdin(keyboard.try_clone().unwrap()).stdout(keyboard.try_clone().unwrap()).stderr(keyboard);
    let mut child = command.spawn().unwrap();
    // The command still holds the other end, which would never be seen to close.
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let (mut shown, mut screen) = (Vec::new(), File::from(screen));
    // The end of a terminal is an error.
    let _ = screen.read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    String::from_utf8_lossy(&shown).into_owned()
}

#[cfg(unix)]
#[test]
fn a_terminal_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--max-steps", "26"];
    succeed(&mut train(folder.path(), "without", 2, 1, &more));
    let shown = on_a_terminal(&mut train(folder.path(), "with", 2, 1, &more));
    assert!(shown.contains('\u{1b}') && shown.contains("images/s"), "a bar is drawn: {shown}");
    assert!(End::of(&folder.path().join("with")) == End::of(&folder.path().join("without")));
}

#[test]
fn a_run_picks_a_seed_and_repeats_from_its_configuration() {
    let place = Place::new();
    let words = ["train", "--epochs", "1", "--max-steps", "5", "--output-dir", "first"];
    let said = common::stdout(place.path(), &words);
    let line = said.lines().find(|line| line.starts_with("seed ")).unwrap();
    let seed = line["seed ".len()..].split(',').next().unwrap();
    let config = std::fs::read_to_string(place.path().join("first/config.toml")).unwrap();
    assert!(config.lines().any(|line| line == format!("seed = {seed}")), "{line}: {config}");
    common::stdout(place.path(), &["train", "-c", "first/config.toml", "--output-dir", "second"]);
    let end = |dir: &str| End::of(&place.path().join(dir));
    assert!(end("first") == end("second"));
    // Another run picks another seed.
    common::stdout(place.path(), &[&words[..6], &["third"]].concat());
    assert!(end("first").digest != end("third").digest);
}
