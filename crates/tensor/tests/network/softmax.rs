use super::support::{check, randn};
use cresset_tensor::Tensor;

#[test]
fn gradients_over_every_dimension() {
    for dim in [0, 1, 2, 3, -1] {
        check(|t| t[0].softmax(dim), &[randn([2, 3, 4, 5])]);
        check(|t| t[0].log_softmax(dim), &[randn([2, 3, 4, 5])]);
    }
    for x in [randn([1]), randn([3, 1]), randn([1, 4])] {
        check(|t| t[0].softmax(-1), std::slice::from_ref(&x));
        check(|t| t[0].log_softmax(0), std::slice::from_ref(&x));
    }
}

#[test]
fn numbers_and_emptiness() {
    assert_eq!(Tensor::scalar(3.0).softmax(0).item(), 1.0);
    assert_eq!(Tensor::scalar(3.0).log_softmax(-1).item(), 0.0);
    assert_eq!(Tensor::zeros([0, 3]).softmax(1).shape()[..], [0, 3]);
    assert_eq!(Tensor::zeros([3, 0]).softmax(1).shape()[..], [3, 0]);
}

#[test]
fn large_numbers_do_not_overflow() {
    let x = Tensor::new([1e4, 0.0, -1e4], [3]);
    assert_eq!(x.softmax(0).to_vec(), [1.0, 0.0, 0.0]);
    assert_eq!(x.log_softmax(0).to_vec(), [0.0, -1e4, -2e4]);
}
