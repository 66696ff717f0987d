//! Random inputs, gradient checks and comparisons.

use cresset_tensor::gradcheck::{GradcheckOptions, gradcheck};
use cresset_tensor::{Array, Generator, Tensor};

/// Standard normal numbers that depend on the shape alone.
pub fn randn<const N: usize>(shape: [usize; N]) -> Tensor {
    let key: Vec<u64> = shape.iter().map(|&d| d as u64).collect();
    Tensor::randn(shape, &mut Generator::keyed(7, &key))
}

/// Another layout of the same numbers: every second column of a wider buffer.
pub fn strided(x: &Tensor) -> Tensor {
    let last = x.rank() as isize - 1;
    let wide = Tensor::cat(&[&x.unsqueeze(-1), &x.unsqueeze(-1).neg()], -1);
    wide.narrow(last + 1, 0, 1).squeeze(last + 1)
}

#[track_caller]
pub fn assert_close(found: &Array, expected: &Array, tolerance: f32) {
    assert_eq!(found.shape(), expected.shape());
    for (i, (f, e)) in found.to_vec().iter().zip(expected.to_vec()).enumerate() {
        assert!((f - e).abs() <= tolerance * (1.0 + e.abs()), "element {i}: found {f}, expected {e}");
    }
}

/// The value of `f`, and the gradients of its product with a fixed cotangent by all inputs.
pub fn value_and_gradients(f: impl Fn(&[Tensor]) -> Tensor, inputs: &[Tensor]) -> (Array, Vec<Array>) {
    let leaves: Vec<Tensor> = inputs.iter().map(|x| x.detach().requires_grad()).collect();
    let y = f(&leaves);
    y.backward_with(&Tensor::randn(y.shape().clone(), &mut Generator::new(99)));
    let gradients = leaves.iter().map(|x| x.grad().expect("reached").into_array()).collect();
    (y.into_array(), gradients)
}

/// Two functions agree in value and in all gradients.
#[track_caller]
pub fn assert_same(
    fused: impl Fn(&[Tensor]) -> Tensor,
    composed: impl Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    tolerance: f32,
) {
    let (value, gradients) = value_and_gradients(fused, inputs);
    let (expected, expected_gradients) = value_and_gradients(composed, inputs);
    assert_close(&value, &expected, tolerance);
    for (found, expected) in gradients.iter().zip(&expected_gradients) {
        assert_close(found, expected, tolerance);
    }
}

/// The gradients of `f` are right over awkward layouts too.
#[track_caller]
pub fn check(f: impl Fn(&[Tensor]) -> Tensor, inputs: &[Tensor]) {
    if let Err(error) = gradcheck(f, inputs, &GradcheckOptions::default()) {
        panic!("{error}");
    }
}
