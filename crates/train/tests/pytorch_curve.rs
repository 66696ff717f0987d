//! The first 100 steps of the small CNN on MNIST, against PyTorch from the same weights in the same batch order.
//!
//! Needs the MNIST files in `$CRESSET_DATA/mnist` or `../shared/data/mnist` beside the checkout.

use cresset_nn::optim::{Optimizer, Sgd, SgdOptions};
use cresset_nn::{Forward, ModuleExt, StateDict, Strictness, weights};
use cresset_tensor::ops::{CrossEntropyOptions, cross_entropy};
use cresset_tensor::{Generator, Tensor};
use cresset_vision::datasets::download::Fetch;
use cresset_vision::datasets::mnist::MNIST;
use cresset_vision::datasets::{Dataset, Split};
use cresset_vision::models;
use cresset_vision::random::{Purpose, SampleRng};
use cresset_vision::transforms::{Compose, Normalize};
use std::path::{Path, PathBuf};

fn data() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = std::env::var_os("CRESSET_DATA").map_or(repository.join("../shared/data"), PathBuf::from);
    let folder = root.join("mnist");
    folder.is_dir().then_some(folder)
}

#[test]
fn losses_follow_pytorch_for_100_steps() {
    let Some(folder) = data() else { return println!("skipped: no MNIST files") };
    let mnist = MNIST.load(&folder, Split::Train, &Fetch::default()).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cnn_curve.safetensors");
    let weights::Weights { tensors, metadata } = weights::load(golden).unwrap();
    let curve: serde_json::Value = serde_json::from_str(&metadata["curve"]).unwrap();
    let number = |key: &str| curve[key].as_f64().unwrap();

    let init: StateDict = tensors
        .iter()
        .filter_map(|(name, array)| Some((name.strip_prefix("init/")?.to_owned(), array.clone())))
        .collect();
    let config = models::find("cnn").unwrap().default_config();
    let model = models::create("cnn", &config, &mut Generator::new(0)).unwrap();
    model.load_state_dict(&init, Strictness::Strict).unwrap();
    let options = SgdOptions { lr: number("lr"), momentum: number("momentum"), ..Default::default() };
    let mut optimizer = Sgd::new(model.named_parameters(), options);

    let normalize = Normalize::new(&[number("mean") as f32], &[number("std") as f32]).unwrap();
    let pipeline = Compose::new().to_tensor().then(normalize);
    let order = tensors["order"].to_vec_i64();
    let expected = tensors["loss"].to_vec();
    let batch = number("batch") as usize;
    let mut worst: f64 = 0.0;
    for (step, indices) in order.chunks(batch).enumerate() {
        let mut pixels = Vec::new();
        let mut labels = Vec::new();
        for &index in indices {
            let sample = mnist.sample(index as usize).unwrap();
            let mut rng = SampleRng::new(0, Purpose::Augment, 0, 0);
            pipeline.apply(sample.image, &mut rng, &mut pixels).unwrap();
            labels.push(sample.label);
        }
        let images = Tensor::from_channels_last(pixels, [batch, 1, 28, 28]);
        optimizer.zero_grad();
        let logits = model.forward(&images);
        let loss =
            cross_entropy(&logits, &Tensor::from_i64(labels, [batch]), &CrossEntropyOptions::default());
        loss.backward();
        optimizer.step();
        let (found, expected) = (f64::from(loss.item()), f64::from(expected[step]));
        let error = (found - expected).abs() / expected;
        assert!(error <= 1e-4, "step {step}: loss {found}, PyTorch has {expected}");
        worst = worst.max(error);
    }
    println!("100 losses within {worst:.1e} of PyTorch's");
    for (name, param) in model.named_parameters() {
        let norm = param.array().to_vec().iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let expected = curve["final"][&name]["norm"].as_f64().unwrap();
        assert!((norm - expected).abs() <= 1e-4 * expected, "{name}: norm {norm}, PyTorch has {expected}");
    }
}
