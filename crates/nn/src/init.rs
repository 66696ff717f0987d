//! Initial values, as `torch.nn.init`: each function overwrites a parameter with numbers from a generator.
//!
//! ```
//! use cresset_nn::{Conv2d, init};
//! use cresset_tensor::Generator;
//!
//! let mut rng = Generator::new(0);
//! let conv = Conv2d::builder(64, 128, 3).bias(false).build(&mut rng);
//! init::kaiming_normal(&conv.weight, init::Fan::Out, init::Nonlinearity::Relu, &mut rng);
//! ```

use crate::Param;
use cresset_tensor::{Array, Generator, Shape};

/// The function after a layer, for the scale that keeps the variance of its output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nonlinearity {
    /// None: a linear layer or convolution alone.
    Linear,
    /// Logistic function.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Rectified linear unit.
    Relu,
    /// Leaky ReLU of this slope for negative numbers; PyTorch's default is 0.01.
    LeakyRelu(f64),
    /// Scaled exponential linear unit.
    Selu,
}

/// The recommended gain for a nonlinearity, as `torch.nn.init.calculate_gain`.
pub fn calculate_gain(nonlinearity: Nonlinearity) -> f64 {
    match nonlinearity {
        Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
        Nonlinearity::Tanh => 5.0 / 3.0,
        Nonlinearity::Relu => 2f64.sqrt(),
        Nonlinearity::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
        Nonlinearity::Selu => 0.75,
    }
}

/// Which number of connections keeps its variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Inputs of an output: the forward pass keeps its variance.
    In,
    /// Outputs of an input: the backward pass keeps its variance.
    Out,
}

/// Inputs an output and outputs an input of a weight (out, in, kernel...).
///
/// # Panics
/// If the weight has fewer than 2 dimensions.
#[track_caller]
pub fn fan_in_and_fan_out(shape: &Shape) -> (usize, usize) {
    assert!(shape.rank() >= 2, "init: fans need a weight (out, in, ...), found shape {shape}");
    let receptive: usize = shape[2..].iter().product();
    (shape[1] * receptive, shape[0] * receptive)
}

/// Normal numbers.
pub fn normal(param: &Param, mean: f32, std: f32, rng: &mut Generator) {
    param.set(rng.fill(param.shape(), |rng| mean + std * rng.normal()));
}

/// Uniform numbers from [low, high).
pub fn uniform(param: &Param, low: f32, high: f32, rng: &mut Generator) {
    param.set(rng.fill(param.shape(), |rng| low + (high - low) * rng.uniform()));
}

/// All elements `value`.
pub fn constant(param: &Param, value: f32) {
    param.set(Array::full(param.shape(), value));
}

/// All zeros.
pub fn zeros(param: &Param) {
    constant(param, 0.0);
}

/// All ones.
pub fn ones(param: &Param) {
    constant(param, 1.0);
}

/// He initialization, normal: standard deviation gain / √fan (He et al., 2015).
///
/// # Panics
/// If the parameter has fewer than 2 dimensions.
#[track_caller]
pub fn kaiming_normal(param: &Param, fan: Fan, nonlinearity: Nonlinearity, rng: &mut Generator) {
    normal(param, 0.0, kaiming_std(&param.shape(), fan, nonlinearity) as f32, rng);
}

/// He initialization, uniform in ±√3 gain / √fan (He et al., 2015).
///
/// # Panics
/// If the parameter has fewer than 2 dimensions.
#[track_caller]
pub fn kaiming_uniform(param: &Param, fan: Fan, nonlinearity: Nonlinearity, rng: &mut Generator) {
    symmetric(param, 3f64.sqrt() * kaiming_std(&param.shape(), fan, nonlinearity), rng);
}

#[track_caller]
fn kaiming_std(shape: &Shape, fan: Fan, nonlinearity: Nonlinearity) -> f64 {
    let (fan_in, fan_out) = fan_in_and_fan_out(shape);
    let fan = if fan == Fan::In { fan_in } else { fan_out };
    calculate_gain(nonlinearity) / (fan as f64).sqrt()
}

/// Glorot initialization, normal: standard deviation gain √(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010).
///
/// # Panics
/// If the parameter has fewer than 2 dimensions.
#[track_caller]
pub fn xavier_normal(param: &Param, gain: f64, rng: &mut Generator) {
    normal(param, 0.0, xavier_std(&param.shape(), gain) as f32, rng);
}

