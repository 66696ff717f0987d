//! `cresset convert`, there and back.

mod common;

use common::{error, json, stdout};

#[test]
fn conversion_there_and_back_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    stdout(folder, &["train", "--epochs", "1", "--output-dir", "run", "--seed", "1"]);
    for name in ["best", "last"] {
        let from = format!("run/{name}.safetensors");
        stdout(folder, &["convert", &from, "a.pth", "--overwrite"]);
        stdout(folder, &["convert", "a.pth", "b.safetensors", "--overwrite"]);
        let evaluate = |file: &str| {
            let mut report = json(folder, &["eval", "--weights", file, "--json"]);
            report["seconds"] = 0.into();
            report
        };
        if name == "best" {
            assert_eq!(evaluate(&from), evaluate("b.safetensors"));
        }
        let weights = cresset_nn::weights::load(folder.join("a.pth")).unwrap();
        assert_eq!(weights.tensors.len(), 8, "weights and nothing else");
    }
    let (status, text) = error(folder, &["convert", "run/best.safetensors", "a.pth"]);
    assert!(status == 2 && text.contains("a.pth") && text.contains("--overwrite"), "{text}");
    let (status, text) = error(folder, &["convert", "run/best.safetensors", "a.onnx"]);
    assert!(status == 2 && text.contains(".safetensors, .pth or .pt"), "{text}");
    let (status, text) = error(folder, &["convert", "run/config.toml", "c.pth"]);
    assert!(status == 1 && text.contains("config.toml") && !folder.join("c.pth").exists(), "{text}");
}
