//! Initializers against the numbers of PyTorch's (`golden/make_init.py`), and their statistics.

use cresset_nn::Param;
use cresset_nn::init::{self, Fan, Nonlinearity};
use cresset_tensor::{Array, Generator, Shape};
use serde_json::Value;

fn golden(name: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/init.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all[name].as_array().unwrap().clone()
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap()
}

fn shape(v: &Value) -> Shape {
    v["shape"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect()
}

fn nonlinearity(name: &Value, param: &Value) -> Nonlinearity {
    match name.as_str().unwrap() {
        "linear" | "conv2d" => Nonlinearity::Linear,
        "sigmoid" => Nonlinearity::Sigmoid,
        "tanh" => Nonlinearity::Tanh,
        "relu" => Nonlinearity::Relu,
        "leaky_relu" => Nonlinearity::LeakyRelu(param.as_f64().unwrap_or(0.01)),
        "selu" => Nonlinearity::Selu,
        other => panic!("no nonlinearity {other}"),
    }
}

/// At least 20,000 numbers that `init` draws for a parameter of this shape.
fn sample(shape: &Shape, mut init: impl FnMut(&Param)) -> Vec<f64> {
    let param = Param::new(Array::zeros(shape));
    let mut values = Vec::new();
    while values.len() < 20_000 {
        init(&param);
        values.extend(param.array().to_vec().iter().map(|&v| f64::from(v)));
    }
    values
}

fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[track_caller]
fn assert_normal(values: &[f64], std: f64) {
    let (mean, found) = mean_and_std(values);
    assert!(
        (found / std - 1.0).abs() < 0.04 && mean.abs() < 0.04 * std,
        "{mean} ± {found}, expected 0 ± {std}"
    );
    // A normal distribution, not just any of this width: 68.3% within one deviation, 4.6% beyond two.
    let share = |k: f64| values.iter().filter(|v| v.abs() < k * std).count() as f64 / values.len() as f64;
    assert!((share(1.0) - 0.683).abs() < 0.02 && (share(2.0) - 0.954).abs() < 0.01);
}

#[track_caller]
fn assert_uniform(values: &[f64], bound: f64) {
    let largest = values.iter().fold(0f64, |m, v| m.max(v.abs()));
    let (mean, std) = mean_and_std(values);
    assert!(largest <= bound * (1.0 + 1e-6) && largest > 0.99 * bound, "{largest}, expected {bound}");
    assert!((std * 3f64.sqrt() / bound - 1.0).abs() < 0.03 && mean.abs() < 0.03 * bound, "{mean} ± {std}");
}

#[test]
fn gains_and_fans_are_pytorchs() {
    for row in golden("gains") {
        let gain = init::calculate_gain(nonlinearity(&row["nonlinearity"], &row["param"]));
        assert!((gain - number(&row["gain"])).abs() < 1e-12, "{row}: {gain}");
    }
    for row in golden("fans") {
        let (fan_in, fan_out) = init::fan_in_and_fan_out(&shape(&row));
        assert_eq!(
            (fan_in as f64, fan_out as f64),
            (number(&row["fan_in"]), number(&row["fan_out"])),
            "{row}"
        );
    }
}

#[test]
fn kaiming_and_xavier_have_pytorchs_widths() {
    let rng = &mut Generator::new(11);
    for row in golden("kaiming") {
        let fan = if row["mode"] == "fan_in" { Fan::In } else { Fan::Out };
        let after = nonlinearity(&row["nonlinearity"], &row["a"]);
        assert_normal(
            &sample(&shape(&row), |p| init::kaiming_normal(p, fan, after, rng)),
            number(&row["std"]),
        );
        assert_uniform(
            &sample(&shape(&row), |p| init::kaiming_uniform(p, fan, after, rng)),
            number(&row["bound"]),
        );
    }
    for row in golden("xavier") {
        let gain = number(&row["gain"]);
        assert_normal(&sample(&shape(&row), |p| init::xavier_normal(p, gain, rng)), number(&row["std"]));
        assert_uniform(&sample(&shape(&row), |p| init::xavier_uniform(p, gain, rng)), number(&row["bound"]));
    }
}

#[test]
fn trunc_normal_is_the_truncated_distribution() {
    let rng = &mut Generator::new(12);
    for row in golden("trunc_normal") {
        let [mean, std, a, b] = ["mean", "std", "a", "b"].map(|k| number(&row[k]) as f32);
        let values = sample(&[200, 200].into(), |p| init::trunc_normal(p, mean, std, a, b, rng));
        assert!(values.iter().all(|&v| (f64::from(a)..=f64::from(b)).contains(&v)));
        let (m, s) = mean_and_std(&values);
        assert!((m - number(&row["expected_mean"])).abs() < 0.02 * f64::from(std), "{row}: {m}");
        assert!((s / number(&row["expected_std"]) - 1.0).abs() < 0.02, "{row}: {s}");
    }
    // Far out in a tail, where PyTorch only warns: mean and width of a density that falls like exp(-10 x).
    let values = sample(&[200, 100].into(), |p| init::trunc_normal(p, 0.0, 1.0, 10.0, 1e9, rng));
    let (m, s) = mean_and_std(&values);
    assert!((m - 10.098).abs() < 0.003 && (s - 0.097).abs() < 0.003, "{m} ± {s}");
}

#[test]
fn orthogonal_matrices_are_so() {
    let rng = &mut Generator::new(13);
    for row in golden("orthogonal") {
        let (shape, gain) = (shape(&row), number(&row["gain"]));
        let param = Param::new(Array::zeros(&shape));
        init::orthogonal(&param, gain as f32, rng);
        let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
        let m: Vec<f64> = param.array().to_vec().iter().map(|&v| f64::from(v)).collect();
        let at = |i: usize, k: usize| if rows <= columns { m[i * columns + k] } else { m[k * columns + i] };
        for i in 0..rows.min(columns) {
            for j in 0..rows.min(columns) {
                let dot: f64 = (0..rows.max(columns)).map(|k| at(i, k) * at(j, k)).sum();
                let expected = if i == j { gain * gain } else { 0.0 };
                assert!((dot - expected).abs() < 1e-6, "{row}: ({i}, {j}) {dot}");
            }
        }
    }
    // Uniform over the sphere: the entries of a direction have mean 0 and variance 1/n.
    let values = sample(&[1, 4].into(), |p| init::orthogonal(p, 1.0, rng));
    let (mean, std) = mean_and_std(&values);
    assert!(mean.abs() < 0.02 && (std - 0.5).abs() < 0.01, "{mean} ± {std}");
}

#[test]
fn plain_fills() {
    let rng = &mut Generator::new(14);
    let param = Param::new(Array::zeros([2, 3]));
    init::ones(&param);
    assert_eq!(param.array().to_vec(), [1.0; 6]);
    init::constant(&param, -2.5);
    assert_eq!(param.array().to_vec(), [-2.5; 6]);
    init::zeros(&param);
    assert_eq!(param.array().to_vec(), [0.0; 6]);
    let shifted = sample(&[100, 100].into(), |p| init::normal(p, 3.0, 0.5, rng));
    let (mean, std) = mean_and_std(&shifted);
    assert!((mean - 3.0).abs() < 0.02 && (std - 0.5).abs() < 0.02);
    let values = sample(&[100, 100].into(), |p| init::uniform(p, 1.0, 2.0, rng));
    assert!(values.iter().all(|v| (1.0..2.0).contains(v)));
    let (mean, std) = mean_and_std(&values);
    assert!((mean - 1.5).abs() < 0.01 && (std - 12f64.sqrt().recip()).abs() < 0.01);
    // The same seed gives the same numbers, whatever the memory order of the parameter.
    let (conv, flat) = (Param::new(Array::zeros([2, 3, 2, 2])), Param::new(Array::zeros([2, 12])));
    init::normal(&conv, 0.0, 1.0, &mut Generator::new(1));
    init::normal(&flat, 0.0, 1.0, &mut Generator::new(1));
    assert_eq!(conv.array().to_vec(), flat.array().to_vec());
}

#[test]
#[should_panic(expected = "init: fans need a weight (out, in, ...), found shape (3,)")]
fn fans_of_a_vector_are_refused() {
    init::kaiming_normal(&Param::new(Array::zeros([3])), Fan::In, Nonlinearity::Relu, &mut Generator::new(0));
}
