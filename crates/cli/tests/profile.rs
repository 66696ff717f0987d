//! `cresset profile`: its figures against each other, and its trace against what trace viewers ask for.

mod common;

use common::{json, stdout};
use serde_json::Value;
use std::path::Path;

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} is no number in {value}"))
}

fn rows(profile: &Value) -> &Vec<Value> {
    profile["layers"].as_array().unwrap()
}

fn profile(steps: &str, words: &[&str]) -> Value {
    let common = ["profile", "cnn", "--batch", "8", "--threads", "1", "--json", "--steps", steps];
    json(Path::new("."), &[&common, words].concat())
}

#[test]
fn rows_add_up_to_the_step() {
    // Medians over several steps would be of different steps.
    let found = profile("1", &["--mode", "train"]);
    let (total, step): (f64, _) =
        (rows(&found).iter().map(|row| number(row, "ms")).sum(), number(&found, "ms_per_step"));
    assert!((total - step).abs() < 1e-6 * step, "{total} ms in {found}");
    let between: f64 =
        rows(&found).iter().filter(|row| row["op"] == "between ops").map(|row| number(row, "ms")).sum();
    assert!(between > 0.0 && between < step);
    let by_op: f64 = found["ops"].as_array().unwrap().iter().map(|row| number(row, "ms")).sum();
    assert!((total - by_op).abs() < 1e-6 * total);
}

#[test]
fn every_multiplication_is_counted_in_each_pass() {
    let summary = json(Path::new("."), &["summary", "cnn", "--json"]);
    let macs = |row: &Value| row["macs"].as_u64().unwrap();
    let one_image: u64 = summary["layers"].as_array().unwrap().iter().map(macs).sum();
    let conv1 = macs(&summary["layers"][0]);
    let of_pass = |profile: &Value, passes: &[&str]| -> u64 {
        rows(profile)
            .iter()
            .filter(|r| r["pass"].as_str().is_some_and(|p| passes.contains(&p)))
            .map(macs)
            .sum()
    };
    let infer = profile("3", &["--mode", "infer"]);
    assert_eq!(of_pass(&infer, &["forward"]), 8 * one_image);
    assert_eq!(of_pass(&infer, &["backward", "weight gradient", "update"]), 0);
    let train = profile("3", &["--mode", "train"]);
    assert_eq!(of_pass(&train, &["forward"]), 8 * one_image);
    // Nobody needs the gradient of the images.
    let gradients = of_pass(&train, &["backward", "input gradient", "weight gradient"]);
    assert_eq!(gradients, 8 * (2 * one_image - conv1));
}

#[test]
fn layers_stand_in_the_order_of_the_model() {
    let layers = |words: &[&str]| -> Vec<String> {
        let mut names: Vec<String> = rows(&profile("1", words))
            .iter()
            .filter_map(|row| row["layer"].as_str().map(str::to_owned))
            .collect();
        names.dedup();
        names
    };
    assert_eq!(layers(&["--mode", "train"]), ["conv1", "conv2", "fc1", "fc2"]);
    let found = profile("3", &["--sort", "time"]);
    assert!(rows(&found).windows(2).all(|w| number(&w[0], "ms") >= number(&w[1], "ms")));
}

#[test]
fn a_table_for_people() {
    let words = ["profile", "cnn", "--batch", "2", "--steps", "1", "--img-size", "20", "--exact-conv"];
    let text = stdout(Path::new("."), &words);
    assert!(text.starts_with("cnn training of 2x1x20x20 images on "), "{text}");
    for part in ["conv1  ", "backward", "sgd", "between ops", "GFLOP/s of multiply-adds"] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}

#[test]
fn the_trace_nests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let found = profile("3", &["--mode", "train", "--trace", path.to_str().unwrap()]);
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let complete: Vec<&Value> = events.iter().filter(|e| e["ph"] == "X").collect();
    assert!(events.len() - complete.len() == 2, "names of process and thread");

    // As a viewer draws them: an event lies in the last one that has not ended, and beside its elder siblings.
    const NANOSECOND: f64 = 1.1e-3;
    let end = |e: &Value| number(e, "ts") + number(e, "dur");
    let mut open: Vec<&Value> = Vec::new();
    let (mut deepest, mut last_start) = (0, 0.0);
    for event in &complete {
        assert!(number(event, "dur") > 0.0 && number(event, "ts") + NANOSECOND >= last_start, "{event}");
        assert!(
            event["name"].is_string() && event["cat"].is_string() && event["args"].is_object(),
            "{event}"
        );
        last_start = number(event, "ts");
        open.retain(|e| end(e) > last_start + NANOSECOND);
        if let Some(parent) = open.last() {
            assert!(end(event) <= end(parent) + NANOSECOND, "{event} leaves {parent}");
        }
        open.push(event);
        deepest = deepest.max(open.len());
    }
    assert!(deepest >= 3, "step, pass, op");

    let named = |name: &str| complete.iter().filter(|e| e["name"] == name).count();
    assert_eq!((named("step 1"), named("step 3"), named("step 4")), (1, 1, 0));
    assert_eq!((named("forward"), named("backward"), named("sgd fc2.bias")), (3, 3, 3));
    let steps: Vec<f64> =
        complete.iter().filter(|e| e["cat"] == "step").map(|e| number(e, "dur") / 1e3).collect();
    let ms = number(&found, "ms_per_step");
    assert!(steps.iter().any(|step| (step - ms).abs() < 1e-5), "{ms} ms is none of {steps:?}");
}

#[test]
fn a_trace_that_cannot_be_written() {
    let words = ["profile", "cnn", "--batch", "1", "--steps", "1", "--trace", "no/such/folder/trace.json"];
    let (status, message) = common::error(Path::new("."), &words);
    assert!(status == 1 && message.contains("no/such/folder/trace.json"), "{message}");
}
