//! Settings that make no sense.

use cresset_nn::*;
use cresset_tensor::{Generator, Tensor};

fn message<T>(made: Result<T, LayerError>) -> String {
    made.err().expect("an error").to_string()
}

#[test]
fn mistakes_are_errors_for_code_that_asks() {
    let rng = &mut Generator::new(0);
    assert_eq!(
        message(Conv2d::builder(4, 6, 3).groups(3).try_build(rng)),
        "Conv2d: groups = 3 does not divide in_channels = 4"
    );
    assert_eq!(
        message(Conv2d::builder(4, 6, 3).groups(4).try_build(rng)),
        "Conv2d: groups = 4 does not divide out_channels = 6"
    );
    assert_eq!(
        message(Conv2d::builder(4, 6, [3, 0]).try_build(rng)),
        "Conv2d: kernel width must be at least 1, found 0"
    );
    assert_eq!(
        message(Conv2d::builder(4, 6, 3).stride([1, 0]).try_build(rng)),
        "Conv2d: stride must be at least 1, found 0"
    );
    assert_eq!(
        message(Conv2d::builder(4, 6, 3).stride(2).padding(Padding::Same).try_build(rng)),
        "Conv2d: padding \"same\" needs stride 1, found [2, 2]"
    );
    assert_eq!(
        message(Linear::builder(0, 6).try_build(rng)),
        "Linear: in_features must be at least 1, found 0"
    );
    assert_eq!(
        message(BatchNorm2d::builder(4).momentum(1.5).try_build()),
        "BatchNorm2d: momentum must be from 0 to 1, found 1.5"
    );
    assert_eq!(
        message(BatchNorm1d::builder(4).eps(f32::NAN).try_build()),
        "BatchNorm1d: eps must be a positive number, found NaN"
    );
    assert_eq!(message(Dropout::try_new(1.5)), "Dropout: p must be a probability from 0 to 1, found 1.5");
    assert_eq!(
        message(MaxPool2d::try_new(MaxPool2dOptions::new(3).padding(2))),
        "MaxPool2d: padding must be at most half of the kernel size, found padding [2, 2] with kernel size [3, 3]"
    );
    assert_eq!(
        message(AvgPool2d::try_new(AvgPool2dOptions::new(3).stride(0))),
        "AvgPool2d: stride must be at least 1, found 0"
    );
}

#[test]
fn default_initialization_stays_within_pytorchs_bounds() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/init.json");
    let golden: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let rng = &mut Generator::new(7);
    let size = |v: &serde_json::Value| v.as_u64().unwrap() as usize;
    let check = |bounds: &serde_json::Value, mut draw: Box<dyn FnMut() -> [Vec<f32>; 2]>| {
        for (which, key) in ["weight_bound", "bias_bound"].into_iter().enumerate() {
            let bound = bounds[key].as_f64().unwrap();
            let mut values = Vec::new();
            while values.len() < 5000 {
                values.extend(draw()[which].iter().map(|&v| f64::from(v)));
            }
            let largest = values.iter().fold(0f64, |m, v| m.max(v.abs()));
            let variance = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
            assert!(largest <= bound * (1.0 + 1e-6) && largest > 0.98 * bound, "{bounds}: {largest}");
            assert!((variance * 3.0 / (bound * bound) - 1.0).abs() < 0.06, "{bounds}: variance {variance}");
        }
    };
    for c in golden["linear"].as_array().unwrap() {
        let mut rng = rng.clone();
        let (i, o) = (size(&c["in_features"]), size(&c["out_features"]));
        check(
            c,
            Box::new(move || {
                let l = Linear::new(i, o, &mut rng);
                [l.weight.array().to_vec(), l.bias.unwrap().array().to_vec()]
            }),
        );
    }
    for c in golden["conv2d"].as_array().unwrap() {
        let mut rng = rng.clone();
        let (i, o, groups) = (size(&c["in_channels"]), size(&c["out_channels"]), size(&c["groups"]));
        let kernel = [size(&c["kernel_size"][0]), size(&c["kernel_size"][1])];
        check(
            c,
            Box::new(move || {
                let l = Conv2d::builder(i, o, kernel).groups(groups).build(&mut rng);
                [l.weight.array().to_vec(), l.bias.unwrap().array().to_vec()]
            }),
        );
    }
}

#[test]
fn dropout_keeps_the_expected_value_and_whole_channels_together() {
    let x = Tensor::ones([8, 16, 5, 5]);
    let y = Dropout::new(0.25).forward(&x).to_vec();
    let kept = y.iter().filter(|&&v| v != 0.0).count() as f64 / y.len() as f64;
    assert!((kept - 0.75).abs() < 0.03, "{kept}");
    assert!(y.iter().all(|&v| v == 0.0 || (v - 4.0 / 3.0).abs() < 1e-6));

    let y = Dropout2d::new(0.5).forward(&x).to_vec();
    assert!(y.chunks(25).all(|channel| channel.iter().all(|v| *v == channel[0])));
    let kept = y.chunks(25).filter(|channel| channel[0] == 2.0).count();
    assert!((40..=88).contains(&kept), "{kept} of 128");

    let mut off = Dropout::new(0.9);
    off.eval();
    assert_eq!(off.forward(&x).to_vec(), x.to_vec());
}

#[test]
fn dropout_repeats_with_the_step() {
    let x = Tensor::ones([100]);
    let layer = Dropout::new(0.5);
    let draw = |step| {
        let _step = cresset_tensor::random::step_scope(1, step);
        [layer.forward(&x).to_vec(), layer.forward(&x).to_vec()]
    };
    let [first, second] = draw(0);
    assert_ne!(first, second, "two calls of one step draw differently");
    assert_eq!(draw(0), [first.clone(), second]);
    assert_ne!(draw(1)[0], first);
}

#[test]
fn same_padding_keeps_the_size() {
    let rng = &mut Generator::new(0);
    for (kernel, dilation) in [([2, 3], [1, 1]), ([4, 1], [3, 1]), ([5, 6], [1, 2])] {
        let conv = Conv2d::builder(1, 1, kernel).dilation(dilation).padding(Padding::Same).build(rng);
        assert_eq!(*conv.forward(&Tensor::zeros([1, 1, 7, 9])).shape(), [1, 1, 7, 9]);
    }
}
