//! One number at a time, or two with broadcasting.

use super::check::{Case, Draw, Input, check};
use super::oracle::{Nd, erf};
use cresset_tensor::{Generator, Tensor};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn unary(
    name: &str,
    input: fn(&mut Draw, &[usize]) -> Input,
    ours: fn(&Tensor) -> Tensor,
    oracle: fn(f64) -> f64,
) {
    check(name, |d| {
        let shape = d.shape(0, 4);
        Case {
            inputs: vec![input(d, &shape)],
            ours: Box::new(move |t| ours(&t[0])),
            oracle: Box::new(move |x| x[0].map(oracle)),
        }
    });
}

#[test]
fn of_any_number() {
    let any = Draw::any;
    unary("neg", any, Tensor::neg, |x| -x);
    unary("exp", any, Tensor::exp, f64::exp);
    unary("square", any, Tensor::square, |x| x * x);
    unary("sigmoid", any, Tensor::sigmoid, sigmoid);
    unary("tanh", any, Tensor::tanh, f64::tanh);
    unary("gelu", any, Tensor::gelu, |x| x * 0.5 * (1.0 + erf(x / 2f64.sqrt())));
    unary("gelu_tanh", any, Tensor::gelu_tanh, |x| {
        x * 0.5 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
    });
    unary("silu", any, Tensor::silu, |x| x * sigmoid(x));
    unary("log_sigmoid", any, Tensor::log_sigmoid, |x| sigmoid(x).ln());
    unary("affine", any, |x| x.mul(1.5).add(2).sub(0.5).div(4), |x| (x * 1.5 + 2.0 - 0.5) / 4.0);
    unary("pow_3", any, |x| x.pow(3), |x| x.powi(3));
}

#[test]
fn of_positive_numbers() {
    let positive = Draw::positive;
    unary("log", positive, Tensor::log, f64::ln);
    unary("sqrt", positive, Tensor::sqrt, f64::sqrt);
    unary("reciprocal", positive, Tensor::reciprocal, |x| 1.0 / x);
    unary("pow_2.5", positive, |x| x.pow(2.5), |x| x.powf(2.5));
    unary("pow_-1", positive, |x| x.pow(-1), |x| 1.0 / x);
}

#[test]
fn with_kinks() {
    let distinct = Draw::distinct;
    unary("relu", distinct, Tensor::relu, |x| x.max(0.0));
    unary("leaky_relu", distinct, |x| x.leaky_relu(0.125), |x| if x > 0.0 { x } else { 0.125 * x });
    unary("abs", distinct, Tensor::abs, f64::abs);
    unary("clamp", distinct, |x| x.clamp(-0.5, 1.0), |x| x.clamp(-0.5, 1.0));
    unary("clamp_min", distinct, |x| x.clamp_min(0.25), |x| x.max(0.25));
    unary("clamp_max", distinct, |x| x.clamp_max(0.25), |x| x.min(0.25));
}

fn binary(
    name: &str,
    input: fn(&mut Draw, &[usize]) -> Input,
    ours: fn(&Tensor, &Tensor) -> Tensor,
    oracle: fn(f64, f64) -> f64,
) {
    check(name, |d| {
        let shape = d.shape(0, 4);
        let (mut a, mut b) = (shape.clone(), d.narrower(&shape));
        if d.below(2) == 0 {
            std::mem::swap(&mut a, &mut b);
        }
        let (a, mut b) = (input(d, &a), input(d, &b));
        // Where both are on a grid, they must not meet.
        b.1.iter_mut().for_each(|v| *v += 0.031_25);
        Case {
            inputs: vec![a, b],
            ours: Box::new(move |t| ours(&t[0], &t[1])),
            oracle: Box::new(move |x| x[0].zip(&x[1], oracle)),
        }
    });
}

#[test]
fn of_two_numbers() {
    binary("add", Draw::any, |a, b| a + b, |a, b| a + b);
    binary("sub", Draw::any, |a, b| a - b, |a, b| a - b);
    binary("mul", Draw::any, |a, b| a * b, |a, b| a * b);
    binary("div", Draw::positive, |a, b| a / b, |a, b| a / b);
    binary("pow", Draw::positive, |a, b| a.pow(b), f64::powf);
    binary("maximum", Draw::distinct, |a, b| a.maximum(b), f64::max);
    binary("minimum", Draw::distinct, |a, b| a.minimum(b), f64::min);
}

#[test]
fn choices() {
    check("where", |d| {
        let shape = d.shape(0, 4);
        let (a, b, m) = (d.narrower(&shape), d.narrower(&shape), shape.clone());
        let mask: Vec<bool> = (0..m.iter().product()).map(|_| d.below(2) == 0).collect();
        let as_numbers = Nd::new(&m, mask.iter().map(|&m| m.into()).collect());
        let condition = Tensor::from_bools(mask, &m[..]);
        Case {
            inputs: vec![d.any(&a), d.any(&b)],
            ours: Box::new(move |t| Tensor::where_(&condition, &t[0], &t[1])),
            oracle: Box::new(move |x| {
                Nd::from_fn(&as_numbers.shape, |i| {
                    if as_numbers.at(&i) > 0.0 { x[0].broadcast(&i) } else { x[1].broadcast(&i) }
                })
            }),
        }
    });
    check("masked_fill", |d| {
        let shape = d.shape(0, 4);
        let mask: Vec<bool> = (0..shape.iter().product()).map(|_| d.below(2) == 0).collect();
        let keep = Nd::new(&shape, mask.iter().map(|&m| (!m).into()).collect());
        let mask = Tensor::from_bools(mask, &shape[..]);
        Case {
            inputs: vec![d.any(&shape)],
            ours: Box::new(move |t| t[0].masked_fill(&mask, 1.5)),
            oracle: Box::new(move |x| x[0].zip(&keep, |x, keep| if keep > 0.0 { x } else { 1.5 })),
        }
    });
    check("dropout", |d| {
        let shape = d.shape(0, 4);
        let seed = d.below(1000) as u64;
        // The mask depends on generator and shape alone: that of ones shows it.
        let scale = Tensor::full(&shape[..], 1.0).dropout(0.25, &mut Generator::new(seed));
        let scale = Nd::new(&shape, scale.to_vec().into_iter().map(f64::from).collect());
        Case {
            inputs: vec![d.any(&shape)],
            ours: Box::new(move |t| t[0].dropout(0.25, &mut Generator::new(seed))),
            oracle: Box::new(move |x| x[0].zip(&scale, |x, scale| x * scale)),
        }
    });
}
