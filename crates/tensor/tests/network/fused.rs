//! Fused ops against what they are composed of.

use super::support::{assert_close, assert_same, check, randn};
use cresset_tensor::ops::{
    Conv2dBatchNorm, Conv2dOptions, MaxPool2dOptions, batch_norm_add_relu_eval, batch_norm_add_relu_train,
    batch_norm_eval, batch_norm_train, conv2d_fused, conv2d_relu_max_pool, linear_relu,
};
use cresset_tensor::{Array, Tensor, no_grad};

const EPS: f32 = 1e-3;

/// Inputs x, weight, norm weight, norm bias, and a residual: which of them are used, and how.
#[derive(Clone, Copy, Debug)]
struct Case {
    x: [usize; 4],
    w: [usize; 4],
    y: [usize; 4],
    conv: Conv2dOptions,
    residual: bool,
    relu: bool,
}

fn cases() -> Vec<Case> {
    let options = Conv2dOptions::default();
    let shapes = [
        ([2, 3, 5, 4], [4, 3, 3, 3], [2, 4, 5, 4], options.padding(1)),
        ([2, 3, 5, 5], [5, 3, 1, 1], [2, 5, 3, 3], options.stride(2)),
        ([3, 4, 4, 3], [4, 2, 3, 3], [3, 4, 4, 3], options.padding(1).groups(2)),
        ([2, 1, 1, 1], [1, 1, 1, 1], [2, 1, 1, 1], options),
    ];
    let mut cases = Vec::new();
    for (x, w, y, conv) in shapes {
        for residual in [false, true] {
            for relu in [false, true] {
                cases.push(Case { x, w, y, conv, residual, relu });
            }
        }
    }
    cases
}

impl Case {
    fn inputs(&self) -> Vec<Tensor> {
        let channels = self.w[0];
        let mut inputs = vec![
            randn(self.x),
            randn(self.w),
            randn([channels]).add(0.2),
            randn([channels]),
            randn([channels]),
        ];
        if self.residual {
            inputs.push(randn(self.y));
        }
        inputs
    }

    fn fused<'a>(&self, t: &'a [Tensor]) -> Conv2dBatchNorm<'a> {
        Conv2dBatchNorm {
            weight: &t[1],
            bias: Some(&t[4]),
            conv: self.conv,
            norm_weight: Some(&t[2]),
            norm_bias: Some(&t[3]),
            eps: EPS,
            residual: t.get(5),
            relu: self.relu,
        }
    }

    fn conv(&self, t: &[Tensor]) -> Tensor {
        t[0].conv2d(&t[1], Some(&t[4]), &self.conv)
    }

    fn finish(&self, y: Tensor, t: &[Tensor]) -> Tensor {
        let y = t.get(5).map_or(y.clone(), |residual| y.add(residual));
        if self.relu { y.relu() } else { y }
    }
}

#[test]
fn training_equals_convolution_then_batch_norm_then_addition_then_relu() {
    for case in cases() {
        let fused = |t: &[Tensor]| case.fused(t).train(&t[0]).0;
        let composed =
            |t: &[Tensor]| case.finish(batch_norm_train(&case.conv(t), Some(&t[2]), Some(&t[3]), EPS).0, t);
        assert_same(fused, composed, &case.inputs(), 2e-4);
    }
}

#[test]
fn training_without_gradients_gives_the_same_values_and_statistics() {
    for case in cases() {
        let t = case.inputs();
        let (y, stats) = no_grad(|| case.fused(&t).train(&t[0]));
        let (expected, expected_stats) = batch_norm_train(&case.conv(&t), Some(&t[2]), Some(&t[3]), EPS);
        assert_close(y.array(), case.finish(expected, &t).array(), 1e-5);
        assert_close(&stats.mean, &expected_stats.mean, 1e-5);
        assert_close(&stats.var_biased, &expected_stats.var_biased, 1e-5);
        assert_eq!(stats.count, expected_stats.count);
    }
}

#[test]
fn evaluation_equals_convolution_then_batch_norm_then_addition_then_relu() {
    for case in cases() {
        let channels = case.w[0];
        let (mean, var) = (randn([channels]).into_array(), randn([channels]).square().add(0.3).into_array());
        let fused = |t: &[Tensor]| case.fused(t).eval(&t[0], &mean, &var);
        let composed = |t: &[Tensor]| {
            case.finish(batch_norm_eval(&case.conv(t), &mean, &var, Some(&t[2]), Some(&t[3]), EPS), t)
        };
        assert_same(fused, composed, &case.inputs(), 1e-4);
    }
}

#[test]
fn only_what_is_given_is_used() {
    let (x, w) = (randn([2, 3, 4, 4]), randn([2, 3, 3, 3]));
    let bare = |t: &[Tensor]| {
        let weight = &t[1];
        let conv = Conv2dOptions::default();
        let fused = Conv2dBatchNorm {
            weight,
            bias: None,
            conv,
            norm_weight: None,
            norm_bias: None,
            eps: EPS,
            residual: None,
            relu: false,
        };
        fused.train(&t[0]).0
    };
    let composed = |t: &[Tensor]| {
        batch_norm_train(&t[0].conv2d(&t[1], None, &Conv2dOptions::default()), None, None, EPS).0
    };
    assert_same(bare, composed, &[x, w], 1e-4);
}

