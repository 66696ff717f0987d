//! The flags of the full training recipe, fine-tuning, conversion and previews, on small folders of images.

mod common;

use common::{error, json, stdout};
use cresset_vision::image::{Image, write_png};
use std::fs;
use std::path::Path;

/// A folder of two classes, bright above and bright below.
fn write_folder(root: &Path, per_class: usize) {
    for part in ["train", "val"] {
        for (class, top) in [("lower", false), ("upper", true)] {
            let dir = root.join(part).join(class);
            fs::create_dir_all(&dir).unwrap();
            for n in 0..per_class {
                let pixel = |i: usize| {
                    let bright = (i / (36 * 3) < 18) == top;
                    (if bright { 180 } else { 40 }) + ((i * 7 + n * 13) % 40) as u8
                };
                let pixels = (0..36 * 36 * 3).map(pixel).collect();
                write_png(&Image::new(36, 36, 3, pixels).unwrap(), &dir.join(format!("{n}.png"))).unwrap();
            }
        }
    }
}

const TRAIN: [&str; 18] = [
    "train",
    "--data",
    "images",
    "--model",
    "cifar_resnet20",
    "--epochs",
    "1",
    "--batch-size",
    "8",
    "--val-resize-size",
    "36",
    "--seed",
    "1",
    "--workers",
    "0",
    "--lr",
    "0.05",
    "--output-dir",
];

#[test]
fn the_whole_recipe_trains_on_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), 8);
    fs::write(folder.join("images/train/upper/broken.png"), "no picture").unwrap();
    let (_, text) = error_after_start(folder, &[&TRAIN[..], &["run"]].concat());
    assert!(text.contains("broken.png"), "{text}");
    let recipe = [
        "run2",
        "--skip-broken",
        "--augment",
        "crop-pad",
        "--auto-augment",
        "ta_wide",
        "--random-erase",
        "0.5",
        "--mixup-alpha",
        "0.2",
        "--cutmix-alpha",
        "1",
        "--label-smoothing",
        "0.1",
        "--norm-weight-decay",
        "0",
        "--model-ema",
        "--model-ema-steps",
        "1",
        "--eval-every",
        "2",
        "--cache",
        "8",
    ];
    let said = stdout(folder, &[&TRAIN[..], &recipe].concat());
    assert!(said.contains("17 training and 16 validation images of 3x32x32, 2 classes"), "{said}");
    assert!(said.contains("step 2  val loss"), "{said}");
    assert!(said.contains("1 images were left out") && said.contains("broken.png"), "{said}");
    let report = json(folder, &["eval", "--weights", "run2/best.safetensors", "--data", "images", "--json"]);
    assert_eq!(report["images"], 16);

    // One folder without parts, and a share held out.
    fs::remove_file(folder.join("images/train/upper/broken.png")).unwrap();
    let mut words = TRAIN.to_vec();
    words[2] = "images/train";
    let (status, text) = error(folder, &[&words[..], &["run3"]].concat());
    assert!(status == 2 && text.contains("--val-split"), "{text}");
    let said = stdout(folder, &[&words[..], &["run3", "--val-split", "0.25"]].concat());
    assert!(said.contains("12 training and 4 validation images"), "{said}");
}

/// The one line on standard error of a run that fails after its introduction.
fn error_after_start(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = common::run(folder, words);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn fine_tuning_keeps_all_but_the_classifier() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), 4);
    stdout(folder, &["train", "--epochs", "1", "--output-dir", "digits", "--seed", "1"]);
    // A grey model of ten classes cannot start a colour model of two, but one of the same family can.
    stdout(folder, &[&TRAIN[..], &["two"]].concat());
    fs::create_dir_all(folder.join("images/train/other")).unwrap();
    fs::create_dir_all(folder.join("images/val/other")).unwrap();
    for part in ["train", "val"] {
        let from = folder.join("images").join(part);
        fs::copy(from.join("upper/0.png"), from.join("other/0.png")).unwrap();
    }
    let more = ["three", "--weights", "two/best.safetensors", "--freeze", "conv1,bn1,layer1"];
    let said = stdout(folder, &[&TRAIN[..], &more, &["--lr-mult", "fc=10"]].concat());
    assert!(said.contains("fc.weight is (3, 64) in the model, (2, 64) in the weights"), "{said}");
    assert!(said.contains("frozen: conv1, bn1, layer1"), "{said}");
    let load =
        |run: &str| cresset_nn::weights::load(folder.join(run).join("best.safetensors")).unwrap().tensors;
    let (two, three) = (load("two"), load("three"));
    for (name, array) in &three {
        let same = two[name].shape() == array.shape()
            && two[name].to_dtype(cresset_tensor::DType::F32).to_vec()
                == array.to_dtype(cresset_tensor::DType::F32).to_vec();
        let frozen = ["conv1.", "bn1.", "layer1."].iter().any(|layer| name.starts_with(layer));
        assert_eq!(same, frozen, "{name}");
    }
    let (_, text) = error(folder, &[&TRAIN[..], &["four", "--freeze", "layer9"]].concat());
    assert!(text.contains("layer9") && text.contains("layer1, layer2, layer3"), "{text}");
    let (status, text) = error(folder, &[&TRAIN[..], &["four", "--lr-mult", "head=3"]].concat());
    assert!(status == 2 && text.contains("--lr-mult") && text.contains("head"), "{text}");
}

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

#[test]
fn a_preview_is_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), 2);
    let words = ["preview", "--data", "images", "--rows", "2", "--columns", "3", "--model", "cifar_resnet20"];
    stdout(folder, &[&words[..], &["--out", "a.png"]].concat());
    stdout(
        folder,
        &[&words[..], &["--out", "b.png", "--auto-augment", "ra", "--ra-magnitude", "30"]].concat(),
    );
    let read = |name: &str| {
        cresset_vision::image::decode_file(&folder.join(name), cresset_vision::image::Color::Rgb)
    };
    let (a, b) = (read("a.png").unwrap(), read("b.png").unwrap());
    assert!(a.shape() == b.shape() && a != b, "augmentation shows");
    let (status, text) = error(folder, &["preview", "--data", "digits", "--train-crop-size", "64"]);
    assert!(status == 2 && text.contains("--train-crop-size is 64") && text.contains("digits"), "{text}");
}
