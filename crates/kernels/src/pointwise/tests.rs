use super::*;
use crate::testing::{assert_close, on_any_threads, random};

const SIZES: [usize; 6] = [0, 1, 7, 100, 16 * 1024, 70_001];

/// Runs `f` on outputs of unspecified content and compares with `expected(i)`.
#[track_caller]
fn check(len: usize, relative: f64, f: impl Fn(&mut [f32]) + Sync, expected: impl Fn(usize) -> f64) {
    let y = on_any_threads(|| {
        let mut y = vec![f32::NAN; len];
        f(&mut y);
        y
    });
    assert_close(&y, &(0..len).map(expected).collect::<Vec<_>>(), relative, 0.0, len);
}

fn d(x: f32) -> f64 {
    f64::from(x)
}

#[test]
fn arithmetic_rounds_once() {
    for len in SIZES {
        let (a, b) = (random(len, 1), random(len, 2));
        check(len, 0.0, |y| add(&a, &b, y), |i| d(a[i] + b[i]));
        check(len, 0.0, |y| sub(&a, &b, y), |i| d(a[i] - b[i]));
        check(len, 0.0, |y| mul(&a, &b, y), |i| d(a[i] * b[i]));
        check(len, 0.0, |y| scale(0.3, &a, y), |i| d(0.3 * a[i]));
        check(len, 0.0, |y| copy(&a, y), |i| d(a[i]));
        check(len, 0.0, |y| fill(2.5, y), |_| 2.5);
        let from_a = |f: &(dyn Fn(&mut [f32]) + Sync), y: &mut [f32]| {
            y.copy_from_slice(&a);
            f(y);
        };
        check(len, 0.0, |y| from_a(&|y| add_assign(y, &b), y), |i| d(a[i] + b[i]));
        check(len, 0.0, |y| from_a(&|y| mul_assign(y, &b), y), |i| d(a[i] * b[i]));
        check(len, 0.0, |y| from_a(&|y| scale_in_place(0.3, y), y), |i| d(0.3 * a[i]));
        check(len, 0.0, |y| from_a(&|y| axpy(0.3, &b, y), y), |i| d(a[i] + 0.3 * b[i]));
    }
}

#[test]
fn bias_is_added_to_each_row() {
    for (rows, columns) in [(0, 5), (3, 0), (1, 1), (9, 3), (64, 10), (3, 1000), (20_000, 3), (500, 100)] {
        let (x, bias) = (random(rows * columns, 1), random(columns, 2));
        check(x.len(), 0.0, |y| bias_add(&x, &bias, y), |i| d(x[i] + bias[i % columns]));
        let in_place = |y: &mut [f32]| {
            y.copy_from_slice(&x);
            bias_add_in_place(y, &bias);
        };
        check(x.len(), 0.0, in_place, |i| d(x[i] + bias[i % columns]));
    }
}

#[test]
fn relu_keeps_nan_as_pytorch_does() {
    for len in SIZES {
        let (mut x, dy) = (random(len, 1), random(len, 2));
        x.iter_mut().step_by(5).for_each(|x| *x = 0.0);
        x.iter_mut().skip(3).step_by(17).for_each(|x| *x = f32::NAN);
        let positive = |i: usize| d(if x[i] < 0.0 { 0.0 } else { x[i] });
        check(len, 0.0, |y| relu(&x, y), positive);
        let in_place = |y: &mut [f32]| {
            y.copy_from_slice(&x);
            relu_in_place(y);
        };
        check(len, 0.0, in_place, positive);
        let passed = |i: usize| d(if x[i] <= 0.0 { 0.0 } else { dy[i] });
        check(len, 0.0, |dx| relu_backward(&x, &dy, dx), passed);
        let in_place = |dx: &mut [f32]| {
            dx.copy_from_slice(&dy);
            relu_backward_in_place(&x, dx);
        };
        check(len, 0.0, in_place, passed);
    }
}

