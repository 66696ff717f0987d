//! Wrong input: one line that says what and how to go on, a status that is not zero, and nothing left behind.

mod common;

use common::{error, listing, stdout};
use std::fs;
use std::io::Write;
use std::path::Path;

/// The train or test files of an MNIST of a few blank pictures.
fn write_mnist(folder: &Path, prefix: &str, images: usize) {
    fs::create_dir_all(folder).unwrap();
    let header = |magic: u32, sizes: &[usize]| {
        let mut bytes = magic.to_be_bytes().to_vec();
        sizes.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
        bytes
    };
    let mut pixels = header(0x803, &[images, 28, 28]);
    pixels.resize(pixels.len() + images * 784, 9);
    fs::write(folder.join(format!("{prefix}-images-idx3-ubyte")), pixels).unwrap();
    let mut labels = header(0x801, &[images]);
    labels.extend((0..images).map(|i| (i % 10) as u8));
    fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte")), labels).unwrap();
}

/// A training that must fail with each of `parts` in its message, and write nothing.
fn refused(folder: &Path, words: &[&str], parts: &[&str]) {
    let before = listing(folder);
    let (status, text) = error(folder, words);
    assert!(status == 1 || status == 2, "{words:?} ended with {status}");
    for part in parts {
        assert!(text.contains(part), "{words:?}: {part:?} is missing in {text:?}");
    }
    assert_eq!(listing(folder), before, "{words:?} left something behind");
}

const TRAIN: [&str; 8] =
    ["train", "--data", "mnist", "--data-dir", "data", "--no-download", "--output-dir", "run"];

#[test]
fn idx_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    refused(folder, &TRAIN, &["train-images-idx3-ubyte", "data"]);
    let data = folder.join("data");
    write_mnist(&data, "train", 40);
    refused(folder, &TRAIN, &["t10k-images-idx3-ubyte"]);
    write_mnist(&data, "t10k", 20);
    stdout(folder, &[&TRAIN[..6], &["--epochs", "1", "--output-dir", "fine"]].concat());

    let images = data.join("train-images-idx3-ubyte");
    let good = fs::read(&images).unwrap();
    fs::write(&images, &good[..good.len() - 100]).unwrap();
    refused(folder, &TRAIN, &["train-images-idx3-ubyte"]);
    fs::write(&images, &good[..7]).unwrap();
    refused(folder, &TRAIN, &["train-images-idx3-ubyte"]);
    fs::write(&images, b"this is no IDX file at all").unwrap();
    refused(folder, &TRAIN, &["train-images-idx3-ubyte"]);
    fs::write(&images, &good).unwrap();

    // Labels where images should be, labels of another split, a label that is no class.
    let labels = data.join("train-labels-idx1-ubyte");
    let good_labels = fs::read(&labels).unwrap();
    fs::copy(&labels, &images).unwrap();
    refused(folder, &TRAIN, &["train-images-idx3-ubyte"]);
    fs::write(&images, &good).unwrap();
    fs::copy(data.join("t10k-labels-idx1-ubyte"), &labels).unwrap();
    refused(folder, &TRAIN, &["20 labels", "40 images"]);
    let mut wrong = good_labels.clone();
    *wrong.last_mut().unwrap() = 77;
    fs::write(&labels, wrong).unwrap();
    refused(folder, &TRAIN, &["label 77"]);
}

#[test]
fn images_and_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    stdout(folder, &["train", "--epochs", "1", "--output-dir", "run"]);
    let weights = "run/best.safetensors";
    fs::write(folder.join("text.png"), "this is no picture").unwrap();
    fs::File::create(folder.join("empty.jpg")).unwrap();
    let predict = |image: &'static str| ["predict", "--weights", weights, image, "--json"];
    refused(folder, &predict("text.png"), &["text.png"]);
    refused(folder, &predict("empty.jpg"), &["empty.jpg", "empty"]);
    refused(folder, &predict("nowhere.png"), &["nowhere.png"]);
    refused(folder, &predict("run"), &["run"]);

    refused(folder, &["predict", "--weights", "text.png", "x.png"], &["text.png"]);
    let mut damaged = fs::read(folder.join(weights)).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 4;
    fs::File::create(folder.join("damaged.safetensors")).unwrap().write_all(&damaged).unwrap();
    refused(folder, &["eval", "--weights", "damaged.safetensors"], &["damaged.safetensors", "checksum"]);
    fs::write(folder.join("cut.safetensors"), &damaged[..1000]).unwrap();
    refused(folder, &["eval", "--weights", "cut.safetensors"], &["cut.safetensors"]);

    // Weights of another model, and of other classes.
    let other = ["train", "--model", "cifar_resnet20", "--weights", weights, "--output-dir", "other"];
    refused(folder, &other, &["best.safetensors", "another model"]);
    write_mnist(&folder.join("data/FashionMNIST/raw"), "t10k", 20);
    write_mnist(&folder.join("data/FashionMNIST/raw"), "train", 20);
    let fashion = ["eval", "--weights", weights, "--data", "fashion-mnist"];
    refused(folder, &fashion, &["0, 1, 2", "T-shirt/top"]);
    refused(folder, &["train", "--resume", weights], &["no training state"]);
}

#[test]
fn flags_and_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let train = |words: &[&'static str]| [&["train", "--output-dir", "run"], words].concat();
    for (words, part) in [
        (&["--batch-size", "0"][..], "--batch-size is 0, allowed: whole numbers from 1 to"),
        (&["--lr", "nan"], "--lr is NaN, allowed: finite numbers above 0"),
        (&["--lr", "inf"], "--lr is inf"),
        (&["--weight-decay", "-1"], "--weight-decay is -1"),
        (&["--epochs", "0"], "--epochs is 0"),
        (&["--grad-accum-steps", "0"], "--grad-accum-steps is 0"),
        (&["--clip-grad-norm", "0"], "--clip-grad-norm is 0"),
        (&["--label-smoothing", "1"], "--label-smoothing is 1"),
        (&["--seed", "18446744073709551615"], "--seed is"),
        (&["--workers", "100000"], "--workers is 100000"),
        (&["--checkpoint-every", "0m"], "'0m' for '--checkpoint-every"),
        (&["--keep", "0"], "--keep is 0"),
        (&["--max-steps", "0"], "--max-steps is 0"),
        (&["--dropout", "1"], "--dropout is 1"),
        (&["--weights", "nowhere.pth"], "nowhere.pth"),
    ] {
        refused(folder, &train(words), &[part]);
    }
    fs::write(folder.join("run.toml"), "lr = 0.1\nbatchsize = 3\n").unwrap();
    refused(folder, &train(&["-c", "run.toml"]), &["run.toml", "batchsize", "\"batch-size\""]);
    fs::write(folder.join("run.toml"), "lr = [").unwrap();
    refused(folder, &train(&["-c", "run.toml"]), &["run.toml", "line 1"]);
    fs::write(folder.join("run.toml"), "batch-size = 0").unwrap();
    refused(folder, &train(&["-c", "run.toml"]), &["--batch-size is 0"]);

    fs::write(folder.join("file"), "").unwrap();
    refused(folder, &["train", "--output-dir", "file/run"], &["file/run"]);
}

#[test]
fn a_training_that_explodes_stops_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let output = common::run(folder.path(), &["train", "--lr", "1e30", "--output-dir", "run"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.starts_with("error: the training loss is") && text.lines().count() == 1, "{text}");
    assert!(text.contains("--clip-grad-norm"), "{text}");
    assert!(!folder.path().join("run/last.safetensors").exists(), "nothing worth keeping was made");
}
