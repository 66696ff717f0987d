//! Two-dimensional convolution and its gradients, as `torch.nn.functional.conv2d`.
//!
//! Arrays are dense: inputs (N, H, W, C), weights (O, kh, kw, C / groups), outputs (N, Ho, Wo, O).
//! Every function overwrites its output, which may hold anything before.

pub mod bfloat16;
mod bias;
pub mod choose;
mod depthwise;
mod geometry;
mod implicit_gemm;
pub mod oracle;
mod pad;
mod prepared;
mod single_channel;
#[cfg(test)]
mod tests;
mod winograd;

pub use crate::gemm::{ColumnStatistics, Epilogue};
pub use choose::{exact, set_exact};
pub use geometry::Conv2dGeometry;
pub use prepared::PreparedConv2d;

use crate::gemm::micro_kernel::Singles;
use crate::gemm::statistics::column_statistics;
use crate::{pointwise, scratch};
use choose::{Algorithm, Pass};

/// `y = conv2d(x, w)`, then the epilogue (whose columns are output channels).
///
/// # Panics
/// When the geometry is invalid or a slice has another length than it says.
#[track_caller]
pub fn forward(g: &Conv2dGeometry, x: &[f32], w: &[f32], epilogue: Epilogue, y: &mut [f32]) {
    g.check("conv2d::forward", x.len(), w.len(), y.len());
    forward_by(Algorithm::choose(Pass::Forward, g), g, x, w, epilogue, y);
}

fn forward_by(
    algorithm: Algorithm,
    g: &Conv2dGeometry,
    x: &[f32],
    w: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    let Epilogue { bias, add, relu, statistics } = epilogue;
    let plain = Epilogue { bias, add, relu, statistics: None };
    match algorithm {
        Algorithm::SingleChannel => single_channel::forward(g, x, w, plain, y),
        Algorithm::Depthwise => depthwise::forward(g, x, w, plain, y),
        Algorithm::Winograd => return winograd::forward(g, x, w, Epilogue { statistics, ..plain }, y),
        Algorithm::Strassen | Algorithm::ImplicitGemm | Algorithm::Pairs => {
            let epilogue = Epilogue { statistics, ..plain };
            return implicit_gemm::forward(g, x, w, algorithm.method(), epilogue, y);
        }
    }
    if let Some(statistics) = statistics {
        column_statistics(y, statistics);
    }
}

/// The gradient of the input: `dx = conv_transpose2d(dy, w)`.
///
/// # Panics
/// As [`forward`].
#[track_caller]
pub fn input_gradient(g: &Conv2dGeometry, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    g.check("conv2d::input_gradient", dx.len(), w.len(), dy.len());
    write_input_gradient(g, dy, w, dx, false);
}

/// Adds the [`input_gradient`] to what other ops have sent to the same input.
///
/// # Panics
/// As [`forward`].
#[track_caller]
pub fn add_input_gradient(g: &Conv2dGeometry, dy: &[f32], w: &[f32], sum: &mut [f32]) {
    g.check("conv2d::add_input_gradient", sum.len(), w.len(), dy.len());
    write_input_gradient(g, dy, w, sum, true);
}

fn write_input_gradient(g: &Conv2dGeometry, dy: &[f32], w: &[f32], dx: &mut [f32], accumulate: bool) {
    let algorithm = Algorithm::choose(Pass::InputGradient, g);
    match algorithm {
        Algorithm::Winograd => winograd::input_gradient(g, dy, w, dx, accumulate),
        Algorithm::Depthwise if accumulate => scratch::with(dx.len(), |term: &mut [f32]| {
            depthwise::input_gradient(g, dy, w, term);
            pointwise::add_assign(dx, term);
        }),
        Algorithm::Depthwise => depthwise::input_gradient(g, dy, w, dx),
        Algorithm::SingleChannel | Algorithm::Strassen | Algorithm::ImplicitGemm | Algorithm::Pairs => {
            implicit_gemm::input_gradient(g, dy, w, algorithm.method(), dx, accumulate);
        }
    }
}

/// The gradient of the weight.
///
/// # Panics
/// As [`forward`].
#[track_caller]
pub fn weight_gradient(g: &Conv2dGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    g.check("conv2d::weight_gradient", x.len(), dw.len(), dy.len());
    match Algorithm::choose(Pass::WeightGradient, g) {
        Algorithm::Winograd => winograd::weight_gradient(g, x, dy, dw),
        Algorithm::Depthwise => depthwise::weight_gradient(g, x, dy, dw),
        Algorithm::SingleChannel => single_channel::weight_gradient(g, x, dy, dw),
        Algorithm::Strassen | Algorithm::ImplicitGemm | Algorithm::Pairs => {
            implicit_gemm::weight_gradient::<f32, Singles>(g, x, dy, dw);
        }
    }
}

/// The gradient of the bias: the sum of `dy` over images and pixels.
///
/// # Panics
/// When a slice has another length than the geometry says.
#[track_caller]
pub fn bias_gradient(g: &Conv2dGeometry, dy: &[f32], db: &mut [f32]) {
    assert_eq!(dy.len(), g.out_len(), "conv2d::bias_gradient: the output gradient does not fit {g:?}");
    assert_eq!(db.len(), g.out_channels, "conv2d::bias_gradient: one bias an output channel");
    bias::sum_of_rows(dy, db);
}
