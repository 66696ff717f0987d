//! `cresset train --weights`: what is kept, frozen and learned faster.

mod common;

use common::{TRAIN, error, stdout, write_folder};
use std::fs;

#[test]
fn fine_tuning_keeps_all_but_the_classifier() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), 4, 36);
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
