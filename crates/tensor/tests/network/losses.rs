use super::support::{assert_close, assert_same, check, randn};
use cresset_tensor::ops::{
    BceWithLogitsOptions, CrossEntropyOptions, NllLossOptions, Reduction, Targets, bce_with_logits,
    cross_entropy, l1_loss, mse_loss, nll_loss,
};
use cresset_tensor::{Array, Tensor};

const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Sum, Reduction::Mean];

fn class_weights(classes: usize) -> Array {
    Array::from_vec((0..classes).map(|c| 0.5 + c as f32).collect(), [classes])
}

/// Every combination of options, the last label ignored in some.
fn options(classes: usize) -> Vec<CrossEntropyOptions> {
    let mut all = Vec::new();
    for reduction in REDUCTIONS {
        for weight in [None, Some(class_weights(classes))] {
            for label_smoothing in [0.0, 0.2] {
                for ignore_index in [-100, 1] {
                    all.push(CrossEntropyOptions {
                        weight: weight.clone(),
                        label_smoothing,
                        ignore_index,
                        reduction,
                    });
                }
            }
        }
    }
    all
}

#[test]
fn gradients_of_cross_entropy_with_labels() {
    for options in options(4) {
        let labels = Tensor::from_i64([0, 3, 1], [3]);
        check(|t| cross_entropy(&t[0], &labels, &options), &[randn([3, 4])]);
        let pixels = Tensor::from_i64([0, 3, 1, 2, 2, 0, 3, 1], [2, 2, 2]);
        check(|t| cross_entropy(&t[0], &pixels, &options), &[randn([2, 4, 2, 2])]);
        let sequence = Tensor::from_i64([0, 3, 1, 2, 2, 0], [2, 3]);
        check(|t| cross_entropy(&t[0], &sequence, &options), &[randn([2, 4, 3])]);
        check(|t| cross_entropy(&t[0], &Tensor::from_i64([2], []), &options), &[randn([4])]);
    }
}

#[test]
fn gradients_of_cross_entropy_with_probabilities() {
    for options in options(4) {
        for targets in [randn([3, 4]).softmax(1), randn([2, 4, 2, 3]).softmax(1), randn([4]).softmax(0)] {
            let logits = randn([targets.numel()]).reshape(targets.shape());
            check(|t| cross_entropy(&t[0], &targets, &options), &[logits]);
        }
    }
}

/// Labels are the distribution that has everything in one class.
#[test]
fn labels_are_special_probabilities() {
    let labels = Tensor::from_i64([2, 0, 1], [3]);
    let one_hot = Tensor::new([0., 0., 1., 0., 1., 0., 0., 0., 0., 1., 0., 0.], [3, 4]);
    for label_smoothing in [0.0, 0.3, 1.0] {
        let options = CrossEntropyOptions { label_smoothing, ..Default::default() };
        assert_same(
            |t| cross_entropy(&t[0], &labels, &options),
            |t| cross_entropy(&t[0], Targets::Probabilities(one_hot.clone()), &options),
            &[randn([3, 4])],
            1e-6,
        );
    }
}

#[test]
fn cross_entropy_is_nll_of_log_softmax() {
    let labels = Tensor::from_i64([0, 3, 1, 2, 1, 0], [2, 3]);
    for reduction in REDUCTIONS {
        for ignore_index in [-100, 1] {
            let weight = Some(class_weights(4));
            let fused =
                CrossEntropyOptions { weight: weight.clone(), ignore_index, reduction, ..Default::default() };
            let composed = NllLossOptions { weight, ignore_index, reduction };
            assert_same(
                |t| cross_entropy(&t[0], &labels, &fused),
                |t| nll_loss(&t[0].log_softmax(1), &labels, &composed),
                &[randn([2, 4, 3])],
                1e-5,
            );
        }
    }
}

#[test]
fn a_mean_over_nothing_is_nan() {
    let nothing = Tensor::from_i64([-100, -100], [2]);
    let x = randn([2, 3]).requires_grad();
    let loss = cross_entropy(&x, &nothing, &CrossEntropyOptions::default());
    assert!(loss.item().is_nan());
    assert!(nll_loss(&x, &nothing, &NllLossOptions::default()).item().is_nan());
    loss.backward();
    assert_eq!(x.grad().unwrap().to_vec(), [0.0; 6]);
}

#[test]
fn gradients_of_regression_losses() {
    for reduction in REDUCTIONS {
        for shape in [vec![1], vec![3, 5], vec![]] {
            let n = shape.iter().product();
            let x = randn([n]).reshape(shape);
            let target = x.add(1.0).mul(0.5);
            check(|t| mse_loss(&t[0], &t[1], reduction), &[x.clone(), target.clone()]);
            check(|t| l1_loss(&t[0], &t[1], reduction), &[x, target]);
        }
    }
}

#[test]
fn gradients_of_binary_cross_entropy() {
    let target = randn([3, 5]).sigmoid();
    for reduction in REDUCTIONS {
        for weight in [None, Some(randn([5]).abs())] {
            for pos_weight in [None, Some(randn([3, 1]).abs())] {
                let options = BceWithLogitsOptions { weight: weight.clone(), pos_weight, reduction };
                check(|t| bce_with_logits(&t[0], &t[1], &options), &[randn([3, 5]), target.clone()]);
            }
        }
    }
}

#[test]
fn binary_cross_entropy_of_large_logits_is_exact() {
    let x = Tensor::new([-100.0, 100.0, -100.0, 100.0], [4]);
    let target = Tensor::new([0.0, 1.0, 1.0, 0.0], [4]);
    let options = BceWithLogitsOptions { reduction: Reduction::None, ..Default::default() };
    let loss = bce_with_logits(&x, &target, &options);
    assert_close(loss.array(), &Array::from_vec(vec![0.0, 0.0, 100.0, 100.0], [4]), 1e-6);
}
