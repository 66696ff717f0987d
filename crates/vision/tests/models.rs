//! Model families: torchvision's keys, counts, values and gradients; the paper's shapes.

use cresset_nn::loss::cross_entropy;
use cresset_nn::optim::{Optimizer, Sgd, SgdOptions};
use cresset_nn::{Layer, ModuleExt, Strictness};
use cresset_tensor::{Array, Generator, Leaf, Tensor, autocast, no_grad, trace};
use cresset_vision::models::{self, ModelConfig, ModelError};
use safetensors::SafeTensors;
use serde_json::Value;

fn build(name: &str) -> Box<dyn Layer> {
    let entry = models::find(name).unwrap();
    entry.build(&entry.default_config(), &mut Generator::new(0)).unwrap()
}

#[test]
fn keys_shapes_and_counts_are_torchvisions() {
    let golden: Value = serde_json::from_str(include_str!("golden/models/keys.json")).unwrap();
    for (name, expected) in golden.as_object().unwrap() {
        let model = build(name);
        let params = models::find(name).unwrap().params;
        assert_eq!(model.num_parameters(), params, "{name}");
        assert_eq!(params as u64, expected["parameters"].as_u64().unwrap(), "{name}");
        let found: Vec<String> = model
            .state_dict()
            .iter()
            .map(|(key, value)| {
                let sizes = value.shape().iter().map(|size| format!(" {size}"));
                std::iter::once(key.to_string()).chain(sizes).collect()
            })
            .collect();
        let expected = expected["entries"].as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        found.iter().zip(expected).for_each(|(f, e)| assert_eq!(f, e, "{name}"));
    }
}

/// Number `i` of the tensor at `place` of the state dict, and what becomes of it: see golden/models/formula.py.
fn formula(place: usize, key: &str, shape: &[usize]) -> Array {
    let offset = 0x9E37_79B9_u32.wrapping_mul(place as u32 + 1);
    let uniform = |i: usize| {
        let mut h = (i as u32).wrapping_add(offset);
        h = (h ^ (h >> 16)).wrapping_mul(0x85EB_CA6B);
        h = (h ^ (h >> 13)).wrapping_mul(0xC2B2_AE35);
        h ^= h >> 16;
        (h >> 8) as f32 * 2f32.powi(-24)
    };
    let fan_in = shape.iter().skip(1).product::<usize>() as f64;
    let bound = (6.0 / fan_in).sqrt() as f32;
    let fc_bound = (0.25 / fan_in.sqrt()) as f32;
    let value = |i: usize| {
        let u = uniform(i);
        let s = u * 2.0 - 1.0;
        match shape.len() {
            _ if key == "images" => 2.0 * s,
            4 => bound * s,
            2 => fc_bound * s,
            _ if key == "fc.bias" || key.ends_with("running_mean") => 0.1 * s,
            _ if key.ends_with("running_var") => 0.5 + u,
            _ if key.ends_with("weight") => 0.5 + 0.5 * u,
            _ => s + 3f32.copysign(s),
        }
    };
    Array::from_vec((0..shape.iter().product()).map(value).collect(), shape)
}

/// Euclidean norm, and the entries at j * size / 8 in row-major order.
fn summary(array: &Array) -> (f64, Vec<f32>) {
    let values = array.to_vec();
    let norm = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    (norm, (0..8).map(|j| values[j * values.len() / 8]).collect())
}

struct Golden<'a> {
    file: SafeTensors<'a>,
    model: Value,
}

