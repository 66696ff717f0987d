//! Smooth activation functions and their gradients, accurate to about 1e-6 relative.

use super::{map, map2, math};

/// `y = x > 0 ? x : slope * x`
#[track_caller]
pub fn leaky_relu(slope: f32, x: &[f32], y: &mut [f32]) {
    map(x, y, |x| if x > 0.0 { x } else { slope * x });
}

/// Gradient of [`leaky_relu`] from its input: `dx = x > 0 ? dy : slope * dy`.
#[track_caller]
pub fn leaky_relu_backward(slope: f32, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map2(dy, x, dx, |dy, x| if x > 0.0 { dy } else { slope * dy });
}

/// `y = 1 / (1 + exp(-x))`
#[track_caller]
pub fn sigmoid(x: &[f32], y: &mut [f32]) {
    map(x, y, math::sigmoid);
}

/// Gradient of [`sigmoid`] from its output: `dx = dy * y * (1 - y)`.
#[track_caller]
pub fn sigmoid_backward(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    map2(dy, y, dx, |dy, y| dy * y * (1.0 - y));
}

/// `y = tanh(x)`
#[track_caller]
pub fn tanh(x: &[f32], y: &mut [f32]) {
    map(x, y, math::tanh);
}

/// Gradient of [`tanh()`] from its output: `dx = dy * (1 - y^2)`.
#[track_caller]
pub fn tanh_backward(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    map2(dy, y, dx, |dy, y| dy * (1.0 - y * y));
}

/// `y = x * sigmoid(x)`, also called swish.
#[track_caller]
pub fn silu(x: &[f32], y: &mut [f32]) {
    map(
        x,
        y,
        #[inline(always)]
        |x| x * math::sigmoid(x),
    );
}

/// Gradient of [`silu`] from its input: `dx = dy * (s + x * s * (1 - s))` with `s = sigmoid(x)`.
#[track_caller]
pub fn silu_backward(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map2(
        dy,
        x,
        dx,
        #[inline(always)]
        |dy, x| {
            let (s, slope) = math::sigmoid_and_slope(x);
            dy * (s + x * slope)
        },
    );
}

/// Which formula of the Gaussian error linear unit (Hendrycks and Gimpel, 2016).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gelu {
    /// `x * Phi(x)` with the exact normal distribution function; PyTorch's default.
    #[default]
    Exact,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`; PyTorch's `approximate="tanh"`.
    Tanh,
}

/// Gaussian error linear unit.
#[track_caller]
pub fn gelu(formula: Gelu, x: &[f32], y: &mut [f32]) {
    match formula {
        Gelu::Exact => map(
            x,
            y,
            #[inline(always)]
            |x| x * math::normal(x).0,
        ),
        Gelu::Tanh => map(
            x,
            y,
            #[inline(always)]
            |x| x * math::sigmoid(tanh_argument(x)),
        ),
    }
}

/// Gradient of [`gelu`] from its input.
#[track_caller]
pub fn gelu_backward(formula: Gelu, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    match formula {
        Gelu::Exact => map2(
            dy,
            x,
            dx,
            #[inline(always)]
            |dy, x| {
                let (distribution, density) = math::normal(x);
                dy * (distribution + x * density)
            },
        ),
        Gelu::Tanh => map2(
            dy,
            x,
            dx,
            #[inline(always)]
            |dy, x| {
                let (s, slope) = math::sigmoid_and_slope(tanh_argument(x));
                let inner = 2.0 * SQRT_2_OVER_PI + (6.0 * SQRT_2_OVER_PI * CUBIC) * (x * x);
                dy * (s + x * (slope * inner))
            },
        ),
    }
}

const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044715;

/// Twice the argument of tanh: `(1 + tanh(u)) / 2` is `sigmoid(2 u)`, which loses no digits for negative `u`.
#[inline(always)]
fn tanh_argument(x: f32) -> f32 {
    2.0 * SQRT_2_OVER_PI * (x + CUBIC * (x * x * x))
}