/// Glorot initialization, uniform in ±gain √(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010).
///
/// # Panics
/// If the parameter has fewer than 2 dimensions.
#[track_caller]
pub fn xavier_uniform(param: &Param, gain: f64, rng: &mut Generator) {
    symmetric(param, 3f64.sqrt() * xavier_std(&param.shape(), gain), rng);
}

#[track_caller]
fn xavier_std(shape: &Shape, gain: f64) -> f64 {
    let (fan_in, fan_out) = fan_in_and_fan_out(shape);
    gain * (2.0 / (fan_in + fan_out) as f64).sqrt()
}

/// Uniform in ±bound.
fn symmetric(param: &Param, bound: f64, rng: &mut Generator) {
    uniform(param, -bound as f32, bound as f32, rng);
}

/// Normal numbers, of which only those from `low` to `high` are taken.
///
/// # Panics
/// If `std` is not positive or `low` is not below `high`.
#[track_caller]
pub fn trunc_normal(param: &Param, mean: f32, std: f32, low: f32, high: f32, rng: &mut Generator) {
    assert!(
        std > 0.0 && low < high,
        "trunc_normal: expected std > 0 and low < high, found std {std} and [{low}, {high}]"
    );
    let standard = |bound: f32| (f64::from(bound) - f64::from(mean)) / f64::from(std);
    let (a, b) = (standard(low), standard(high));
    let draw = |rng: &mut Generator| {
        // Rounding must not lead out of the interval.
        ((f64::from(mean) + f64::from(std) * truncated_standard_normal(a, b, rng)) as f32).clamp(low, high)
    };
    param.set(rng.fill(param.shape(), draw));
}

/// A standard normal number between `a` and `b`, by rejection from whichever proposal wastes little.
fn truncated_standard_normal(a: f64, b: f64, rng: &mut Generator) -> f64 {
    let wide = b - a > (2.0 * std::f64::consts::PI).sqrt();
    if a <= 0.0 && b >= 0.0 && wide {
        loop {
            let x = f64::from(rng.normal());
            if (a..=b).contains(&x) {
                return x;
            }
        }
    }
    // Uniform between the bounds, accepted by the density relative to its peak. In a tail, beyond 40 times the
    // scale on which the density falls, nothing is left.
    let peak = 0f64.clamp(a, b);
    let reach = 40.0 / peak.abs().max(1.0);
    let (a, b) = (a.max(peak - reach), b.min(peak + reach));
    loop {
        let x = a + (b - a) * f64::from(rng.uniform());
        if f64::from(rng.uniform()) < ((peak * peak - x * x) / 2.0).exp() {
            return x;
        }
    }
}

/// A random matrix (out, rest) with orthogonal rows, or columns if there are fewer of them, of length `gain`
/// (Saxe et al., 2013).
///
/// # Panics
/// If the parameter has fewer than 2 dimensions.
#[track_caller]
pub fn orthogonal(param: &Param, gain: f32, rng: &mut Generator) {
    let shape = param.shape();
    assert!(shape.rank() >= 2, "orthogonal: expected a weight (out, in, ...), found shape {shape}");
    let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
    let (count, length) = (rows.min(columns), rows.max(columns));
    let basis = orthonormal(count, length, rng);
    let at = |r: usize, c: usize| if rows <= columns { basis[r][c] } else { basis[c][r] };
    let values = (0..rows * columns).map(|i| gain * at(i / columns, i % columns) as f32).collect();
    param.set(Array::from_vec(values, shape));
}

/// `count` random orthonormal vectors, uniformly distributed: Gram-Schmidt of normal vectors, done twice over to
/// be orthogonal to rounding.
fn orthonormal(count: usize, length: usize, rng: &mut Generator) -> Vec<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut v: Vec<f64> = (0..length).map(|_| f64::from(rng.normal())).collect();
        for b in basis.iter().chain(&basis) {
            let along = dot(&v, b);
            v.iter_mut().zip(b).for_each(|(v, b)| *v -= along * b);
        }
        let norm = dot(&v, &v).sqrt();
        // A vector that happens to lie in the span of the others is drawn again.
        if norm > 1e-6 {
            v.iter_mut().for_each(|v| *v /= norm);
            basis.push(v);
        }
    }
    basis
}

/// PyTorch's initialization of convolutions and linear layers: weight and bias uniform in ±1/√fan_in.
pub(crate) fn layer_default(weight: &Param, bias: Option<&Param>, rng: &mut Generator) {
    let (fan_in, _) = fan_in_and_fan_out(&weight.shape());
    let bound = 1.0 / (fan_in as f64).sqrt();
    symmetric(weight, bound, rng);
    if let Some(bias) = bias {
        symmetric(bias, bound, rng);
    }
}
