//! The process dies, or the system refuses, at each single operation on a run's files.

use crate::runs::{End, Place, failure, leftovers, succeed};
use cresset_train::RunDir;
use cresset_train::checkpoint::Checkpoint;
use std::fs;
use std::process::Output;

/// Runs the tiny training once for each of its operations on files, each time with another one failing. `check` sees
/// what came of it; then the run is finished and compared.
fn at_every_operation(failure_of: impl Fn(usize) -> &'static str, check: impl Fn(&Place, &Output, &str)) {
    let place = Place::new();
    let log = place.path().join("operations.txt");
    succeed(place.tiny(&["--output-dir", "whole"]).env("CRESSET_FAIL_LOG", &log));
    let expected = End::of(&place.path().join("whole"));
    let operations: Vec<String> = match fs::read_to_string(&log) {
        Ok(text) => text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect(),
        Err(_) => return println!("skipped: a release build has no fail points"),
    };
    for kind in
        ["create", "write", "sync", "rename", "sync folder", "end", "link", "append", "append line", "remove"]
    {
        assert!(operations.iter().any(|o| o == kind), "no {kind} among {operations:?}");
    }
    for (index, operation) in operations.iter().enumerate() {
        let dir = format!("run-{index}");
        let plan = format!("{}:{}", index + 1, failure_of(index));
        let output = place.tiny(&["--output-dir", &dir]).env("CRESSET_FAIL_AT", &plan).output().unwrap();
        check(&place, &output, &dir);
        let last = place.path().join(&dir).join("last.safetensors");
        assert!(!last.exists() || Checkpoint::load(&last).is_ok(), "{plan} ({operation})");
        assert_eq!(place.finish(&dir), expected, "{plan} ({operation})");
        let kept = RunDir::create(&place.path().join(&dir)).unwrap().kept().unwrap();
        // The third is there if its removal failed at the end of the run.
        assert!(kept.len() <= 3 && kept.values().all(|path| Checkpoint::load(path).is_ok()), "{kept:?}");
    }
    println!("{} operations", operations.len());
}

#[test]
fn death_at_any_operation_leaves_a_run_that_ends_with_the_same_bits() {
    at_every_operation(|_| "kill", |_, output, _| assert_eq!(output.status.code(), None));
}

#[test]
fn refusal_of_any_operation_is_one_error_and_leaves_the_old_checkpoint_and_nothing_else() {
    const KINDS: [(&str, &str); 4] = [
        ("full", "no storage space"),
        ("denied", "permission denied"),
        ("read-only", "read-only"),
        ("gone", "entity not found"),
    ];
    let check = |place: &Place, output: &Output, dir: &str| {
        let text = failure(output);
        assert!(KINDS.iter().any(|(_, said)| text.contains(said)), "{text}");
        assert!(
            text.contains(&format!("cannot write {dir}/")) || text.contains(&format!("cannot remove {dir}/")),
            "{text}"
        );
        let dir = place.path().join(dir);
        assert!(leftovers(&dir).is_empty());
        let resumable = dir.join("last.safetensors").exists();
        assert_eq!(text.contains("go on with: cresset train --resume"), resumable, "{text}");
    };
    at_every_operation(|index| KINDS[index % 4].0, check);
}
