//! `--amp`: trains, repeats and resumes as float32 does, and is not changed on the way.

mod common;

use common::{TRAIN, error, json, run, stdout, write_folder};
use cresset_train::checkpoint::Checkpoint;
use std::path::Path;

#[test]
fn digits_are_learned_in_bfloat16() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["train", "--data", "digits", "--epochs", "4", "--seed", "1", "--amp", "--output-dir", "run"];
    stdout(folder.path(), &words);
    let report =
        json(folder.path(), &["eval", "--weights", "run/best.safetensors", "--data", "digits", "--json"]);
    assert!(report["top1"].as_f64().unwrap() > 0.9, "{report}");
}

#[test]
fn threads_and_interruptions_change_no_bit_and_the_precision_stays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), 8, 36);
    let digest = |dir: &str| {
        let checkpoint = Checkpoint::load(&Path::new(folder).join(dir).join("last.safetensors")).unwrap();
        checkpoint.digest().weights
    };
    let train = |dir: &str, more: &[&str]| stdout(folder, &[&TRAIN[..], &[dir], more].concat());
    train("one", &["--amp", "--threads", "1"]);
    train("three", &["--amp", "--threads", "3"]);
    assert_eq!(digest("one"), digest("three"));
    let stopped = [&TRAIN[..], &["parts", "--amp", "--max-steps", "1"]].concat();
    assert!(run(folder, &stopped).status.success());
    assert_ne!(digest("one"), digest("parts"));
    stdout(folder, &["train", "--resume", "parts", "--max-steps", "1000"]);
    assert_eq!(digest("one"), digest("parts"));

    train("exact", &[]);
    assert_ne!(digest("one"), digest("exact"));
    let (status, text) = error(folder, &["train", "--resume", "exact", "--amp"]);
    assert!(status == 2 && text.contains("amp (true, was false)"), "{text}");
    let (status, text) = error(folder, &["bench", "cnn", "--mode", "infer", "--amp"]);
    assert!(status == 2 && text.contains("--amp is for training"), "{text}");
}
