//! Every layer against PyTorch, forward and backward, in training and in evaluation
//! (`golden/make_modules.py` says what the file holds).

use cresset_nn::*;
use cresset_tensor::{Array, DType, Generator, Tensor};
use serde_json::Value;

/// The CNN of the examples.
#[derive(Module, Clone)]
struct Cnn {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

impl Cnn {
    fn new(channels: [usize; 2], image: usize, hidden: usize, classes: usize) -> Self {
        let rng = &mut Generator::new(0);
        let [first, second] = channels;
        Self {
            conv1: Conv2d::builder(1, first, 3).padding(1).build(rng),
            conv2: Conv2d::builder(first, second, 3).padding(1).build(rng),
            fc1: Linear::new(second * (image / 4) * (image / 4), hidden, rng),
            fc2: Linear::new(hidden, classes, rng),
        }
    }
}

impl Forward for Cnn {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.conv1.forward(x).relu().max_pool2d(2);
        let x = self.conv2.forward(&x).relu().max_pool2d(2);
        let x = self.fc1.forward(&x.flatten(1)).relu();
        self.fc2.forward(&x)
    }
}

fn nested() -> Sequential {
    let rng = &mut Generator::new(0);
    Sequential::new()
        .add(
            Sequential::new()
                .add(Conv2d::builder(2, 4, 3).padding(1).build(rng))
                .add(BatchNorm2d::new(4))
                .add(ReLU::new()),
        )
        .add(
            Sequential::new()
                .add(Conv2d::builder(4, 4, 3).stride(2).groups(2).bias(false).build(rng))
                .add(BatchNorm2d::builder(4).affine(false).build())
                .add(MaxPool2d::new(2)),
        )
        .add(AdaptiveAvgPool2d::new(1))
        .add(Flatten::new())
        .add(Dropout::new(0.0))
        .add(
            Sequential::new()
                .add(Linear::new(4, 6, rng))
                .add(BatchNorm1d::builder(6).momentum(None).build())
                .add(GELU::new())
                .add(Linear::new(6, 3, rng)),
        )
}

/// Arguments of a PyTorch constructor by name.
struct Args<'a>(&'a Value);

impl Args<'_> {
    fn number(&self, name: &str) -> Option<f32> {
        self.0[name].as_f64().map(|v| v as f32)
    }
    fn size(&self, name: &str) -> usize {
        self.0[name].as_u64().unwrap_or_else(|| panic!("no argument {name}")) as usize
    }
    fn flag(&self, name: &str, default: bool) -> bool {
        self.0[name].as_bool().unwrap_or(default)
    }
    fn pair(&self, name: &str, default: usize) -> [usize; 2] {
        match &self.0[name] {
            Value::Array(v) => [0, 1].map(|i| v[i].as_u64().unwrap() as usize),
            v => [v.as_u64().map_or(default, |v| v as usize); 2],
        }
    }
}

fn make(case: &str, class: &str, args: &Args) -> Box<dyn Layer> {
    let rng = &mut Generator::new(0);
    let kernel = || args.pair("kernel_size", 0);
    match class {
        "Conv2d" => {
            let padding = match args.0["padding"].as_str() {
                Some("same") => Padding::Same,
                _ => args.pair("padding", 0).into(),
            };
            Box::new(
                Conv2d::builder(args.size("in_channels"), args.size("out_channels"), kernel())
                    .stride(args.pair("stride", 1))
                    .padding(padding)
                    .dilation(args.pair("dilation", 1))
                    .groups(args.0["groups"].as_u64().unwrap_or(1) as usize)
                    .bias(args.flag("bias", true))
                    .build(rng),
            )
        }
        "Linear" => Box::new(
            Linear::builder(args.size("in_features"), args.size("out_features"))
                .bias(args.flag("bias", true))
                .build(rng),
        ),
        "BatchNorm1d" => Box::new(batch_norm::<1>(args)),
        "BatchNorm2d" => Box::new(batch_norm::<2>(args)),
        "Dropout" => Box::new(Dropout::new(args.number("p").unwrap())),
        "MaxPool2d" => Box::new(MaxPool2d::new(
            MaxPool2dOptions::new(kernel())
                .stride(args.pair("stride", kernel()[0]))
                .padding(args.pair("padding", 0))
                .dilation(args.pair("dilation", 1))
                .ceil_mode(args.flag("ceil_mode", false)),
        )),
        "AvgPool2d" => Box::new(AvgPool2d::new(
            AvgPool2dOptions::new(kernel())
                .stride(args.pair("stride", kernel()[0]))
                .padding(args.pair("padding", 0))
                .ceil_mode(args.flag("ceil_mode", false))
                .count_include_pad(args.flag("count_include_pad", true)),
        )),
        "AdaptiveAvgPool2d" => Box::new(AdaptiveAvgPool2d::new(args.pair("output_size", 1))),
        "AdaptiveMaxPool2d" => Box::new(AdaptiveMaxPool2d::new(args.pair("output_size", 1))),
        "ReLU" => Box::new(ReLU::new()),
        "LeakyReLU" => {
            Box::new(args.number("negative_slope").map_or_else(LeakyReLU::default, LeakyReLU::new))
        }
        "Sigmoid" => Box::new(Sigmoid::new()),
        "Tanh" => Box::new(Tanh::new()),
        "GELU" if args.0["approximate"] == "tanh" => Box::new(GELU::tanh()),
        "GELU" => Box::new(GELU::new()),
        "SiLU" => Box::new(SiLU::new()),
        "Softmax" => Box::new(Softmax::new(args.0["dim"].as_i64().unwrap() as isize)),
        "Flatten" if args.0["start_dim"].is_number() => Box::new(Flatten::dims(
            args.size("start_dim") as isize,
            args.0["end_dim"].as_i64().unwrap() as isize,
        )),
        "Flatten" => Box::new(Flatten::new()),
        "Identity" => Box::new(Identity::new()),
        "Sequential" if case == "nested" => Box::new(nested()),
        "Sequential" => Box::new(Sequential::new()),
        "CNN" if case == "cnn" => Box::new(Cnn::new([8, 16], 28, 128, 10)),
        "CNN" => Box::new(Cnn::new([2, 3], 8, 5, 4)),
        _ => panic!("no layer for {class} in case {case}"),
    }
}

