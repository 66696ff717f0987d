//! `cresset bench`.

mod common;

use common::{command, json, stdout};
use serde_json::Value;
use std::path::Path;

const BENCH: [&str; 8] = ["bench", "cnn", "--batch", "2", "--warmup", "0", "--steps", "2"];

fn bench(words: &[&str]) -> Value {
    json(Path::new("."), &[&BENCH, words].concat())
}

#[test]
fn exact_convolutions_are_an_option() {
    assert_eq!(bench(&["--json"])["options"].to_string(), "[]");
    assert_eq!(bench(&["--json", "--exact-conv"])["options"].to_string(), r#"["exact-conv"]"#);
    let by_environment = |value: &str| {
        let output = command(Path::new("."), &[&BENCH[..], &["--json"]].concat())
            .env("CRESSET_EXACT_CONV", value)
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["options"].to_string()
    };
    assert_eq!((by_environment("1").as_str(), by_environment("0").as_str()), (r#"["exact-conv"]"#, "[]"));
}

#[test]
fn the_instruction_set_is_told() {
    let output =
        command(Path::new("."), &[&BENCH[..], &["--json"]].concat()).env("CRESSET_ISA", "scalar").output();
    let found: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    assert_eq!(found["isa"], "scalar");
}

#[test]
fn scaling_has_a_row_for_each_number_of_threads() {
    let found = bench(&["--json", "--scaling", "--threads", "3"]);
    let rows = found["scaling"].as_array().unwrap();
    let threads: Vec<u64> = rows.iter().map(|row| row["threads"].as_u64().unwrap()).collect();
    assert_eq!(threads, [1, 2, 3]);
    assert_eq!(rows[0]["speed_up"].as_f64(), Some(1.0));
    assert_eq!(rows[2]["ms_per_step"], found["ms_per_step"]);
    let text =
        stdout(Path::new("."), &[&BENCH[..], &["--scaling", "--threads", "2", "--mode", "infer"]].concat());
    assert!(text.contains("threads") && text.contains("speed-up"), "{text}");
    assert!(bench(&["--json"]).get("scaling").is_none());
}