impl<'a> Golden<'a> {
    fn open(bytes: &'a [u8]) -> Self {
        let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
        let model = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["model"]).unwrap();
        Self { file: SafeTensors::deserialize(bytes).unwrap(), model }
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let view = self.file.tensor(name).unwrap();
        match view.dtype() {
            safetensors::Dtype::F64 => {
                view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
            }
            _ => {
                let float = |b: &[u8]| f64::from(f32::from_le_bytes(b.try_into().unwrap()));
                view.data().chunks_exact(4).map(float).collect()
            }
        }
    }

    fn names(&self, list: &str) -> Vec<String> {
        self.model[list].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect()
    }

    /// The model with the weights of formula.py.
    fn model(&self) -> Box<dyn Layer> {
        let model = build(self.model["model"].as_str().unwrap());
        let mut state = model.state_dict();
        for (place, (key, value)) in state.iter_mut().enumerate() {
            if !key.ends_with("num_batches_tracked") {
                *value = formula(place, key, value.shape());
            }
        }
        model.load_state_dict(&state, Strictness::Strict).unwrap();
        model
    }

    fn optimizer(&self, model: &dyn Layer) -> Sgd {
        let number = |key: &str| self.model[key].as_f64().unwrap();
        let options = SgdOptions {
            lr: number("lr"),
            momentum: number("momentum"),
            weight_decay: number("weight_decay"),
            ..Default::default()
        };
        Sgd::new(model.named_parameters(), options)
    }

    /// Compares norm and samples of tensors, relative to each tensor's norm, but not to less than `floor` of the
    /// largest norm: what is below it is rounding (the gradient of a shift that the next norm takes away).
    fn compare(&self, kind: &str, found: &[Array], names: &[String], tolerance: f64, floor: f64) {
        let norms = self.numbers(&format!("{kind}_norm"));
        let samples = self.numbers(&format!("{kind}_samples"));
        let floor = floor * norms.iter().copied().fold(0.0, f64::max);
        assert_eq!(norms.len(), found.len(), "{kind}");
        let mut worst = (0.0, String::new());
        for (i, array) in found.iter().enumerate() {
            let (norm, sampled) = summary(array);
            let scale = norms[i].max(floor).max(1e-30);
            let mut error = (norm - norms[i]).abs() / scale;
            for (found, expected) in sampled.iter().zip(&samples[8 * i..]) {
                error = error.max((f64::from(*found) - expected).abs() / scale);
            }
            if error > worst.0 {
                worst = (error, names[i].clone());
            }
        }
        println!("{}: {kind}: {:.1e} ({})", self.model["model"], worst.0, worst.1);
        assert!(worst.0 <= tolerance, "{kind} of {} is off by {:.1e}", worst.1, worst.0);
    }

    fn compare_all(&self, kind: &str, found: &[f32], tolerance: f64) {
        let expected = self.numbers(kind);
        let norm = expected.iter().map(|e| e * e).sum::<f64>().sqrt();
        let difference = found.iter().zip(&expected).map(|(f, e)| (f64::from(*f) - e).powi(2)).sum::<f64>();
        let error = difference.sqrt() / norm;
        println!("{}: {kind}: {error:.1e}", self.model["model"]);
        assert!(found.len() == expected.len() && error <= tolerance, "{kind} is off by {error:.1e}");
    }
}

/// The images and labels of formula.py.
fn batch() -> (Tensor, Tensor) {
    (Tensor::constant(formula(65536, "images", &[2, 3, 64, 64])), Tensor::from_i64([3, 7], [2]))
}

/// The relative error of PyTorch's autocast: see golden/models/make_bfloat16.py.
fn pytorchs_bfloat16(kind: &str) -> f64 {
    let pytorch: Value = serde_json::from_str(include_str!("golden/models/bfloat16.json")).unwrap();
    pytorch["errors"][kind].as_f64().unwrap()
}

/// Five losses in bfloat16 are about as close to float64 as PyTorch's autocast gets (half as much again may be chance: the
/// last norms see eight numbers a channel).
#[test]
fn mixed_precision_trains_as_pytorchs() {
    let golden = Golden::open(include_bytes!("golden/models/resnet18.safetensors"));
    let mut model = golden.model();
    model.train();
    let ((images, labels), mut optimizer) = (batch(), golden.optimizer(&*model));
    let mut losses = Vec::new();
    for _ in 0..5 {
        optimizer.zero_grad();
        let loss = cross_entropy(&autocast(true, || model.forward(&images)), &labels);
        loss.backward();
        losses.push(loss.item());
        optimizer.step();
    }
    golden.compare_all("losses", &losses, 1.5 * pytorchs_bfloat16("losses"));
}

/// The first logits and gradients of other models and images of the same kind; against float32, which is far closer to
/// float64 than either.
#[test]
fn mixed_precision_rounds_as_pytorchs() {
    const SEEDS: u64 = 3;
    let relative = |found: &[f32], truth: &[f32]| {
        let norm = |numbers: &mut dyn Iterator<Item = f32>| {
            numbers.map(|n| f64::from(n).powi(2)).sum::<f64>().sqrt()
        };
        norm(&mut found.iter().zip(truth).map(|(f, t)| f - t)) / norm(&mut truth.iter().copied())
    };
    let entry = models::find("resnet18").unwrap();
    let mut errors = [0.0; 2];
    for seed in 0..SEEDS {
        let mut rng = Generator::new(seed);
        let mut model = entry.build(&entry.default_config(), &mut rng).unwrap();
        model.train();
        let images = Tensor::constant(rng.fill([8, 3, 64, 64], |rng| rng.normal()));
        let labels = Tensor::from_i64((0..8).map(|i| 7 * i).collect::<Vec<_>>(), [8]);
        let [truth, found] = [false, true].map(|amp| {
            let logits = autocast(amp, || model.forward(&images));
            cross_entropy(&logits, &labels).backward();
            let take = |leaf: &Leaf| {
                let grad = leaf.grad().unwrap().to_vec();
                leaf.set_grad(None);
                grad
            };
            let grads: Vec<_> = model.parameters().iter().map(|p| take(p.leaf())).collect();
            (logits.to_vec(), grads)
        });
        let grads = found.1.iter().zip(&truth.1).map(|(found, truth)| relative(found, truth)).sum::<f64>();
        errors[0] += relative(&found.0, &truth.0) / SEEDS as f64;
        errors[1] += grads / truth.1.len() as f64 / SEEDS as f64;
    }
    for (kind, error) in ["first_logits", "first_gradients"].into_iter().zip(errors) {
        let pytorchs = pytorchs_bfloat16(kind);
        println!("{kind}: {error:.4}, PyTorch's {pytorchs:.4}");
        assert!(error <= 1.1 * pytorchs, "{kind} are off by {error:.4}, PyTorch's by {pytorchs:.4}");
    }
}

