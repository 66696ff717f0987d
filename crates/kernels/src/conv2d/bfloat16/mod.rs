//! Convolution of activations that are stored as bfloat16, for training in mixed precision.
//!
//! Operands are bfloat16 numbers, the weights rounded to them from their float32 masters; products and sums are
//! float32, and only what goes back to memory is rounded. Winograd's transforms, and sums over pixels, read and write
//! bfloat16 themselves. Processors with dot products of bfloat16 numbers (AVX512_BF16) multiply them in pairs, unless
//! Winograd's algorithm saves more multiplications than they do ([`Algorithm::choose_bfloat16`]). What is left is widened a
//! few images at a time, computed with the algorithm that float32 would take, and rounded while it is still in cache:
//! memory sees half the bytes.
//!
//! Accuracy: that of the algorithm in float32, and one rounding of the result (`2^-9` of it). Where a row of the kernel reads an
//! odd number of elements (stems), its last pair takes the element behind them, times zero: if that is NaN or infinite the
//! result is NaN, one pixel further than in float32.

#[cfg(test)]
mod tests;

use super::choose::{Algorithm, Pass};
use super::{Conv2dGeometry, bias, forward_by, implicit_gemm, winograd};
use crate::gemm::Epilogue;
use crate::gemm::micro_kernel::{Pairs, Singles};
use crate::gemm::statistics::column_statistics;
use crate::{pointwise, scratch};
use half::bf16;
use std::ops::Range;

/// Numbers of input and output that are widened at once: they stay in a processor's last cache. Tests have several
/// parts of small images.
const CACHED: usize = if cfg!(test) { 4096 } else { 2 << 20 };

/// Images that are computed at once.
fn images(g: &Conv2dGeometry) -> usize {
    let numbers = (g.in_len() + g.out_len()) / g.batch.max(1);
    (CACHED / numbers.max(1)).max(1)
}

/// Calls `f` with the geometry of each few images, and where their inputs and outputs lie.
fn for_each_part(g: &Conv2dGeometry, mut f: impl FnMut(&Conv2dGeometry, Range<usize>, Range<usize>)) {
    let (step, [x, y]) = (images(g), [g.in_len(), g.out_len()].map(|len| len / g.batch.max(1)));
    for start in (0..g.batch).step_by(step) {
        let end = g.batch.min(start + step);
        f(&Conv2dGeometry { batch: end - start, ..*g }, start * x..end * x, start * y..end * y);
    }
}

/// Calls `f` with the weights rounded to bfloat16.
fn with_rounded<R>(w: &[f32], f: impl FnOnce(&[f32]) -> R) -> R {
    scratch::with(w.len(), |rounded: &mut [f32]| {
        pointwise::round_to_bfloat16(w, rounded);
        f(rounded)
    })
}

/// Calls `f` with the same numbers as float32.
fn with_widened<R>(x: &[bf16], f: impl FnOnce(&[f32]) -> R) -> R {
    scratch::with(x.len(), |wide: &mut [f32]| {
        pointwise::convert(x, wide);
        f(wide)
    })
}

/// [`conv2d::forward`](super::forward) from and to bfloat16. Statistics are those of the rounded result.
///
/// # Panics
/// When the geometry is invalid or a slice has another length than it says.
#[track_caller]
pub fn forward(g: &Conv2dGeometry, x: &[bf16], w: &[f32], epilogue: Epilogue<bf16>, y: &mut [bf16]) {
    g.check("conv2d::bfloat16::forward", x.len(), w.len(), y.len());
    match Algorithm::choose_bfloat16(Pass::Forward, g) {
        Algorithm::Winograd => winograd::forward(g, x, w, epilogue, y),
        Algorithm::Pairs => implicit_gemm::forward(g, x, w, Pairs, epilogue, y),
        algorithm => with_rounded(w, |w| {
            forward_in_parts(g, epilogue, y, |part, of_x, epilogue, y| {
                with_widened(&x[of_x], |x| forward_by(algorithm, part, x, w, epilogue, y));
            });
        }),
    }
}

