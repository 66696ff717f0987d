use super::support::{assert_close, check, randn};
use cresset_tensor::ops::{batch_norm_eval, batch_norm_train};
use cresset_tensor::{Array, Tensor};

const EPS: f32 = 1e-3;

fn train(t: &[Tensor]) -> Tensor {
    batch_norm_train(&t[0], t.get(1), t.get(2), EPS).0
}

/// x and, for its dimension 1, weight and bias.
fn inputs<const N: usize>(shape: [usize; N]) -> Vec<Tensor> {
    vec![randn(shape), randn([shape[1]]), randn([shape[1]]).add(0.5)]
}

#[test]
fn gradients_with_statistics_of_the_batch() {
    for inputs in
        [inputs([5, 3]), inputs([4, 1]), inputs([2, 3, 4]), inputs([2, 3, 2, 5]), inputs([3, 2, 1, 1])]
    {
        check(train, &inputs);
        check(train, &inputs[..1]);
        check(train, &inputs[..2]);
        check(|t| batch_norm_train(&t[0], None, Some(&t[1]), EPS).0, &[inputs[0].clone(), inputs[2].clone()]);
    }
}

#[test]
fn gradients_with_running_statistics() {
    let (mean, var) = (Array::from_vec(vec![0.1, -2.0, 3.0], [3]), Array::from_vec(vec![0.5, 1.0, 4.0], [3]));
    let eval = |t: &[Tensor]| batch_norm_eval(&t[0], &mean, &var, t.get(1), t.get(2), EPS);
    for inputs in [inputs([1, 3]), inputs([2, 3, 4]), inputs([2, 3, 2, 5])] {
        check(eval, &inputs);
        check(eval, &inputs[..1]);
    }
}

#[test]
fn statistics_of_the_batch_move_the_running_ones() {
    let x = Tensor::new([1.0, 10.0, 3.0, 30.0, 5.0, 20.0], [3, 2]);
    let (_, stats) = batch_norm_train(&x, None, None, EPS);
    assert_eq!((stats.mean.to_vec(), stats.count), (vec![3.0, 20.0], 3));
    assert_close(&stats.var_biased, &Array::from_vec(vec![8.0 / 3.0, 200.0 / 3.0], [2]), 1e-6);
    let (mut mean, mut var) = (Array::zeros([2]), Array::full([2], 1.0));
    stats.update_running(0.1, &mut mean, &mut var);
    assert_close(&mean, &Array::from_vec(vec![0.3, 2.0], [2]), 1e-6);
    // Unbiased: 4 and 100.
    assert_close(&var, &Array::from_vec(vec![0.9 + 0.4, 0.9 + 10.0], [2]), 1e-6);
}