/// Logits, gradients, running statistics and five steps of SGD against PyTorch in float64. Each tensor's relative
/// error is at most `tolerance`.
fn agrees_with_pytorch(bytes: &[u8], tolerance: f64) {
    let golden = Golden::open(bytes);
    let mut model = golden.model();
    let (images, labels) = batch();

    model.eval();
    let logits = no_grad(|| model.forward(&images));
    golden.compare_all("eval_logits", &logits.to_vec(), tolerance);
    // Fused and folded in evaluation, not so with gradients: both are PyTorch's.
    golden.compare_all("eval_logits", &model.forward(&images).to_vec(), tolerance);

    model.train();
    let names = golden.names("parameters");
    let running_names = golden.names("running");
    let parameters = model.parameters();
    let running = |model: &dyn Layer| -> Vec<Array> {
        let state = model.state_dict();
        running_names.iter().map(|name| state[name.as_str()].clone()).collect()
    };
    let before: Vec<Array> = parameters.iter().map(|p| p.array()).collect();
    let mut optimizer = golden.optimizer(&*model);
    let mut losses = Vec::new();
    for step in 0..5 {
        optimizer.zero_grad();
        let logits = model.forward(&images);
        let loss = cross_entropy(&logits, &labels);
        loss.backward();
        losses.push(loss.item());
        if step == 0 {
            golden.compare_all("train_logits", &logits.to_vec(), tolerance);
            let grads: Vec<Array> = parameters.iter().map(|p| p.grad().unwrap()).collect();
            golden.compare("grad", &grads, &names, tolerance, 1e-5);
            golden.compare("running", &running(&*model), &running_names, tolerance, 0.0);
        }
        optimizer.step();
    }
    golden.compare_all("losses", &losses, tolerance);
    let mut after: Vec<Array> = parameters.iter().map(|p| p.array()).collect();
    let updates: Vec<Array> =
        after.iter().zip(&before).map(|(a, b)| a.clone().zip_with(b, |a, b| a - b)).collect();
    after.extend(running(&*model));
    let all_names = [names.clone(), running_names].concat();
    golden.compare("after", &after, &all_names, tolerance, 0.0);
    // A small change of a large weight is mostly rounding of the weight: PyTorch's own float32 is off by 0.04 to 0.11.
    golden.compare("update", &updates, &names, 0.1, 1e-5);
}

#[test]
fn resnet18_agrees_with_pytorch() {
    agrees_with_pytorch(include_bytes!("golden/models/resnet18.safetensors"), 1e-4);
}

#[test]
fn resnet50_agrees_with_pytorch() {
    agrees_with_pytorch(include_bytes!("golden/models/resnet50.safetensors"), 1e-4);
}

/// One near-tie in the stem's max pooling is decided by rounding: with plain code 1.3e-5 is reached, with AVX2 2e-4.
#[test]
fn resnext50_agrees_with_pytorch() {
    agrees_with_pytorch(include_bytes!("golden/models/resnext50_32x4d.safetensors"), 5e-4);
}

#[test]
fn every_model_has_its_parameters_and_output() {
    for entry in models::list().iter().filter(|e| !e.name.contains("101") && !e.name.contains("152")) {
        let model = build(entry.name);
        assert_eq!(model.num_parameters(), entry.params, "{}", entry.name);
        let run = trace::dry_run([2, entry.input[0], entry.input[1], entry.input[2]], |x| model.forward(x));
        assert_eq!(run.unwrap().output, [2, entry.num_classes], "{}", entry.name);
    }
}

