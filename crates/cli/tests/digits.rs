//! The whole way on the built-in digits: train, evaluate, predict, interrupt, resume, repeat.

mod common;

use common::{error, json, listing, run, stdout};
use std::fs;
use std::path::Path;

const SHORT: [&str; 8] = ["train", "--epochs", "2", "--seed", "7", "--output-dir", "run", "--no-download"];

fn train(folder: &Path, more: &[&str]) -> String {
    stdout(folder, &[&SHORT[..], more].concat())
}

#[test]
fn train_then_eval_then_predict() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said = train(folder, &["--epochs", "3", "--augment", "none"]);
    assert!(
        said.contains("cnn (103,018 parameters) on digits: 1,442 training and 355 validation images"),
        "{said}"
    );
    assert_eq!(said.matches("\nepoch ").count(), 3, "{said}");
    assert!(said.contains("\nbest: ") && said.contains("confidence") && said.contains("seed 7"), "{said}");
    let mut names: Vec<_> =
        fs::read_dir(folder.join("run")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["best.safetensors", "config.toml", "last.safetensors", "metrics.jsonl"]);

    let metrics = fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    let records: Vec<serde_json::Value> = metrics.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let keys = [
        "epoch",
        "train_loss",
        "train_top1",
        "val_loss",
        "val_top1",
        "lr",
        "train_seconds",
        "eval_seconds",
        "train_images_per_second",
    ];
    assert_eq!(records.len(), 3);
    for record in &records {
        let object = record.as_object().unwrap();
        assert_eq!(object.len(), keys.len());
        assert!(keys.iter().all(|key| object[*key].is_number()), "{record}");
    }
    let best = records.iter().map(|r| r["val_top1"].as_f64().unwrap()).fold(0.0, f64::max);
    assert!(best > 0.9, "three epochs reach {best}");

    let report = json(folder, &["eval", "--weights", "run/best.safetensors", "--json"]);
    assert_eq!(report["top1"].as_f64().unwrap(), best);
    assert_eq!((report["images"].as_u64(), report["per_class"].as_array().unwrap().len()), (Some(355), 10));
    assert!(
        report["top5"].as_f64().unwrap() >= best
            && report["loss"].is_number()
            && report["seconds"].is_number()
    );
    let text = stdout(folder, &["eval", "--weights", "run/last.safetensors"]);
    assert!(text.contains("top-1") && text.contains("class"), "{text}");

    // A digit as a colour image of another size: the program converts it as the model needs.
    let picture = cresset_vision::datasets::digits::load(cresset_vision::datasets::Split::Test).unwrap();
    let cresset_vision::datasets::Sample { image, label } =
        cresset_vision::datasets::Dataset::sample(&picture, 0).unwrap();
    let colour: Vec<u8> = image.pixels().iter().flat_map(|&p| [p, p, p]).collect();
    let colour = cresset_vision::image::Image::new(28, 28, 3, colour).unwrap();
    cresset_vision::image::write_png(&image, &folder.join("grey.png")).unwrap();
    cresset_vision::image::write_png(&colour, &folder.join("colour.png")).unwrap();
    let words =
        ["predict", "--weights", "run/best.safetensors", "grey.png", "colour.png", "--top-k", "3", "--json"];
    let report = json(folder, &[&words[..], &["--logits"]].concat());
    let rows = report.as_array().unwrap();
    assert_eq!(
        (rows.len(), rows[0]["path"].as_str(), rows[1]["path"].as_str()),
        (2, Some("grey.png"), Some("colour.png"))
    );
    assert_eq!(rows[0]["predictions"], rows[1]["predictions"]);
    let predictions = rows[0]["predictions"].as_array().unwrap();
    assert_eq!(
        (predictions.len(), predictions[0]["index"].as_u64(), predictions[0]["label"].as_str()),
        (3, Some(label as u64), Some(&*label.to_string()))
    );
    let probabilities: Vec<_> = predictions.iter().map(|p| p["probability"].as_f64().unwrap()).collect();
    assert!(probabilities.is_sorted_by(|a, b| a >= b) && probabilities[0] > 0.5);
    assert_eq!(rows[0]["logits"].as_array().unwrap().len(), 10);
    assert!(json(folder, &words)[0].get("logits").is_none());
    assert!(
        stdout(folder, &["predict", "--weights", "run/best.safetensors", "grey.png"])
            .starts_with(&format!("grey.png: {label} ("))
    );
}

#[test]
fn runs_repeat_from_their_config_and_do_not_depend_on_threads_or_workers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, &["--threads", "1", "--workers", "0", "--epochs", "1"]);
    let words =
        ["train", "-c", "run/config.toml", "--output-dir", "again", "--threads", "3", "--workers", "2"];
    stdout(folder, &words);
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let weights = |run: &str| cresset_nn::weights::load(folder.join(run).join("best.safetensors")).unwrap();
    let (first, second) = (weights("run"), weights("again"));
    for (name, array) in &first.tensors {
        assert!(array.to_vec() == second.tensors[name].to_vec(), "{name}");
    }
    assert!(String::from_utf8(read("run/config.toml")).unwrap().contains("seed = 7"));
}

#[test]
fn an_occupied_folder_is_not_overwritten_silently() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, &["--epochs", "1"]);
    let before = fs::read(folder.join("run/best.safetensors")).unwrap();
    let (status, text) = error(folder, &SHORT);
    assert_eq!(status, 2);
    assert!(text.contains("--resume run") && text.contains("--overwrite"), "{text}");
    assert!(fs::read(folder.join("run/best.safetensors")).unwrap() == before);
    train(folder, &["--epochs", "1", "--overwrite"]);
    // Without --output-dir, each run gets a folder of its own.
    for _ in 0..2 {
        stdout(folder, &["train", "--epochs", "1"]);
    }
    assert!(folder.join("runs/digits-cnn-1/config.toml").exists());
    assert!(folder.join("runs/digits-cnn-2/config.toml").exists());
}

#[test]
fn resume_goes_on_and_refuses_changes_that_matter() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let constant = ["--lr-scheduler", "constant", "--epochs"];
    train(folder, &[&constant[..], &["2"]].concat());
    stdout(folder, &[&["train", "--seed", "7", "--output-dir", "short"], &constant[..], &["1"]].concat());
    let (status, text) = error(folder, &["train", "--resume", "short", "--lr", "0.2", "--batch-size", "32"]);
    assert_eq!(status, 2);
    assert!(text.contains("batch-size (32, was 64), lr (0.2, was 0.05)"), "{text}");
    // Training on for longer is no change where the schedule does not depend on the length.
    stdout(folder, &["train", "--resume", "short/last.safetensors", "--epochs", "2", "--workers", "0"]);
    let weights = |run: &str| cresset_nn::weights::load(folder.join(run).join("last.safetensors")).unwrap();
    let (whole, resumed) = (weights("run"), weights("short"));
    for (name, array) in &whole.tensors {
        assert!(array.to_vec() == resumed.tensors[name].to_vec(), "{name}");
    }
    let metrics = fs::read_to_string(folder.join("short/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 2);
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_says_how_to_go_on() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;
    for (signal, status) in [("-INT", 130), ("-TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let words = ["train", "--epochs", "2000", "--seed", "7", "--output-dir", "run"];
        let mut child = common::command(folder, &words).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("epoch") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "ended before the first epoch");
        }
        let kill =
            std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert!(rest.contains("go on with: cresset train --resume run"), "{rest}");
        let output = run(folder, &["train", "--resume", "run", "--epochs", "1", "--resume-with-changes"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(listing(folder).iter().all(|path| !path.to_string_lossy().ends_with(".tmp")));
    }
}
