//! Help texts, tables and messages, word by word. After a wanted change, `UPDATE_SNAPSHOTS=1 cargo test -p cresset-cli`
//! writes them anew.

mod common;

use std::path::Path;

fn check(name: &str, words: &[&str]) {
    let output = common::run(Path::new(env!("CARGO_MANIFEST_DIR")), words);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let mut found = format!("$ cresset {}\n{}", words.join(" "), text(output.stdout));
    for line in text(output.stderr).lines() {
        found.push_str(&format!("stderr: {line}\n"));
    }
    if !output.status.success() {
        found.push_str(&format!("status: {}\n", output.status.code().unwrap()));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{name} changed; found:\n{found}\nexpected:\n{expected}");
}

#[test]
fn help() {
    check("help", &["--help"]);
    for command in [
        "train",
        "eval",
        "predict",
        "summary",
        "stats",
        "lr-find",
        "preview",
        "convert",
        "models",
        "bench",
        "profile",
        "doctor",
        "verify-resume",
    ] {
        check(&format!("help-{command}"), &[command, "--help"]);
    }
}

#[test]
fn tables() {
    check("summary-cnn", &["summary", "cnn"]);
    check("summary-cnn-json", &["summary", "cnn", "--json"]);
    check("summary-cnn-40x56", &["summary", "cnn", "--input", "3x40x56", "--num-classes", "4"]);
    check("models", &["models"]);
    check("stats-digits", &["stats"]);
    check("stats-digits-json", &["stats", "--split", "test", "--json"]);
}

#[test]
fn errors() {
    let cases: &[(&str, &[&str])] = &[
        ("error-batch-size-zero", &["train", "-b", "0"]),
        ("error-batch-size-negative", &["train", "-b", "-3"]),
        ("error-lr-nan", &["train", "--lr", "NaN"]),
        ("error-lr-negative", &["train", "--lr", "-0.1"]),
        ("error-momentum", &["train", "--momentum", "1.5"]),
        ("error-milestones", &["train", "--lr-scheduler", "multistep"]),
        ("error-warmup", &["train", "--epochs", "3", "--lr-warmup-epochs", "3"]),
        ("error-optimizer", &["train", "--opt", "sdg"]),
        ("error-flag", &["train", "--learning-rate", "1"]),
        ("error-model", &["train", "--model", "cmm"]),
        ("error-data", &["train", "--data", "mnits"]),
        ("error-threads", &["train", "--threads", "0"]),
        ("error-half-normalization", &["train", "--mean", "0.5"]),
        ("error-std", &["train", "--mean", "0.5", "--std", "0"]),
        ("error-config", &["train", "-c", "nowhere.toml"]),
        ("error-resume", &["train", "--resume", "nowhere"]),
        ("error-weights", &["eval", "--weights", "nowhere.safetensors"]),
        ("error-weights-missing", &["eval"]),
        ("error-input", &["summary", "cnn", "--input", "1x2x2"]),
        ("error-input-format", &["summary", "cnn", "--input", "28"]),
        ("error-summary-model", &["summary", "resnet19"]),
        ("error-steps", &["bench", "cnn", "--steps", "0"]),
        ("error-profile-batch", &["profile", "cnn", "--batch", "0"]),
        ("error-profile-img-size", &["profile", "cnn", "--img-size", "2"]),
        ("error-batch-memory", &["bench", "resnet18", "--batch", "1048576", "--img-size", "16384"]),
        ("error-profile-sort", &["profile", "cnn", "--sort", "name"]),
        ("error-command", &["trian"]),
    ];
    for (name, words) in cases {
        check(name, words);
    }
}
