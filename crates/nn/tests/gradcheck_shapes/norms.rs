//! Batch norms, in training and in evaluation, with a scale and a shift or without.

use crate::check::{Draw, Function};
use crate::layer::{check, of};
use crate::oracle::Nd;
use cresset_nn::{BatchNorm, BatchNorm1d, BatchNorm2d, Buffer, ModuleExt, bn_relu};
use cresset_tensor::Array;

/// A norm of so many channels with random running statistics, in training or not, and the same in float64: a function
/// of the input and, if the layer has them, of scale and shift.
pub fn norm<const SPATIAL: usize>(
    d: &mut Draw,
    channels: usize,
    training: bool,
) -> (BatchNorm<SPATIAL>, Function<Nd>) {
    let mut layer = BatchNorm::<SPATIAL>::builder(channels).affine(d.below(4) > 0).build();
    layer.set_mode(training);
    let mean = fill(&layer.running_mean, d.any(&[channels]).1);
    let var = fill(&layer.running_var, d.positive(&[channels]).1);
    let eps = layer.eps();
    let constant = |value: f64| Nd::new(&[channels], vec![value; channels]);
    let (one, zero) = (constant(1.0), constant(0.0));
    let oracle = move |x: &[Nd]| {
        let (weight, bias) = (x.get(1).unwrap_or(&one), x.get(2).unwrap_or(&zero));
        if training {
            x[0].batch_norm(weight, bias, eps)
        } else {
            x[0].normalize([&mean, &var, weight, bias], eps)
        }
    };
    (layer, Box::new(oracle))
}

fn fill(buffer: &Option<Buffer>, values: Vec<f32>) -> Nd {
    let exact = Nd::new(&[values.len()], values.iter().map(|&v| v.into()).collect());
    buffer.as_ref().expect("tracked by default").set(Array::from_vec(values, [exact.data.len()]));
    exact
}

/// In training there must be more than two values a channel: two are normalized to +1 and -1 whatever they are.
fn shape(d: &mut Draw, rank: usize, training: bool) -> Vec<usize> {
    loop {
        let mut shape = d.shape_of(usize::from(training), rank);
        shape[1] = shape[1].max(1);
        if !training || shape.iter().product::<usize>() / shape[1] > 2 {
            return shape;
        }
    }
}

#[test]
fn batch_norms() {
    for training in [true, false] {
        for rank in [2, 3] {
            check(&format!("BatchNorm1d of {rank} dimensions, training {training}"), |d| {
                let shape = shape(d, rank, training);
                let (layer, oracle): (BatchNorm1d, _) = norm(d, shape[1], training);
                of(d.distinct(&shape), layer, oracle)
            });
        }
        check(&format!("BatchNorm2d, training {training}"), |d| {
            let shape = shape(d, 4, training);
            let (layer, oracle): (BatchNorm2d, _) = norm(d, shape[1], training);
            of(d.distinct(&shape), layer, oracle)
        });
        check(&format!("bn_relu, training {training}"), |d| {
            let shape = shape(d, 4, training);
            let (layer, oracle): (BatchNorm2d, _) = norm(d, shape[1], training);
            let mut case = of(d.any(&shape), layer.clone(), move |x| oracle(x).relu());
            case.parameters = layer.parameters();
            case.ours = Box::new(move |t| bn_relu(&layer, &t[0]));
            case
        });
    }
}