/// He et al. 2016a, table 1: output sizes of every stage; about 1.8, 3.6 and 3.8 billion multiply-adds (the last is
/// 4.1 with the stride on the 3x3).
#[test]
fn stages_have_the_papers_shapes() {
    let cases = [
        ("resnet18", 64, "1.bn2", 1.814e9),
        ("resnet34", 64, "2.bn2", 3.664e9),
        ("resnet50", 256, "2.bn3", 4.089e9),
    ];
    for (name, channels, last, macs) in cases {
        let model = build(name);
        let run = trace::dry_run([1, 3, 224, 224], |x| model.forward(x)).unwrap();
        let output = |layer: &str| &run.layers.iter().find(|l| l.name == layer).expect(layer).output;
        assert_eq!(*output("conv1"), [1, 64, 112, 112]);
        assert_eq!(*output("maxpool"), [1, 64, 56, 56]);
        assert_eq!(*output(&format!("layer1.{last}")), [1, channels, 56, 56]);
        assert_eq!(*output("layer2.0.conv2"), [1, 128, 28, 28]);
        assert_eq!(*output("layer3.0.conv2"), [1, 256, 14, 14]);
        assert_eq!(*output("layer4.0.conv2"), [1, 512, 7, 7]);
        assert_eq!(run.output, [1, 1000]);
        let total: u64 = run.layers.iter().map(|l| l.macs).sum();
        assert!((total as f64 / macs - 1.0).abs() < 0.001, "{name}: {total} multiply-accumulates");
    }
}

#[test]
fn any_resolution_and_channels_work() {
    let mut rng = Generator::new(0);
    let config = ModelConfig {
        in_channels: 1,
        input_size: (33, 65),
        ..models::find("resnet18").unwrap().default_config()
    };
    let model =
        models::create("resnet18", &ModelConfig { num_classes: 7, ..config.clone() }, &mut rng).unwrap();
    let y = model.forward(&Tensor::zeros([2, 1, 33, 65]));
    assert_eq!(*y.shape(), [2, 7]);
    let cnn = models::create("cnn", &ModelConfig { num_classes: 3, ..config }, &mut rng).unwrap();
    assert_eq!(*cnn.forward(&Tensor::zeros([1, 1, 33, 65])).shape(), [1, 3]);
}

#[test]
fn what_cannot_be_built_is_refused_by_name() {
    let mut rng = Generator::new(0);
    let config = models::find("cnn").unwrap().default_config();
    let message = |name: &str, config: ModelConfig, rng: &mut Generator| -> String {
        models::create(name, &config, rng).err().unwrap().to_string()
    };
    assert_eq!(
        message("resnet19", config.clone(), &mut rng),
        "there is no model \"resnet19\": did you mean \"resnet18\"?; `cresset models` lists them"
    );
    assert!(matches!(
        models::create("cnn", &ModelConfig { num_classes: 0, ..config.clone() }, &mut rng),
        Err(ModelError::Zero { what: "the number of classes", .. })
    ));
    let small = message("cnn", ModelConfig { input_size: (3, 28), ..config }, &mut rng);
    assert!(small.starts_with("model cnn does not work on 1x3x28 images: max_pool2d: "), "{small}");
}

#[test]
fn dropout_is_before_the_last_layer_of_every_model_and_only_in_training() {
    for name in ["cnn", "cifar_resnet20", "cifar_resnet18", "preact_resnet18"] {
        let entry = models::find(name).unwrap();
        let small = ModelConfig { num_classes: 3, input_size: (32, 32), ..entry.default_config() };
        let mut model =
            entry.build(&ModelConfig { dropout: 0.5, ..small.clone() }, &mut Generator::new(0)).unwrap();
        let mut plain = entry.build(&small, &mut Generator::new(0)).unwrap();
        assert!(model.state_dict().keys().eq(plain.state_dict().keys()), "{name}: dropout has no state");
        let x = Tensor::ones([2, small.in_channels, 32, 32]);
        model.eval();
        plain.eval();
        let expected = plain.forward(&x).to_vec();
        assert_eq!(model.forward(&x).to_vec(), expected, "{name}");
        model.train();
        let first = model.forward(&x).to_vec();
        assert!(first.iter().all(|v| v.is_finite()) && first != model.forward(&x).to_vec(), "{name}");
    }
    let mut config = models::find("cnn").unwrap().default_config();
    for bad in [1.0, -0.1, f32::NAN] {
        config.dropout = bad;
        let error = models::create("cnn", &config, &mut Generator::new(0)).err().unwrap().to_string();
        assert!(error.contains("dropout must be from 0"), "{error}");
    }
}

#[test]
fn residual_branches_start_at_zero_if_asked() {
    let entry = models::find("resnet50").unwrap();
    let mut config = ModelConfig { num_classes: 2, input_size: (32, 32), ..entry.default_config() };
    config.init.zero_init_residual = true;
    let model = entry.build(&config, &mut Generator::new(0)).unwrap();
    let state = model.state_dict();
    for (key, value) in state.iter().filter(|(key, _)| key.ends_with(".weight") && key.contains(".bn")) {
        let expected = if key.ends_with("bn3.weight") { 0.0 } else { 1.0 };
        assert!(value.to_vec().iter().all(|&v| v == expected), "{key}");
    }
}
