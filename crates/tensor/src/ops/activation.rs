//! Smooth activation functions: leaky ReLU, sigmoid, tanh, GELU, SiLU, log-sigmoid.
//!
//! All are one op, [`Activate`], over a type that names the kernel and its gradient.

use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::pointwise;
use std::fmt::Debug;

/// A function of one number and its gradient, on slices of one memory order.
trait Activation: Debug + Send + Sync + 'static {
    const NAME: &'static str;
    /// Whether `backward` wants the output, else the input.
    const FROM_OUTPUT: bool = false;

    fn forward(&self, x: &[f32], y: &mut [f32]);
    fn backward(&self, saved: &[f32], dy: &[f32], dx: &mut [f32]);
}

#[derive(Debug)]
struct Activate<A>(A);

impl<A: Activation> Op<1> for Activate<A> {
    /// The input, or the output if the gradient is simpler from that.
    type Saved = Array;

    fn name(&self) -> &'static str {
        A::NAME
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(x.clone())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Array) {
        let x = x.dense();
        let mut y = Array::empty_like(&x);
        self.0.forward(x.memory(), y.memory_mut());
        let saved = if A::FROM_OUTPUT { y.clone() } else { x };
        (y, saved)
    }

    fn backward(&self, saved: Array, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let grad = grad.in_layout_of(&saved);
        let mut dx = Array::empty_like(&saved);
        self.0.backward(saved.memory(), grad.memory(), dx.memory_mut());
        [Some(dx)]
    }
}

#[derive(Debug)]
struct LeakyRelu {
    slope: f32,
}

impl Activation for LeakyRelu {
    const NAME: &'static str = "leaky_relu";

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        pointwise::leaky_relu(self.slope, x, y);
    }

    fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        pointwise::leaky_relu_backward(self.slope, x, dy, dx);
    }
}

#[derive(Debug)]
struct Sigmoid;

impl Activation for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const FROM_OUTPUT: bool = true;

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        pointwise::sigmoid(x, y);
    }

    fn backward(&self, y: &[f32], dy: &[f32], dx: &mut [f32]) {
        pointwise::sigmoid_backward(y, dy, dx);
    }
}

#[derive(Debug)]
struct Tanh;

impl Activation for Tanh {
    const NAME: &'static str = "tanh";
    const FROM_OUTPUT: bool = true;

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        pointwise::tanh(x, y);
    }

    fn backward(&self, y: &[f32], dy: &[f32], dx: &mut [f32]) {
        pointwise::tanh_backward(y, dy, dx);
    }
}

impl Activation for pointwise::Gelu {
    const NAME: &'static str = "gelu";

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        pointwise::gelu(*self, x, y);
    }

    fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        pointwise::gelu_backward(*self, x, dy, dx);
    }
}

#[derive(Debug)]
struct Silu;

impl Activation for Silu {
    const NAME: &'static str = "silu";

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        pointwise::silu(x, y);
    }

    fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        pointwise::silu_backward(x, dy, dx);
    }
}

/// For losses only: a plain loop will do.
#[derive(Debug)]
struct LogSigmoid;

impl Activation for LogSigmoid {
    const NAME: &'static str = "log_sigmoid";

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = x.min(0.0) - (-x.abs()).exp().ln_1p());
    }

    fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.iter_mut().zip(x).zip(dy).for_each(|((dx, x), dy)| *dx = dy / (1.0 + x.exp()));
    }
}

/// # Activation functions
impl Tensor {
    /// `x` where positive, else `slope * x`. PyTorch's default slope is 0.01.
    #[track_caller]
    pub fn leaky_relu(&self, slope: f32) -> Tensor {
        apply(Activate(LeakyRelu { slope }), [self])
    }

    /// `1 / (1 + exp(-x))`
    #[track_caller]
    pub fn sigmoid(&self) -> Tensor {
        apply(Activate(Sigmoid), [self])
    }

    /// Hyperbolic tangent.
    #[track_caller]
    pub fn tanh(&self) -> Tensor {
        apply(Activate(Tanh), [self])
    }

    /// Gaussian error linear unit, `x * Phi(x)` with the exact normal distribution function (Hendrycks and
    /// Gimpel, 2016).
    #[track_caller]
    pub fn gelu(&self) -> Tensor {
        apply(Activate(pointwise::Gelu::Exact), [self])
    }

    /// [`gelu`](Self::gelu) by the formula with tanh, PyTorch's `approximate="tanh"`.
    #[track_caller]
    pub fn gelu_tanh(&self) -> Tensor {
        apply(Activate(pointwise::Gelu::Tanh), [self])
    }

    /// `log(1 / (1 + exp(-x)))`, without overflow for large `-x`.
    #[track_caller]
    pub fn log_sigmoid(&self) -> Tensor {
        apply(Activate(LogSigmoid), [self])
    }

    /// `x * sigmoid(x)`, also called swish.
    #[track_caller]
    pub fn silu(&self) -> Tensor {
        apply(Activate(Silu), [self])
    }
}