/// A residual that is not differentiated, and frozen parameters, take other ways through backward.
#[test]
fn gradients_that_are_not_needed_change_nothing_else() {
    for case in cases().into_iter().filter(|case| case.residual) {
        let constants = case.inputs();
        let run = |f: &dyn Fn(&[Tensor]) -> Tensor| {
            let mut t = constants.clone();
            t[0] = constants[0].detach().requires_grad();
            f(&t).square().sum().backward();
            t[0].grad().unwrap().into_array()
        };
        let fused = run(&|t| case.fused(t).train(&t[0]).0);
        let composed =
            run(&|t| case.finish(batch_norm_train(&case.conv(t), Some(&t[2]), Some(&t[3]), EPS).0, t));
        assert_close(&fused, &composed, 5e-4);
    }
}

#[test]
fn gradients_of_convolution_with_residual() {
    let inputs = [randn([2, 3, 4, 4]), randn([2, 3, 3, 3]), randn([2]), randn([2, 2, 2, 2])];
    let options = Conv2dOptions::default();
    check(|t| conv2d_fused(&t[0], &t[1], Some(&t[2]), Some(&t[3]), false, &options), &inputs);
    let composed = |t: &[Tensor]| t[0].conv2d(&t[1], Some(&t[2]), &options).add(&t[3]).relu();
    assert_same(
        |t| conv2d_fused(&t[0], &t[1], Some(&t[2]), Some(&t[3]), true, &options),
        composed,
        &inputs,
        1e-5,
    );
}

#[test]
fn linear_with_relu_equals_its_parts() {
    let composed = |t: &[Tensor]| t[0].linear(&t[1], t.get(2)).relu();
    let fused = |t: &[Tensor]| linear_relu(&t[0], &t[1], t.get(2));
    for x in [randn([5]), randn([6, 5]), randn([2, 3, 5]), randn([40, 5]), randn([0, 5])] {
        let inputs = [x, randn([70, 5]), randn([70])];
        assert_same(fused, composed, &inputs, 0.0);
        assert_same(fused, composed, &inputs[..2], 0.0);
    }
}

#[test]
fn convolution_with_relu_and_pooling_equals_its_parts() {
    let conv = Conv2dOptions::default().padding(1);
    let fused = |t: &[Tensor]| {
        conv2d_relu_max_pool(&t[0], &t[1], t.get(2), &conv, &2.into()).expect("there is a kernel")
    };
    let composed = |t: &[Tensor]| t[0].conv2d(&t[1], t.get(2), &conv).relu().max_pool2d(2);
    for [n, c, h, w, o] in [[3, 1, 8, 10, 8], [2, 8, 7, 6, 16], [1, 3, 5, 5, 9]] {
        let inputs = [randn([n, c, h, w]), randn([o, c, 3, 3]), randn([o])];
        assert_same(fused, composed, &inputs, 1e-5);
        assert_same(fused, composed, &inputs[..2], 1e-5);
        // Frozen weights, and an input that is not differentiated.
        for leaf in 0..3 {
            let run = |f: &dyn Fn(&[Tensor]) -> Tensor| {
                let mut t = inputs.clone();
                t[leaf] = t[leaf].detach().requires_grad();
                f(&t).square().sum().backward();
                t[leaf].grad().unwrap().into_array()
            };
            assert_close(&run(&fused), &run(&composed), 1e-4);
        }
    }
}

#[test]
fn convolutions_without_a_pooling_kernel_are_left_to_their_parts() {
    let (x, w) = (randn([1, 3, 9, 9]), randn([4, 3, 3, 3]));
    let has = |conv: Conv2dOptions, pool: MaxPool2dOptions| {
        conv2d_relu_max_pool(&x, &w, None, &conv, &pool).is_some()
    };
    let conv = Conv2dOptions::default();
    assert!(has(conv, 2.into()));
    assert!(!has(conv.stride(2), 2.into()) && !has(conv, 3.into()) && !has(conv.groups(3), 2.into()));
    assert!(!has(conv, MaxPool2dOptions::new(2).padding(1)));
}

#[test]
fn folded_parameters_are_plain_numbers_without_gradients() {
    let case = cases()[0];
    let t = case.inputs();
    let (w, b) = case.fused(&t).folded(&Array::zeros([4]), &Array::full([4], 1.0));
    assert!(!w.needs_grad() && !b.needs_grad());
    assert_eq!((w.shape(), &b.shape()[..]), (t[1].shape(), &[4][..]));
}

#[test]
fn batch_norm_with_addition_and_relu_equals_its_parts() {
    for shape in [[4, 3, 2, 5], [2, 1, 1, 1]] {
        let channels = [shape[1]];
        let (mean, var) = (randn(channels).into_array(), randn(channels).square().add(0.3).into_array());
        let inputs = [randn(shape), randn(channels).add(0.2), randn(channels), randn(shape).mul(0.7)];
        for n in [3, 4] {
            let finish =
                |y: Tensor, t: &[Tensor]| t.get(3).map_or(y.clone(), |residual| y.add(residual)).relu();
            let fused =
                |t: &[Tensor]| batch_norm_add_relu_train(&t[0], Some(&t[1]), Some(&t[2]), EPS, t.get(3)).0;
            let composed = |t: &[Tensor]| finish(batch_norm_train(&t[0], Some(&t[1]), Some(&t[2]), EPS).0, t);
            assert_same(fused, composed, &inputs[..n], 1e-5);
            let fused = |t: &[Tensor]| {
                batch_norm_add_relu_eval(&t[0], [&mean, &var], Some(&t[1]), Some(&t[2]), EPS, t.get(3))
            };
            let composed =
                |t: &[Tensor]| finish(batch_norm_eval(&t[0], &mean, &var, Some(&t[1]), Some(&t[2]), EPS), t);
            assert_same(fused, composed, &inputs[..n], 1e-5);
        }
    }
}
