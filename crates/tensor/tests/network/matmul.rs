use super::support::{assert_same, check, randn, strided};
use cresset_tensor::Tensor;

fn product(inputs: &[Tensor]) -> Tensor {
    inputs[0].matmul(&inputs[1])
}

#[test]
fn gradients_of_vectors_matrices_and_batches() {
    check(product, &[randn([5]), randn([5])]);
    check(product, &[randn([3, 5]), randn([5])]);
    check(product, &[randn([5]), randn([5, 3])]);
    check(product, &[randn([1, 1]), randn([1, 1])]);
    check(product, &[randn([3, 4]), randn([4, 5])]);
    check(product, &[randn([2, 3, 4]), randn([4, 5])]);
    check(product, &[randn([2, 3, 4]), randn([4])]);
    check(product, &[randn([4]), randn([2, 4, 3])]);
    check(product, &[randn([2, 3, 4]), randn([2, 4, 5])]);
    check(product, &[randn([2, 1, 3, 4]), randn([3, 4, 2])]);
    check(product, &[randn([3, 4]), randn([2, 4, 5])]);
}

#[test]
fn strides_do_not_change_the_result() {
    type View = fn(&Tensor) -> Tensor;
    let batches: [(View, [usize; 3], [usize; 3]); 4] = [
        (|x| x.transpose(1, 2), [2, 4, 3], [2, 5, 4]),
        (|x| x.permute([1, 0, 2]), [3, 2, 4], [4, 2, 5]),
        (|x| x.permute([2, 1, 0]), [4, 3, 2], [5, 4, 2]),
        (strided, [2, 3, 4], [2, 4, 5]),
    ];
    for (view, a, b) in batches {
        let viewed = |t: &[Tensor]| view(&t[0]).matmul(&view(&t[1]));
        let copied = |t: &[Tensor]| view(&t[0]).contiguous().matmul(&view(&t[1]).contiguous());
        assert_same(viewed, copied, &[randn(a), randn(b)], 1e-6);
    }
    // Repeated by strides of zero, along rows, columns and batches.
    let repeated = |t: &[Tensor]| t[0].expand([2, 3, 4]).matmul(&t[1].expand([2, 4, 5]));
    let copied =
        |t: &[Tensor]| t[0].expand([2, 3, 4]).contiguous().matmul(&t[1].expand([2, 4, 5]).contiguous());
    for (a, b) in [([1, 3, 4], [2, 1, 5]), ([2, 1, 4], [1, 4, 1]), ([2, 3, 1], [1, 4, 5])] {
        assert_same(repeated, copied, &[randn(a), randn(b)], 1e-6);
    }
}

#[test]
fn products_over_nothing_are_zero() {
    assert_eq!(Tensor::zeros([2, 0]).matmul(&Tensor::zeros([0, 3])).to_vec(), [0.0; 6]);
    assert_eq!(Tensor::zeros([0, 2]).matmul(&Tensor::zeros([2, 3])).shape()[..], [0, 3]);
    assert_eq!(Tensor::zeros([0, 2, 2]).matmul(&Tensor::zeros([0, 2, 3])).shape()[..], [0, 2, 3]);
    assert_eq!(Tensor::zeros([0]).matmul(&Tensor::zeros([0])).item(), 0.0);
    assert_eq!(Tensor::zeros([0, 3]).linear(&Tensor::zeros([2, 3]), None).shape()[..], [0, 2]);
}

#[test]
fn gradients_of_linear() {
    let f = |t: &[Tensor]| t[0].linear(&t[1], t.get(2));
    for shape in [vec![4], vec![1, 4], vec![5, 4], vec![2, 3, 4]] {
        let x = randn([shape.iter().product()]).reshape(shape);
        check(f, &[x.clone(), randn([3, 4])]);
        check(f, &[x, randn([3, 4]), randn([3])]);
    }
    check(|t| t[0].transpose(0, 1).linear(&t[1], Some(&t[2])), &[randn([4, 5]), randn([3, 4]), randn([3])]);
    check(|t| t[0].linear(&t[1].transpose(0, 1), None), &[randn([5, 4]), randn([4, 3])]);
}
