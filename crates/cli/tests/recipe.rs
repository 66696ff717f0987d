//! The flags of the full training recipe, on small folders of images.

mod common;

use common::{TRAIN, error, json, stdout, write_folder};
use cresset_train::checkpoint::Checkpoint;
use std::fs;
use std::path::Path;

#[test]
fn the_whole_recipe_trains_on_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), 8, 36);
    fs::write(folder.join("images/train/upper/broken.png"), "no picture").unwrap();
    let (_, text) = common::error_after_start(folder, &[&TRAIN[..], &["run"]].concat());
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

#[test]
fn a_folder_of_images_of_the_models_size_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let preprocessing = |images: &str, run: &str| {
        let mut words = [&TRAIN[..], &[run]].concat();
        words[2] = images;
        words.retain(|word| !["--val-resize-size", "36"].contains(word));
        stdout(folder, &words);
        Checkpoint::load(&folder.join(run).join("best.safetensors")).unwrap().card.preprocessing
    };
    write_folder(&folder.join("large"), 2, 36);
    write_folder(&folder.join("right"), 2, 32);
    let large = preprocessing("large", "run-large");
    assert_eq!((large.input, large.resize), ([3, 32, 32], Some(37)));
    let right = preprocessing("right", "run-right");
    assert_eq!((right.input, right.resize), ([3, 32, 32], None));
}

#[test]
fn norms_biases_and_residual_branches_follow_their_flags() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), 4, 32);
    // Decay this strong leaves a mark in one epoch of two steps, and a learning rate this small nothing else does.
    let train = |run: &str, more: &[&str]| {
        let mut words = [&TRAIN[..], &[run], more].concat();
        words.extend(["--weight-decay", "1000", "--lr-scheduler", "constant"]);
        *words.iter_mut().find(|word| **word == "0.05").unwrap() = "1e-4";
        stdout(folder, &words);
        let weights = Checkpoint::load(&folder.join(run).join("best.safetensors")).unwrap().weights;
        move |name: &str| weights[name].to_vec()[0]
    };
    let usual = train("usual", &[]);
    assert!(usual("bn1.weight") < 0.95);
    let spared = train("spared", &["--norm-weight-decay", "0"]);
    assert!(spared("bn1.weight") > 0.99 && spared("fc.bias") == usual("fc.bias"));
    let biases = train("biases", &["--norm-weight-decay", "0", "--bias-weight-decay", "0"]);
    assert!(biases("fc.bias") != usual("fc.bias"));
    let zero = train("zero", &["--zero-init-residual", "--norm-weight-decay", "0"]);
    assert!(zero("layer1.0.bn2.weight").abs() < 0.01 && spared("layer1.0.bn2.weight") > 0.99);
}

#[test]
fn every_ready_recipe_trains() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), 2, 32);
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let mut found = 0;
    for entry in fs::read_dir(recipes).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // The recipe itself, but for few and small images: longer than any warm-up, and at a rate for tiny batches.
        let small = [
            "--data",
            "images",
            "--epochs",
            "6",
            "--batch-size",
            "4",
            "--grad-accum-steps",
            "1",
            "--lr",
            "1e-3",
        ];
        let sizes = ["--train-crop-size", "32", "--val-resize-size", "32", "--val-crop-size", "32"];
        let words = ["train", "-c", path.to_str().unwrap(), "--seed", "1", "--output-dir", &name];
        let said = stdout(folder, &[&words[..], &small, &sizes].concat());
        assert!(said.contains("epoch 6/6"), "{name}: {said}");
        found += 1;
    }
    assert_eq!(found, 4, "a recipe for each of the README's");
}