/// Has each part computed in float32, by its geometry and the range of its input, then rounded.
fn forward_in_parts(
    g: &Conv2dGeometry,
    epilogue: Epilogue<bf16>,
    y: &mut [bf16],
    compute: impl Fn(&Conv2dGeometry, Range<usize>, Epilogue, &mut [f32]),
) {
    let Epilogue { bias, add, relu, statistics } = epilogue;
    for_each_part(g, |part, of_x, of_y| {
        scratch::with(of_y.len(), |wide: &mut [f32]| {
            let to = |add: Option<&[f32]>| {
                compute(part, of_x, Epilogue { bias, add, relu, statistics: None }, wide);
            };
            match add {
                Some(add) => with_widened(&add[of_y.clone()], |add| to(Some(add))),
                None => to(None),
            }
            pointwise::convert(wide, &mut y[of_y]);
        });
    });
    if let Some(statistics) = statistics {
        column_statistics(y, statistics);
    }
}

/// [`conv2d::input_gradient`](super::input_gradient) from and to bfloat16; added to what `dx` holds if `accumulate`.
///
/// # Panics
/// As [`forward`].
#[track_caller]
pub fn input_gradient(g: &Conv2dGeometry, dy: &[bf16], w: &[f32], dx: &mut [bf16], accumulate: bool) {
    g.check("conv2d::bfloat16::input_gradient", dx.len(), w.len(), dy.len());
    let gradient = if accumulate { super::add_input_gradient } else { super::input_gradient };
    match Algorithm::choose_bfloat16(Pass::InputGradient, g) {
        Algorithm::Winograd => winograd::input_gradient(g, dy, w, dx, accumulate),
        Algorithm::Pairs => implicit_gemm::input_gradient(g, dy, w, Pairs, dx, accumulate),
        _ => with_rounded(w, |w| {
            gradient_in_parts(g, dx, accumulate, |part, of_y, dx| {
                with_widened(&dy[of_y], |dy| gradient(part, dy, w, dx));
            });
        }),
    }
}

/// Has each part computed in float32, by its geometry and the range of its output gradient, then rounded.
fn gradient_in_parts(
    g: &Conv2dGeometry,
    dx: &mut [bf16],
    accumulate: bool,
    compute: impl Fn(&Conv2dGeometry, Range<usize>, &mut [f32]),
) {
    for_each_part(g, |part, of_x, of_y| {
        let dx = &mut dx[of_x];
        scratch::with(dx.len(), |wide: &mut [f32]| {
            if accumulate {
                pointwise::convert(dx, wide);
            }
            compute(part, of_y, wide);
            pointwise::convert(wide, dx);
        });
    });
}

/// [`conv2d::weight_gradient`](super::weight_gradient) of bfloat16 operands, in float32.
///
/// # Panics
/// As [`forward`].
#[track_caller]
pub fn weight_gradient(g: &Conv2dGeometry, x: &[bf16], dy: &[bf16], dw: &mut [f32]) {
    g.check("conv2d::bfloat16::weight_gradient", x.len(), dw.len(), dy.len());
    match Algorithm::choose_bfloat16(Pass::WeightGradient, g) {
        Algorithm::Winograd => winograd::weight_gradient(g, x, dy, dw),
        Algorithm::Pairs => implicit_gemm::weight_gradient::<bf16, Pairs>(g, x, dy, dw),
        Algorithm::Strassen | Algorithm::ImplicitGemm => {
            implicit_gemm::weight_gradient::<bf16, Singles>(g, x, dy, dw);
        }
        Algorithm::SingleChannel | Algorithm::Depthwise => {
            dw.fill(0.0);
            for_each_part(g, |part, of_x, of_y| {
                with_widened(&x[of_x], |x| {
                    with_widened(&dy[of_y], |dy| {
                        scratch::with(dw.len(), |more: &mut [f32]| {
                            super::weight_gradient(part, x, dy, more);
                            pointwise::add_assign(dw, more);
                        });
                    });
                });
            });
        }
    }
}

/// [`conv2d::bias_gradient`](super::bias_gradient) of a bfloat16 gradient, in float32.
///
/// # Panics
/// When a slice has another length than the geometry says.
#[track_caller]
pub fn bias_gradient(g: &Conv2dGeometry, dy: &[bf16], db: &mut [f32]) {
    assert_eq!(dy.len(), g.out_len(), "conv2d::bfloat16::bias_gradient: the gradient does not fit {g:?}");
    assert_eq!(db.len(), g.out_channels, "conv2d::bfloat16::bias_gradient: one bias an output channel");
    db.fill(0.0);
    for_each_part(g, |_, _, of_y| {
        with_widened(&dy[of_y], |dy| {
            scratch::with(db.len(), |more: &mut [f32]| {
                bias::sum_of_rows(dy, more);
                pointwise::add_assign(db, more);
            });
        });
    });
}
