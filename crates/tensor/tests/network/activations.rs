use super::support::{check, randn};
use cresset_tensor::{Tensor, no_grad};

const SMOOTH: [fn(&Tensor) -> Tensor; 6] =
    [Tensor::sigmoid, Tensor::tanh, Tensor::gelu, Tensor::gelu_tanh, Tensor::silu, Tensor::log_sigmoid];
const KINKED: [fn(&Tensor) -> Tensor; 2] = [Tensor::relu, |x| x.leaky_relu(0.2)];

/// Away from the kink, where a difference has no meaning.
fn away_from_zero(x: &Tensor) -> Tensor {
    let x = x.array().clone().map(|v| if v.abs() < 0.1 { v + 0.2 } else { v });
    Tensor::constant(x)
}

#[test]
fn gradients() {
    for x in [randn([1]), randn([3, 7]), randn([2, 3, 3, 5]), Tensor::scalar(0.7)] {
        for f in SMOOTH {
            check(|t| f(&t[0]), std::slice::from_ref(&x));
        }
        for f in KINKED {
            check(|t| f(&t[0]), &[away_from_zero(&x)]);
        }
    }
}

#[test]
fn relu_at_zero_has_no_gradient() {
    let x = Tensor::new([-1.0, -0.0, 0.0, 2.0], [4]).requires_grad();
    x.relu().sum().backward();
    assert_eq!(x.grad().unwrap().to_vec(), [0.0, 0.0, 0.0, 1.0]);
}

/// The gradient buffer is shared by the two branches: one must not write over the other's.
#[test]
fn a_shared_gradient_is_not_overwritten() {
    let x = Tensor::new([-1.0, 2.0], [2]).requires_grad();
    let doubled = x.mul(2.0);
    doubled.relu().add(&doubled).sum().backward();
    assert_eq!(x.grad().unwrap().to_vec(), [2.0, 4.0]);
}

#[test]
fn extremes_do_not_overflow() {
    let x = Tensor::new([-1e4, -100.0, 100.0, 1e4], [4]).requires_grad();
    for f in SMOOTH.into_iter().chain(KINKED) {
        x.zero_grad();
        let y = f(&x);
        y.sum().backward();
        let gradient = x.grad().unwrap().to_vec();
        assert!(y.to_vec().iter().chain(&gradient).all(|v| v.is_finite()), "{:?}", y.grad_fn());
    }
    assert!(no_grad(|| x.relu().grad_fn().is_none()));
}
