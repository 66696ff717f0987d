//! Random inputs, gradient checks and comparisons.

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

/// Gradients against central differences, summed in double precision.
#[track_caller]
pub fn check(f: impl Fn(&[Tensor]) -> Tensor, inputs: &[Tensor]) {
    let (y, grads) = value_and_gradients(&f, inputs);
    let cot = Tensor::randn(y.shape().clone(), &mut Generator::new(99)).to_vec();
    for (i, g) in grads.iter().enumerate() {
        let base = inputs[i].to_vec();
        for (j, g) in g.to_vec().iter().enumerate() {
            let at = |d: f32| -> f64 {
                let mut t = inputs.to_vec();
                let mut v = base.clone();
                v[j] += d;
                t[i] = Tensor::from_vec(v, inputs[i].shape().clone());
                f(&t).to_vec().iter().zip(&cot).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let e = 4e-3;
            let n = ((at(e) - at(-e)) / (2.0 * f64::from(e))) as f32;
            assert!((n - g).abs() < 3e-3 * (1.0 + n.abs().max(g.abs())), "input {i} element {j}: {g} vs {n}");
        }
    }
}
