//! Numbers that go wrong end the training within one step, and the error says where.

mod common;

use common::{loader, preprocessing, shuffled};
use cresset_nn::optim::{Sgd, SgdOptions};
use cresset_nn::{Conv2d, Forward, Layer, Linear, Module, ModuleExt};
use cresset_tensor::{Generator, Tensor};
use cresset_train::checkpoint::ModelCard;
use cresset_train::{Observer, TrainOptions, Trainer};

/// A model that can be broken in every place.
#[derive(Module, Clone)]
struct Breakable {
    conv: Conv2d,
    fc: Linear,
    #[module(skip)]
    middle: fn(&Tensor) -> Tensor,
}

impl Forward for Breakable {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = (self.middle)(&self.conv.forward(x));
        self.fc.forward(&x.max_pool2d(7).flatten(1))
    }
}

struct Quiet;
impl Observer for Quiet {}

/// How a training ends whose model is broken like this.
fn error(middle: fn(&Tensor) -> Tensor, weight: f32, lr: f64, detect_anomaly: bool) -> String {
    let rng = &mut Generator::new(0);
    let model = Breakable {
        conv: Conv2d::builder(1, 2, 3).padding(1).build(rng),
        fc: Linear::new(2 * 16, 10, rng),
        middle,
    };
    if weight != 0.0 {
        model.fc.weight.set(model.fc.weight.array().map(|_| weight));
    }
    let data = loader(64, shuffled(16, 0));
    let card = ModelCard::new("cnn", data.dataset().classes().to_vec(), preprocessing());
    let optimizer = Sgd::new(model.named_parameters(), SgdOptions { lr, ..Default::default() });
    let options = TrainOptions { epochs: 2, detect_anomaly, ..Default::default() };
    let model: Box<dyn Layer> = Box::new(model);
    let mut trainer = Trainer::new(model, Box::new(optimizer), (data.clone(), data), card, options).unwrap();
    let error = trainer.fit(&mut Quiet).unwrap_err().to_string();
    assert!(trainer.progress().step <= 2, "{error} came late");
    error
}

#[test]
fn the_first_op_is_named() {
    for detect in [false, true] {
        let forward = error(|x| (x - 1e6).sqrt(), 0.0, 0.01, detect);
        assert!(forward.contains("NaN in sqrt (forward)") && forward.contains("batch 1"), "{forward}");
        // Zero has a root, but its slope is infinite; times the zero that ReLU hands back it is NaN.
        let backward = error(|x| (x * 0.0).sqrt(), 0.0, 0.01, detect);
        assert!(backward.contains("(backward)") || backward.contains("sqrt, backward"), "{backward}");
        let weights = error(|x| x.relu(), f32::NAN, 0.01, detect);
        assert!(weights.contains("NaN in the weights of fc.weight"), "{weights}");
    }
    let exploded = error(|x| x.relu(), 0.0, 1e30, false);
    assert!(exploded.contains("in epoch 1, batch 2") && exploded.contains("--lr"), "{exploded}");
}

#[test]
fn what_cancels_out_is_only_found_on_request() {
    // An infinity that a later minimum hides.
    let hidden = |x: &Tensor| (x * 0.0 + 100.0).exp().clamp(0.0, 1.0) + x.relu();
    let found = error(hidden, 0.0, 0.01, true);
    assert!(found.contains("infinity in exp (forward)"), "{found}");
}
