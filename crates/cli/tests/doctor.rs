//! `cresset doctor`: what is well, what is not, and what to do about it.

mod common;

use common::{command, json, stdout, write_folder};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn verdict<'a>(findings: &'a Value, subject: &str) -> &'a str {
    let all = findings.as_array().unwrap();
    let finding = all.iter().find(|finding| finding["subject"] == subject);
    finding.unwrap_or_else(|| panic!("{subject} is missing in {findings}"))["verdict"].as_str().unwrap()
}

/// The findings of an examination, whose status must tell whether anything is bad.
fn sick(folder: &Path, words: &[&str]) -> Value {
    let output = command(folder, words).output().unwrap();
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let bad = findings.as_array().unwrap().iter().any(|finding| finding["verdict"] == "bad");
    assert_eq!(output.status.code(), Some(i32::from(bad)), "{}", String::from_utf8_lossy(&output.stderr));
    findings
}

#[test]
fn the_built_in_digits_are_well() {
    let folder = tempfile::tempdir().unwrap();
    let findings = json(folder.path(), &["doctor", "--workers", "0", "--json"]);
    for subject in ["data", "classes", "normalization", "dead ReLUs", "gradients", "one batch", "batch norms"]
    {
        assert_eq!(verdict(&findings, subject), "good", "{findings}");
    }
    let said = stdout(folder.path(), &["doctor", "--workers", "0", "--threads", "1", "--steps", "30"]);
    assert!(said.contains("threads") && said.contains("one batch"), "{said}");
}

#[test]
fn a_run_is_examined_with_its_own_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    stdout(folder, &["train", "--epochs", "3", "--seed", "1", "--output-dir", "run"]);
    let findings = json(folder, &["doctor", "run", "--json"]);
    assert_eq!(verdict(&findings, "one batch"), "good");
    let text = String::from_utf8(command(folder, &["doctor", "nowhere"]).output().unwrap().stderr).unwrap();
    assert!(text.contains("nowhere") && text.contains("config.toml"), "{text}");
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), 12, 32);
    let words =
        ["doctor", "--data", "images", "--model", "cifar_resnet20", "--workers", "0", "--images", "4"];
    let words = [&words[..], &["--steps", "2", "--json"]].concat();

    // Pixels of 0 to 1 / 0.01.
    let odd = [&words[..], &["--mean", "0,0,0", "--std", "0.01,0.01,0.01"]].concat();
    assert_eq!(verdict(&sick(folder, &odd), "normalization"), "doubtful");

    for n in 1..12 {
        fs::remove_file(folder.join(format!("images/train/upper/{n}.png"))).unwrap();
    }
    assert_eq!(verdict(&sick(folder, &words), "classes"), "doubtful");

    fs::write(folder.join("images/train/lower/3.png"), "no picture").unwrap();
    let findings = sick(folder, &words);
    assert_eq!(verdict(&findings, "data"), "bad");
    let data = findings.as_array().unwrap().iter().find(|f| f["subject"] == "data").unwrap();
    assert!(data["found"].as_str().unwrap().contains("3.png"), "{data}");
    assert!(data["advice"].as_str().unwrap().contains("--skip-broken"), "{data}");
}
