use super::support::{check, randn};
use cresset_tensor::Tensor;
use cresset_tensor::ops::{AvgPool2dOptions, MaxPool2dOptions};

/// All different, so that no difference crosses a change of the maximum.
fn distinct<const N: usize>(shape: [usize; N]) -> Tensor {
    let n: usize = shape.iter().product();
    // 31 and n have no common factor in the shapes below, so this is a permutation.
    Tensor::from_vec((0..n).map(|i| (i * 31 % n) as f32 / n as f32 * 4.0 - 2.0).collect(), shape)
}

fn max(options: impl Into<MaxPool2dOptions>) -> impl Fn(&[Tensor]) -> Tensor {
    let options = options.into();
    move |t| t[0].max_pool2d(options)
}

fn avg(options: impl Into<AvgPool2dOptions>) -> impl Fn(&[Tensor]) -> Tensor {
    let options = options.into();
    move |t| t[0].avg_pool2d(options)
}

#[test]
fn gradients_of_max_pooling() {
    type Options = MaxPool2dOptions;
    check(max(1), &[distinct([1, 1, 1, 1])]);
    check(max(2), &[distinct([2, 3, 4, 5])]);
    check(max(Options::new(3).stride(2).padding(1)), &[distinct([2, 3, 5, 4])]);
    check(max(Options::new(3).stride(1)), &[distinct([1, 2, 5, 5])]);
    check(max(Options::new(2).stride(3)), &[distinct([1, 2, 7, 8])]);
    check(max(Options::new(2).dilation([2, 3])), &[distinct([1, 2, 6, 7])]);
    check(max(Options::new(2).ceil_mode(true)), &[distinct([1, 3, 5, 3])]);
    check(max(Options::new([2, 3]).stride([1, 2]).padding([1, 0])), &[distinct([1, 2, 5, 7])]);
}

#[test]
fn gradients_of_average_pooling() {
    type Options = AvgPool2dOptions;
    check(avg(1), &[randn([1, 1, 1, 1])]);
    check(avg(2), &[randn([2, 3, 4, 5])]);
    check(avg(Options::new(3).stride(2).padding(1)), &[randn([2, 3, 5, 4])]);
    check(avg(Options::new(3).stride(2).padding(1).count_include_pad(false)), &[randn([2, 3, 5, 4])]);
    check(avg(Options::new(3).stride(2).padding(1).ceil_mode(true)), &[randn([1, 2, 6, 7])]);
    check(avg(Options::new([2, 3]).stride([1, 2])), &[randn([1, 2, 5, 7])]);
}

#[test]
fn gradients_of_adaptive_pooling() {
    for (input, output) in
        [([2, 3, 5, 7], [1, 1]), ([1, 2, 7, 5], [3, 4]), ([1, 2, 3, 2], [5, 3]), ([2, 1, 1, 1], [2, 2])]
    {
        check(move |t| t[0].adaptive_avg_pool2d(output), &[randn(input)]);
        check(move |t| t[0].adaptive_max_pool2d(output), &[distinct(input)]);
    }
    check(|t| t[0].adaptive_avg_pool2d(1), &[randn([2, 3, 5, 4])]);
}

/// As `torch.nn.functional.max_pool2d(x, 3, 2, 1, return_indices=True)` counts them.
#[test]
fn indices_are_flat_positions_in_the_image() {
    let x = distinct([2, 3, 5, 6]);
    let window = MaxPool2dOptions::new([3, 2]).padding(1);
    for options in [window, window.stride(2), window.dilation([1, 3]), window.stride([3, 2]).ceil_mode(true)]
    {
        let (y, indices) = x.max_pool2d_with_indices(options);
        assert_eq!(indices.shape(), y.shape());
        assert_points_at(&x, &y, &indices);
        assert_eq!(y.to_vec(), x.max_pool2d(options).to_vec());
    }

    let (y, indices) = x.adaptive_max_pool2d_with_indices([2, 4]);
    assert_points_at(&x, &y, &indices);

    // The first of equal maxima.
    let (_, indices) = Tensor::zeros([1, 1, 4, 4]).max_pool2d_with_indices(2);
    assert_eq!(indices.to_vec_i64(), [0, 2, 8, 10]);
}

#[track_caller]
fn assert_points_at(x: &Tensor, y: &Tensor, indices: &Tensor) {
    let (x_values, positions) = (x.to_vec(), x.shape()[2] * x.shape()[3]);
    let outputs = y.shape()[2] * y.shape()[3];
    for (i, (value, index)) in y.to_vec().iter().zip(indices.to_vec_i64()).enumerate() {
        assert_eq!(x_values[i / outputs * positions + index as usize], *value);
    }
}

#[test]
fn an_empty_batch_is_fine() {
    let x = Tensor::zeros([0, 3, 4, 4]).requires_grad();
    assert_eq!(x.max_pool2d(2).shape()[..], [0, 3, 2, 2]);
    assert_eq!(x.avg_pool2d(2).shape()[..], [0, 3, 2, 2]);
    let y = x.adaptive_avg_pool2d(1);
    assert_eq!(y.shape()[..], [0, 3, 1, 1]);
    y.sum().backward();
    assert_eq!(x.grad().unwrap().shape()[..], [0, 3, 4, 4]);
}
