//! Products of bfloat16 numbers as they are, two at a time, for processors with an instruction for it.
//!
//! To the loops around the micro-kernel a pair of neighbouring channels is one element of 32 bits: they move it as they
//! move a float, and only the micro-kernel knows what it is. A channel count halves, and so does the work.

use super::super::choose::{Algorithm, Pass};
use super::super::{Conv2dGeometry, Epilogue, implicit_gemm};
use crate::gemm::micro_kernel::Pairs;
use crate::{scratch, simd};
use half::bf16;

/// Whether this way is taken: where products are not Winograd's anyway, and channels that are summed over come in pairs.
pub fn applies(pass: Pass, g: &Conv2dGeometry, operand: &[bf16]) -> bool {
    simd::has_pairs()
        && matches!(Algorithm::choose(pass, g), Algorithm::ImplicitGemm | Algorithm::Strassen)
        && fits(pass, g)
        && bytemuck::try_cast_slice::<bf16, f32>(operand).is_ok()
}

/// Whether the channels that are summed over come in pairs.
pub fn fits(pass: Pass, g: &Conv2dGeometry) -> bool {
    let summed = if pass == Pass::InputGradient { g.out_channels } else { g.in_channels };
    pass != Pass::WeightGradient && g.groups == 1 && summed.is_multiple_of(2)
}

/// [`forward`](super::forward). `w` (O, kh, kw, C) are weights as bfloat16.
pub fn forward(g: &Conv2dGeometry, x: &[bf16], w: &[bf16], epilogue: Epilogue<bf16>, y: &mut [bf16]) {
    let halved = Conv2dGeometry { in_channels: g.in_channels / 2, ..*g };
    let (x, w) = (bytemuck::cast_slice(x), bytemuck::cast_slice(w));
    implicit_gemm::forward(&halved, x, w, Pairs, epilogue, y);
}

/// [`input_gradient`](super::input_gradient), for weights whose [rows are pairs](with_paired_rows).
pub fn input_gradient(g: &Conv2dGeometry, dy: &[bf16], w: &[f32], dx: &mut [bf16], accumulate: bool) {
    let halved = Conv2dGeometry { out_channels: g.out_channels / 2, ..*g };
    implicit_gemm::input_gradient(&halved, bytemuck::cast_slice(dy), w, Pairs, dx, accumulate);
}

/// Calls `f` with the weights of output channels 2i and 2i + 1 side by side: (O / 2, kh, kw, C) pairs.
pub fn with_paired_rows<R>(g: &Conv2dGeometry, w: &[bf16], f: impl FnOnce(&[f32]) -> R) -> R {
    let row = g.kernel_len();
    scratch::with(w.len() / 2, |pairs: &mut [f32]| {
        for (pairs, w) in pairs.chunks_exact_mut(row).zip(w.chunks_exact(2 * row)) {
            let (first, second) = w.split_at(row);
            for (pair, (a, b)) in pairs.iter_mut().zip(first.iter().zip(second)) {
                *pair = bytemuck::cast([*a, *b]);
            }
        }
        f(pairs)
    })
}
