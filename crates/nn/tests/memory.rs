//! What fused chains keep between forward and backward: one array of the output's size each, or none.
//!
//! Memory is counted for the whole process, so everything is in one test.

use cresset_nn::{BatchNorm2d, Conv2d, Forward, bn_relu, conv_bn, conv_bn_add_relu, conv_bn_relu};
use cresset_tensor::{Generator, Tensor, memory_in_use};

const CHANNELS: usize = 16;
const SHAPE: [usize; 4] = [4, CHANNELS, 64, 64];
const ACTIVATION: usize = 4 * 4 * CHANNELS * 64 * 64;

/// Activations that are kept for backward by what `f` computes from `x`, its result included.
fn kept(x: &Tensor, f: impl FnOnce(&Tensor) -> Tensor) -> usize {
    let before = memory_in_use();
    let y = f(x);
    let kept = (memory_in_use() - before) / ACTIVATION;
    y.sum().backward();
    drop(y);
    assert!(memory_in_use() - before < ACTIVATION, "all is freed, except for gradients of parameters");
    kept
}

#[test]
fn activations_are_kept_once() {
    let mut rng = Generator::new(0);
    let x = Tensor::constant(Tensor::randn(SHAPE, &mut rng).array().channels_last());
    let mut conv =
        |kernel: usize| Conv2d::builder(CHANNELS, CHANNELS, kernel).padding(kernel / 2).build(&mut rng);
    let (one, three, another) = (conv(1), conv(3), conv(3));
    let bn = [(); 3].map(|()| BatchNorm2d::new(CHANNELS));
    let layer = |conv: &Conv2d, i: usize, x: &Tensor| conv_bn_relu(conv, &bn[i], x);

    // The result is held by the test.
    assert_eq!(kept(&x, |x| layer(&three, 0, x)), 1 + 1, "a convolution's output");
    assert_eq!(kept(&x, |x| layer(&another, 1, &layer(&three, 0, x))), 2 + 1, "two convolutions' outputs");
    assert_eq!(kept(&x, |x| another.forward(&bn_relu(&bn[1], &layer(&three, 0, x)))), 2 + 1, "plain");
    assert_eq!(kept(&x, |x| conv_bn(&one, &bn[0], x)), 1, "a cheap convolution's output is not kept");
    let residual = |x: &Tensor| conv_bn_add_relu(&one, &bn[1], &layer(&three, 0, x), x.clone());
    assert_eq!(kept(&x, residual), 1 + 1, "the block's output tells where its ReLU was active");
    let residual = |x: &Tensor| conv_bn_add_relu(&another, &bn[1], &layer(&three, 0, x), x.clone());
    assert_eq!(kept(&x, residual), 2 + 1, "an expensive convolution's output is kept");
}
