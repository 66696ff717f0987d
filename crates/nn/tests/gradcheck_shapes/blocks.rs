//! Convolutions with batch norms, as residual networks chain them.

use crate::check::{Draw, Function};
use crate::layer::{Case, check, rng};
use crate::norms::norm;
use crate::oracle::{Nd, Window};
use cresset_nn::{
    BatchNorm2d, Conv2d, ModuleExt, Param, conv_bn, conv_bn_add_relu, conv_bn_relu, few_images_at_a_time,
};
use cresset_tensor::Tensor;

/// A convolution and its norm, and the same in float64 of an input and [`parameters`](Self::parameters).
struct Pair {
    conv: Conv2d,
    bn: BatchNorm2d,
    oracle: Function<Nd>,
}

impl Pair {
    /// 3x3 with the size kept, or 1x1. In training neither a bias nor a single weight: the norm takes them out again,
    /// and their gradients are nothing but rounding.
    fn draw(d: &mut Draw, [inner, outer]: [usize; 2], training: bool) -> Self {
        let kernel = if training && inner == 1 { 3 } else { [1, 3][d.below(2)] };
        let padding = kernel / 2;
        let has_bias = !training && d.below(2) == 0;
        let conv = Conv2d::builder(inner, outer, kernel).padding(padding).bias(has_bias).build(&mut rng());
        let (bn, normalized) = norm(d, outer, training);
        let window = Window { kernel: [kernel; 2], stride: [1, 1], padding: [padding; 2], dilation: [1, 1] };
        let oracle = move |x: &[Nd]| {
            let (bias, rest) = if has_bias { (Some(&x[2]), &x[3..]) } else { (None, &x[2..]) };
            let y = x[0].conv2d(&x[1], bias, &window, 1);
            normalized(&[vec![y], rest.to_vec()].concat())
        };
        Self { conv, bn, oracle: Box::new(oracle) }
    }

    fn parameters(&self) -> Vec<Param> {
        self.conv.parameters().into_iter().chain(self.bn.parameters()).collect()
    }
}

/// Batch, channels of the input and the output, and the images. In training a channel has values enough for its
/// gradients to be more than rounding.
fn sizes(d: &mut Draw, training: bool) -> ([usize; 2], [usize; 2], usize) {
    let least = if training { 2 } else { 1 };
    let batch = if training { d.from(1, 2) } else { d.size(0, 2) };
    ([d.size(1, 2), d.size(1, 3)], [d.from(least, 4), d.from(least, 4)], batch)
}

#[test]
fn convolutions_with_norms() {
    for training in [true, false] {
        check(&format!("conv_bn, training {training}"), |d| {
            let (channels, image, batch) = sizes(d, training);
            let pair = Pair::draw(d, channels, training);
            let parameters = pair.parameters();
            let Pair { conv, bn, oracle } = pair;
            Case {
                inputs: vec![d.any(&[batch, channels[0], image[0], image[1]])],
                parameters,
                ours: Box::new(move |t| conv_bn(&conv, &bn, &t[0])),
                oracle,
            }
        });
        check(&format!("conv_bn_relu, training {training}"), |d| {
            let (channels, image, batch) = sizes(d, training);
            let pair = Pair::draw(d, channels, training);
            let parameters = pair.parameters();
            let Pair { conv, bn, oracle } = pair;
            Case {
                inputs: vec![d.any(&[batch, channels[0], image[0], image[1]])],
                parameters,
                ours: Box::new(move |t| conv_bn_relu(&conv, &bn, &t[0])),
                oracle: Box::new(move |x| oracle(x).relu()),
            }
        });
        check(&format!("conv_bn_add_relu, training {training}"), |d| {
            let (channels, image, batch) = sizes(d, training);
            let pair = Pair::draw(d, channels, training);
            let parameters = pair.parameters();
            let Pair { conv, bn, oracle } = pair;
            let shape = |channels| [batch, channels, image[0], image[1]];
            Case {
                inputs: vec![d.any(&shape(channels[0])), d.any(&shape(channels[1]))],
                parameters,
                ours: Box::new(move |t| conv_bn_add_relu(&conv, &bn, &t[0], t[1].clone())),
                oracle: Box::new(move |x| {
                    let y = oracle(&[&x[..1], &x[2..]].concat());
                    y.zip(&x[1], |y, shortcut| y + shortcut).relu()
                }),
            }
        });
    }
}

/// Two convolutions and a shortcut, as in He et al. (2016), in evaluation a few images at a time.
#[test]
fn residual_blocks() {
    for training in [true, false] {
        check(&format!("residual block, training {training}"), |d| {
            let ([channels, hidden], image, batch) = sizes(d, training);
            let first = Pair::draw(d, [channels, hidden], training);
            let second = Pair::draw(d, [hidden, channels], training);
            let parameters = first.parameters().into_iter().chain(second.parameters()).collect();
            let count = first.parameters().len();
            let (exact_first, exact_second) = (first.oracle, second.oracle);
            let ours = move |x: &Tensor| {
                // So many numbers an image that every image is taken alone.
                few_images_at_a_time(x, usize::MAX, [&first.bn, &second.bn], |x| {
                    let y = conv_bn_relu(&first.conv, &first.bn, x);
                    conv_bn_add_relu(&second.conv, &second.bn, &y, x.clone())
                })
            };
            Case {
                inputs: vec![d.any(&[batch, channels, image[0], image[1]])],
                parameters,
                ours: Box::new(move |t| ours(&t[0])),
                oracle: Box::new(move |x| {
                    let (own, rest) = x[1..].split_at(count);
                    let y = exact_first(&[&x[..1], own].concat()).relu();
                    let y = exact_second(&[vec![y], rest.to_vec()].concat());
                    y.zip(&x[0], |y, shortcut| y + shortcut).relu()
                }),
            }
        });
    }
}