/// Arguments over many orders of magnitude, both signs, and what a float can hold beside numbers.
fn arguments() -> Vec<f32> {
    let fine = (-4000..4000).map(|i| i as f32 * 0.00512);
    let coarse = (-300..300).flat_map(|e| [1.0, -1.37].map(|s| s * (e as f32 * 0.125).exp2()));
    let special =
        [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 88.7, -87.3, 103.9, f32::MAX, f32::MIN];
    fine.chain(coarse).chain(special).collect()
}

/// The error function in double precision, by its series or its continued fraction.
fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    let scale = (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI;
    if x < 2.5 {
        let terms = std::iter::successors(Some((x, 1.0)), |&(t, n)| {
            Some((t * x * x * 2.0 / (2.0 * n + 1.0), n + 1.0))
        });
        1.0 - scale * terms.take(100).map(|(t, _)| t).sum::<f64>()
    } else {
        let fraction = (1..200).rev().fold(x, |f, n| x + f64::from(n) * 0.5 / f);
        scale * 0.5 / fraction
    }
}

fn normal(x: f64) -> (f64, f64) {
    let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2), density)
}

fn sigmoid_of(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Compares with double precision within `relative`, and below 1e-30, where numbers get coarse, within 1e-36.
#[track_caller]
fn compare(name: &str, x: &[f32], y: &[f32], f: impl Fn(f64) -> f64, relative: f64) {
    for (&x, &y) in x.iter().zip(y) {
        let expected = f(d(x));
        let rounded = d(expected as f32);
        let same = rounded == d(y) || (expected.is_nan() && y.is_nan());
        let close = (d(y) - expected).abs() <= relative * expected.abs() + 1e-36;
        assert!(same || close, "{name}({x:e}) is {y:e} but expected {expected:e}");
    }
}

#[test]
fn elementary_functions_are_accurate_to_two_units_in_the_last_place() {
    let x = arguments();
    let apply = |f: fn(f32) -> f32| {
        let mut y = vec![9.0; x.len()];
        map(&x, &mut y, f);
        y
    };
    let ulp = d(f32::EPSILON);
    compare("exp", &x, &apply(math::exp), f64::exp, 2.0 * ulp);
    compare("tanh", &x, &apply(math::tanh), f64::tanh, 2.0 * ulp);
    compare("sigmoid", &x, &apply(math::sigmoid), sigmoid_of, 3.0 * ulp);
    let finite: Vec<f32> = x.iter().copied().filter(|x| x.abs() < 13.0).collect();
    let (cdf, pdf): (Vec<f32>, Vec<f32>) = finite.iter().map(|&x| math::normal(x)).unzip();
    compare("normal distribution", &finite, &cdf, |x| normal(x).0, 4.0 * ulp);
    compare("normal density", &finite, &pdf, |x| normal(x).1, 3.0 * ulp);
}

#[test]
fn activations_match_double_precision() {
    let x: Vec<f32> = arguments().into_iter().filter(|x| x.abs() < 80.0).collect();
    let forward = |f: &(dyn Fn(&mut [f32]) + Sync)| {
        on_any_threads(|| {
            let mut y = vec![f32::NAN; x.len()];
            f(&mut y);
            y
        })
    };
    compare("leaky_relu", &x, &forward(&|y| leaky_relu(0.1, &x, y)), |x| x.max(0.1f32 as f64 * x), 1e-7);
    compare("sigmoid", &x, &forward(&|y| sigmoid(&x, y)), sigmoid_of, 1e-6);
    compare("tanh", &x, &forward(&|y| tanh(&x, y)), f64::tanh, 1e-6);
    compare("silu", &x, &forward(&|y| silu(&x, y)), |x| x * sigmoid_of(x), 1e-6);
    compare("gelu", &x, &forward(&|y| gelu(Gelu::Exact, &x, y)), |x| x * normal(x).0, 1e-6);
    // The argument of the exponential has an error in proportion to itself.
    let near: Vec<f32> = x.iter().copied().filter(|x| *x > -4.0).collect();
    let mut y = vec![f32::NAN; near.len()];
    gelu(Gelu::Tanh, &near, &mut y);
    compare("gelu tanh", &near, &y, gelu_tanh, 1e-5);
}

fn gelu_tanh(x: f64) -> f64 {
    let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
    x * sigmoid_of(2.0 * u)
}

/// Gradients against central differences of the formulas in double precision.
#[test]
fn activation_gradients_match_differences() {
    let x: Vec<f32> = (-2000..2000).map(|i| i as f32 * 0.0062 + 0.0013).collect();
    let dy = random(x.len(), 9);
    let check = |name: &str, f: &dyn Fn(f64) -> f64, backward: &(dyn Fn(&mut [f32]) + Sync)| {
        let dx = on_any_threads(|| {
            let mut dx = vec![f32::NAN; x.len()];
            backward(&mut dx);
            dx
        });
        let h = 1e-5;
        let slope = |x: f32| (f(d(x) + h) - f(d(x) - h)) / (2.0 * h);
        let expected: Vec<f64> = x.iter().zip(&dy).map(|(&x, &dy)| d(dy) * slope(x)).collect();
        assert_close(&dx, &expected, 1e-6, 1e-6, name);
    };
    let outputs = |f: fn(f64) -> f64| x.iter().map(|&x| f(d(x)) as f32).collect::<Vec<_>>();
    let (s, t) = (outputs(sigmoid_of), outputs(f64::tanh));
    check("leaky_relu", &|x| x.max(0.25 * x), &|dx| leaky_relu_backward(0.25, &x, &dy, dx));
    check("sigmoid", &sigmoid_of, &|dx| sigmoid_backward(&s, &dy, dx));
    check("tanh", &f64::tanh, &|dx| tanh_backward(&t, &dy, dx));
    check("silu", &|x| x * sigmoid_of(x), &|dx| silu_backward(&x, &dy, dx));
    check("gelu", &|x| x * normal(x).0, &|dx| gelu_backward(Gelu::Exact, &x, &dy, dx));
    check("gelu tanh", &gelu_tanh, &|dx| gelu_backward(Gelu::Tanh, &x, &dy, dx));
}

#[test]
fn bfloat16_is_float32_rounded_once() {
    use crate::testing::{from_bfloat16, to_bfloat16};
    use half::bf16;
    for len in SIZES {
        let [a, b] = [1, 2].map(|seed| to_bfloat16(&random(len, seed)));
        let [wide_a, wide_b] = [&a, &b].map(|v| from_bfloat16(v));
        let rounded = |of: &dyn Fn(&mut [f32])| {
            let mut y = vec![f32::NAN; len];
            of(&mut y);
            to_bfloat16(&y)
        };
        let found = |of: &dyn Fn(&mut [bf16])| {
            let mut y = a.clone();
            of(&mut y);
            y
        };
        let sum = rounded(&|y| add(&wide_a, &wide_b, y));
        assert_eq!(found(&|y| add(&a, &b, y)), sum);
        assert_eq!(found(&|y| add_assign(y, &b)), sum);
        assert_eq!(found(&|y| relu(&b, y)), rounded(&|y| relu(&wide_b, y)));
        let gated = rounded(&|dx| relu_backward(&wide_b, &wide_a, dx));
        assert_eq!(found(&|dx| relu_backward(&b, &a, dx)), gated);
        assert_eq!(found(&|dy| relu_backward_in_place(&b, dy)), gated);
        assert_eq!(found(&|y| convert(&wide_b, y)), b);
        let x = random(len, 3);
        let mut y = vec![f32::NAN; len];
        round_to_bfloat16(&x, &mut y);
        assert_eq!(y, from_bfloat16(&to_bfloat16(&x)));
    }
}
