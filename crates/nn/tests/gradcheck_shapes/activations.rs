//! Layers that compute element by element, or only move elements.

use crate::check::Draw;
use crate::layer::{check, of};
use crate::oracle::{Nd, erf};
use cresset_nn::{
    Dropout, Dropout2d, Flatten, Forward, GELU, Identity, Layer, LeakyReLU, ModuleExt, ReLU, Sequential,
    SiLU, Sigmoid, Softmax, Tanh,
};
use cresset_tensor::{Tensor, random};

fn elementwise<L: Layer + 'static>(name: &str, layer: fn() -> L, exact: fn(f64) -> f64) {
    check(name, |d| {
        let shape = d.shape(0, 4);
        of(d.any(&shape), layer(), move |x| x[0].map(exact))
    });
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn activations() {
    elementwise("ReLU", ReLU::new, |x| x.max(0.0));
    elementwise("LeakyReLU", || LeakyReLU::new(0.2), |x| if x > 0.0 { x } else { 0.2 * x });
    elementwise("Sigmoid", Sigmoid::new, sigmoid);
    elementwise("Tanh", Tanh::new, f64::tanh);
    elementwise("GELU", GELU::new, |x| x * 0.5 * (1.0 + erf(x / 2f64.sqrt())));
    elementwise("GELU by tanh", GELU::tanh, |x| {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
        0.5 * x * (1.0 + inner.tanh())
    });
    elementwise("SiLU", SiLU::new, |x| x * sigmoid(x));
    elementwise("Identity", Identity::new, |x| x);
    elementwise(
        "Sequential",
        || Sequential::new().add(Tanh::new()).add(SiLU::new()),
        |x| x.tanh() * sigmoid(x.tanh()),
    );
}

#[test]
fn softmax() {
    check("Softmax", |d| {
        let rank = d.from(1, 4);
        let shape = d.shape_of(0, rank);
        let dim = d.below(rank);
        of(d.any(&shape), Softmax::new(dim as isize), move |x| {
            let powers = x[0].map(f64::exp);
            powers.zip(&powers.reduce(&[dim], |v| v.iter().sum()), |p, sum| p / sum)
        })
    });
}

#[test]
fn flatten() {
    check("Flatten", |d| {
        let rank = d.from(2, 4);
        let shape = d.shape_of(0, rank);
        let start = d.below(rank);
        let end = d.from(start, rank - 1);
        let merged = shape[start..=end].iter().product();
        let to = [&shape[..start], &[merged], &shape[end + 1..]].concat();
        of(d.any(&shape), Flatten::dims(start as isize, end as isize), move |x| x[0].reshape(&to))
    });
}

/// What a layer multiplies with, found with an input of ones and fixed random numbers.
fn mask(layer: &impl Forward, shape: &[usize]) -> Nd {
    let _step = random::step_scope(5, 0);
    let found = layer.forward(&Tensor::ones(shape));
    Nd::new(shape, found.to_vec().into_iter().map(f64::from).collect())
}

fn dropout<L: Layer + Clone + 'static>(name: &str, layer: fn(f32) -> L, shape: fn(&mut Draw) -> Vec<usize>) {
    for training in [true, false] {
        check(&format!("{name}, training {training}"), |d| {
            let shape = shape(d);
            let mut layer = layer([0.0, 0.3, 0.5, 1.0][d.below(4)]);
            layer.set_mode(training);
            let mask = mask(&layer, &shape);
            let mut case = of(d.any(&shape), Identity::new(), move |x| x[0].zip(&mask, |x, m| x * m));
            case.ours = Box::new(move |t| {
                let _step = random::step_scope(5, 0);
                layer.forward(&t[0])
            });
            case
        });
    }
}

#[test]
fn dropouts() {
    dropout("Dropout", Dropout::new, |d| d.shape(0, 4));
    dropout("Dropout2d", Dropout2d::new, |d| d.shape_of(0, 4));
}