fn batch_norm<const SPATIAL: usize>(args: &Args) -> BatchNorm<SPATIAL> {
    let momentum = match &args.0["momentum"] {
        Value::Null if args.0.get("momentum").is_some() => None,
        v => Some(v.as_f64().unwrap_or(0.1) as f32),
    };
    BatchNorm::builder(args.size("num_features"))
        .momentum(momentum)
        .eps(args.number("eps").unwrap_or(1e-5))
        .affine(args.flag("affine", true))
        .track_running_stats(args.flag("track_running_stats", true))
        .build()
}

/// The largest number, or 1 if all are smaller.
fn largest<'a>(arrays: impl Iterator<Item = &'a Array>) -> f32 {
    arrays.flat_map(|a| a.to_dtype(DType::F32).to_vec()).fold(1.0, |m, v| m.max(v.abs()))
}

/// Compares to an error of 1e-5 of `scale`.
fn assert_close(what: &str, found: &Array, expected: &Array, scale: f32) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let [found, expected] = [found, expected].map(|a| a.to_dtype(DType::F32).to_vec());
    for (f, e) in found.iter().zip(&expected) {
        assert!((f - e).abs() <= 1e-5 * scale, "{what}: found {f}, expected {e} (largest {scale})");
    }
}

#[test]
fn every_layer_agrees_with_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/modules.safetensors");
    let weights::Weights { tensors, metadata } = weights::load(path).unwrap();
    let cases: Value = serde_json::from_str(&metadata["cases"]).unwrap();
    let cases = cases.as_object().unwrap();
    assert!(cases.len() >= 30, "found {} cases", cases.len());
    for (case, description) in cases {
        let strings =
            |v: &Value| v.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect();
        let mut layer = make(case, description["class"].as_str().unwrap(), &Args(&description["args"]));

        let names: Vec<String> = layer.named_parameters().into_iter().map(|(name, _)| name).collect();
        let expected: Vec<String> = strings(&description["parameters"]);
        assert_eq!(names, expected, "{case}: parameters");
        let keys: Vec<Value> =
            layer.state_dict().iter().map(|(k, a)| serde_json::json!([k, a.shape().to_vec()])).collect();
        assert_eq!(Value::Array(keys), description["keys"], "{case}: state dict");

        let Some(x) = tensors.get(&format!("{case}/in0")) else { continue };
        let prefix = format!("{case}/state/");
        let state: StateDict = tensors
            .iter()
            .filter_map(|(name, a)| Some((name.strip_prefix(&prefix)?.to_owned(), a.clone())))
            .collect();
        for mode in ["train", "eval"] {
            let golden = |name: &str| &tensors[&format!("{case}/{mode}/{name}")];
            let check = |name: &str, found: &Array, scale: f32| {
                assert_close(&format!("{case}/{mode}/{name}"), found, golden(name), scale);
            };
            layer.load_state_dict(&state, Strictness::Strict).unwrap();
            layer.set_mode(mode == "train");
            layer.zero_grad();
            let x = Tensor::constant(x.clone()).requires_grad();
            let y = layer.forward(&x);
            y.backward_with(&Tensor::constant(tensors[&format!("{case}/grad_out")].clone()));
            check("out", y.array(), largest([golden("out")].into_iter()));
            // One scale for all gradients: that of a bias before a batch norm is nothing but rounding.
            let prefix = format!("{case}/{mode}/grad");
            let scale = largest(tensors.iter().filter(|(name, _)| name.starts_with(&prefix)).map(|(_, a)| a));
            check("grad_in0", x.grad().unwrap().array(), scale);
            for (name, p) in layer.named_parameters() {
                let grad = p.grad().unwrap_or_else(|| panic!("{case}/{mode}: no gradient of {name}"));
                check(&format!("grad/{name}"), &grad, scale);
            }
            for (name, buffer) in layer.named_buffers() {
                check(
                    &format!("after/{name}"),
                    &buffer,
                    largest([golden(&format!("after/{name}"))].into_iter()),
                );
            }
        }
    }
}
