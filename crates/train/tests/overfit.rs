//! The first thing to try with a new model: it learns one batch by heart.

use cresset_nn::ModuleExt;
use cresset_nn::loss::cross_entropy;
use cresset_nn::optim::{Optimizer, Sgd, SgdOptions};
use cresset_tensor::{Generator, Tensor};
use cresset_vision::models::{self, ModelConfig};

#[test]
fn resnet18_learns_one_batch_of_noise_by_heart() {
    let entry = models::find("resnet18").unwrap();
    let config = ModelConfig { input_size: (32, 32), num_classes: 10, ..entry.default_config() };
    let rng = &mut Generator::new(0);
    let model = entry.build(&config, rng).unwrap();
    let images = Tensor::randn([10, 3, 32, 32], rng);
    let labels = Tensor::from_i64((0..10).collect::<Vec<_>>(), [10]);
    let mut optimizer =
        Sgd::new(model.named_parameters(), SgdOptions { lr: 0.02, momentum: 0.9, ..Default::default() });
    let mut losses = Vec::new();
    for _ in 0..25 {
        optimizer.zero_grad();
        let loss = cross_entropy(&model.forward(&images), &labels);
        loss.backward();
        optimizer.step();
        losses.push(loss.item());
    }
    assert!(losses[0] > 1.5, "it knew nothing: {losses:?}");
    assert!(losses[24] < 1e-3, "it knows everything: {losses:?}");
}
