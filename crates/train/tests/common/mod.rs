//! A small data set, a small model, and how to train it.
#![allow(dead_code, reason = "not every test uses every helper")]

use cresset_nn::optim::{Optimizer, Sgd, SgdOptions};
use cresset_nn::{BatchNorm2d, Conv2d, Dropout, Forward, Layer, Linear, Module, ModuleExt, StateDict};
use cresset_tensor::{Generator, Tensor};
use cresset_train::checkpoint::{ModelCard, Preprocessing};
use cresset_train::{TrainOptions, Trainer};
use cresset_vision::datasets::{Dataset, InMemory, Split, digits};
use cresset_vision::loader::{DataLoader, LoaderOptions};
use std::path::Path;
use std::sync::Arc;

/// The first `n` digits.
pub fn some_digits(n: usize, split: Split) -> Arc<InMemory> {
    let all = digits::load(split).unwrap();
    let pixels = all.pixels()[..n * 28 * 28].to_vec();
    let labels = all.labels()[..n].to_vec();
    let source = Path::new("digits");
    Arc::new(InMemory::new("digits", all.classes().to_vec(), [28, 28, 1], pixels, labels, source).unwrap())
}

pub fn preprocessing() -> Preprocessing {
    Preprocessing { input: [1, 28, 28], mean: vec![0.3], std: vec![0.35], resize: None }
}

/// A loader of the first `n` training digits.
pub fn loader(n: usize, options: LoaderOptions) -> DataLoader {
    DataLoader::new(some_digits(n, Split::Train), preprocessing().pipeline().unwrap(), options).unwrap()
}

pub fn shuffled(batch_size: usize, workers: usize) -> LoaderOptions {
    LoaderOptions { batch_size, workers, shuffle: true, seed: 5, ..Default::default() }
}

/// Everything that could make a resumed run differ: dropout, running statistics, momentum.
#[derive(Module, Clone)]
pub struct Small {
    conv: Conv2d,
    bn: BatchNorm2d,
    dropout: Dropout,
    fc: Linear,
}

impl Small {
    pub fn new(seed: u64) -> Self {
        let rng = &mut Generator::new(seed);
        Self {
            conv: Conv2d::builder(1, 4, 3).stride(2).padding(1).build(rng),
            bn: BatchNorm2d::new(4),
            dropout: Dropout::new(0.2),
            fc: Linear::new(4 * 7 * 7, 10, rng),
        }
    }
}

impl Forward for Small {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.bn.forward(&self.conv.forward(x)).relu().max_pool2d(2);
        self.fc.forward(&self.dropout.forward(&x.flatten(1)))
    }
}

/// A model whose gradient of a batch is the mean over its images: no batch norm, no dropout.
#[derive(Module, Clone)]
pub struct Plain {
    conv: Conv2d,
    fc: Linear,
}

impl Plain {
    pub fn new(seed: u64) -> Self {
        let rng = &mut Generator::new(seed);
        Self {
            conv: Conv2d::builder(1, 4, 3).stride(2).padding(1).build(rng),
            fc: Linear::new(4 * 7 * 7, 10, rng),
        }
    }
}

impl Forward for Plain {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.fc.forward(&self.conv.forward(x).relu().max_pool2d(2).flatten(1))
    }
}

/// A trainer with SGD and momentum.
pub fn trainer(model: Box<dyn Layer>, train: DataLoader, options: TrainOptions) -> Trainer {
    let sgd = SgdOptions { lr: 0.05, momentum: 0.9, weight_decay: 1e-3, ..Default::default() };
    let optimizer: Box<dyn Optimizer> = Box::new(Sgd::new(model.named_parameters(), sgd));
    let val = DataLoader::new(
        some_digits(60, Split::Test),
        preprocessing().pipeline().unwrap(),
        LoaderOptions { batch_size: 25, ..Default::default() },
    )
    .unwrap();
    let card = ModelCard::new("small", train.dataset().classes().to_vec(), preprocessing());
    Trainer::new(model, optimizer, (train, val), card, options).unwrap()
}

/// Every number of a state, as bits.
pub fn bits(state: &StateDict) -> Vec<(String, Vec<u64>)> {
    state
        .iter()
        .map(|(name, array)| {
            let bits = match array.dtype() {
                cresset_tensor::DType::F32 => array.to_vec().iter().map(|v| u64::from(v.to_bits())).collect(),
                _ => array.to_vec_i64().iter().map(|&v| v as u64).collect(),
            };
            (name.clone(), bits)
        })
        .collect()
}

/// The largest difference between two states, relative to the largest value of each tensor.
pub fn distance(a: &StateDict, b: &StateDict) -> f32 {
    assert!(a.keys().eq(b.keys()));
    let one = |(a, b): (&cresset_tensor::Array, &cresset_tensor::Array)| {
        let (a, b) = (a.to_vec(), b.to_vec());
        let scale = a.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
        a.iter().zip(&b).fold(0.0, |m: f32, (x, y)| m.max((x - y).abs() / scale))
    };
    a.values().zip(b.values()).map(one).fold(0.0, f32::max)
}
