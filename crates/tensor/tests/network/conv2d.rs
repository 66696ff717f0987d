use super::support::{check, randn};
use cresset_kernels::conv2d::{Conv2dGeometry, oracle};
use cresset_tensor::ops::{Conv2dOptions, Padding};
use cresset_tensor::{Array, Tensor};

fn options() -> Conv2dOptions {
    Conv2dOptions::default()
}

/// x, weight, bias of a convolution.
fn inputs(x: [usize; 4], w: [usize; 4]) -> Vec<Tensor> {
    vec![randn(x), randn(w), randn([w[0]])]
}

fn convolve(options: Conv2dOptions) -> impl Fn(&[Tensor]) -> Tensor {
    move |t| t[0].conv2d(&t[1], t.get(2), &options)
}

#[test]
fn gradients_over_awkward_shapes() {
    let cases = [
        ([1, 1, 1, 1], [1, 1, 1, 1], options()),
        ([2, 3, 4, 5], [4, 3, 1, 1], options()),
        ([2, 3, 5, 4], [2, 3, 3, 3], options().padding(1)),
        ([1, 3, 7, 6], [2, 3, 3, 3], options().stride(2).padding(1)),
        ([2, 2, 5, 5], [3, 2, 1, 1], options().stride(2)),
        ([1, 2, 7, 8], [2, 2, 2, 3], options().stride([3, 1]).padding([0, 2]).dilation([2, 1])),
        ([1, 4, 5, 4], [6, 2, 3, 3], options().padding(1).groups(2)),
        ([2, 3, 5, 5], [3, 1, 3, 3], options().padding(1).groups(3)),
        ([1, 3, 5, 5], [6, 1, 3, 3], options().stride(2).groups(3)),
        ([1, 2, 5, 4], [2, 2, 2, 4], options().padding(Padding::Same)),
        ([1, 2, 5, 6], [2, 2, 2, 2], options().padding(Padding::Same).dilation([3, 2])),
        ([1, 2, 3, 3], [2, 2, 3, 3], options().padding(Padding::Valid)),
        ([1, 1, 3, 2], [2, 1, 2, 2], options().padding(3)),
    ];
    for (x, w, options) in cases {
        let inputs = inputs(x, w);
        check(convolve(options), &inputs);
        check(convolve(options), &inputs[..2]);
    }
}

/// Larger than what differences can check, and with sizes that no vector width divides.
#[test]
fn matches_the_oracle_in_double_precision() {
    let [x, w] = [randn([3, 19, 17, 13]).requires_grad(), randn([37, 19, 3, 3]).requires_grad()];
    let y = x.conv2d(&w, None, &options().stride(2).padding(1));
    let dy = randn([3, 37, 9, 7]);
    y.backward_with(&dy);
    let g = Conv2dGeometry::new([3, 19, 17, 13], 37, [3, 3]).with_stride(2).with_padding(1);
    let dy = dy.array().channels_last();
    let [x_memory, w_memory] = [&x, &w].map(|t| t.array().channels_last());
    let gradient = |t: &Tensor| t.grad().unwrap().into_array();
    assert_oracle(y.array(), &oracle::forward(&g, x_memory.memory(), w_memory.memory()));
    assert_oracle(&gradient(&x), &oracle::input_gradient(&g, dy.memory(), w_memory.memory()));
    assert_oracle(&gradient(&w), &oracle::weight_gradient(&g, x_memory.memory(), dy.memory()));
}

#[track_caller]
fn assert_oracle(found: &Array, expected: &[f64]) {
    for (found, expected) in found.channels_last().memory().iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-4, "found {found}, expected {expected}");
    }
}

#[test]
fn output_and_gradients_are_channels_last() {
    let [x, w] = [randn([2, 3, 5, 5]).requires_grad(), randn([4, 3, 3, 3]).requires_grad()];
    let y = x.conv2d(&w, None, &options());
    assert!(y.array().is_channels_last());
    y.sum().backward();
    assert!(x.grad().unwrap().array().is_channels_last() && w.grad().unwrap().array().is_channels_last());
}

#[test]
fn an_empty_batch_is_fine() {
    let w = randn([4, 3, 3, 3]).requires_grad();
    let y = Tensor::zeros([0, 3, 5, 5]).conv2d(&w, None, &options());
    assert_eq!(y.shape()[..], [0, 4, 3, 3]);
    y.sum().backward();
    assert_eq!(w.grad().unwrap().to_vec(), [0.0; 4 * 27]);
}
