//! Which algorithm runs: the first of a list whose condition holds.
//!
//! Conditions depend on the geometry alone, never on time or threads, so the same model always gives the same
//! bits on the same machine type.

use super::{Conv2dGeometry, depthwise, implicit_gemm, single_channel, winograd};
use crate::gemm::method::Floats;
use crate::gemm::strassen;
use crate::simd;
use std::sync::atomic::{AtomicU8, Ordering};

/// A way to compute one pass of a convolution, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Nine weights in registers: 3x3 kernels over one channel, forward and weight gradient.
    SingleChannel,
    /// One kernel a channel: as many groups as channels, all passes.
    Depthwise,
    /// A quarter of the multiplications with stride 1, nine sixteenths with stride 2. 3x3 kernels and enough channels.
    Winograd,
    /// A product of patches with weights, or sums over pixels, of bfloat16 numbers two at a time. Where the processor has an
    /// instruction for it, which beats nine sixteenths of the multiplications, but not a quarter.
    Pairs,
    /// A product of patches with weights in seven eighths of the multiplications, for many rows and channels. Forward and input
    /// gradient.
    Strassen,
    /// A product of patches with weights, for every geometry.
    ImplicitGemm,
}

/// A pass of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Output from input and weight.
    Forward,
    /// Gradient of the input.
    InputGradient,
    /// Gradient of the weight.
    WeightGradient,
}

impl Algorithm {
    /// All of them, best first.
    pub const ALL: [Algorithm; 6] = [
        Algorithm::SingleChannel,
        Algorithm::Depthwise,
        Algorithm::Winograd,
        Algorithm::Pairs,
        Algorithm::Strassen,
        Algorithm::ImplicitGemm,
    ];

    /// For tables: `winograd`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::SingleChannel => "single channel",
            Algorithm::Depthwise => "depthwise",
            Algorithm::Winograd => "winograd",
            Algorithm::Pairs => "pairs",
            Algorithm::Strassen => "strassen",
            Algorithm::ImplicitGemm => "implicit gemm",
        }
    }

    /// The algorithm for a pass in float32.
    pub fn choose(pass: Pass, g: &Conv2dGeometry) -> Algorithm {
        Self::first(pass, g, false)
    }

    /// The algorithm for a pass between activations, or gradients, that are bfloat16.
    pub fn choose_bfloat16(pass: Pass, g: &Conv2dGeometry) -> Algorithm {
        Self::first(pass, g, simd::has_pairs() && pairs_fit(pass, g))
    }

    /// The first that applies; `pairs` says whether products of pairs do.
    fn first(pass: Pass, g: &Conv2dGeometry, pairs: bool) -> Algorithm {
        let applies = |a: &Algorithm| match a {
            Algorithm::SingleChannel => pass != Pass::InputGradient && single_channel::applies(g),
            Algorithm::Depthwise => depthwise::applies(g),
            Algorithm::Winograd => !exact() && winograd_pays(pass, g) && !(pairs && g.stride != [1, 1]),
            Algorithm::Pairs => pairs,
            Algorithm::Strassen => !exact() && strassen_pays(pass, g),
            Algorithm::ImplicitGemm => true,
        };
        Self::ALL.into_iter().find(applies).unwrap_or(Algorithm::ImplicitGemm)
    }

    /// How implicit GEMM computes its products.
    pub(super) fn method(self) -> Floats {
        if self == Algorithm::Strassen { Floats::Strassen } else { Floats::Plain }
    }
}

/// Fewest tiles over which reading the transformed weights, four times as large, is spread.
const WINOGRAD_TILES: usize = 16;

fn winograd_pays(pass: Pass, g: &Conv2dGeometry) -> bool {
    let channels = g.in_channels.min(g.out_channels);
    let tiles = g.batch * g.out_height().div_ceil(4) * g.out_width().div_ceil(4);
    winograd::applies(pass, g) && channels >= 32 && tiles >= WINOGRAD_TILES
}

/// Whether what is summed up comes in pairs: channels, terms of a row of the kernel with few channels, or pixels.
pub(super) fn pairs_fit(pass: Pass, g: &Conv2dGeometry) -> bool {
    let fit = match pass {
        Pass::Forward => g.in_channels.is_multiple_of(2) || implicit_gemm::merges(g),
        Pass::InputGradient => g.out_channels.is_multiple_of(2),
        Pass::WeightGradient => true,
    };
    fit && g.groups == 1
}

/// Fewest rows over which reading the packed weights, seven quarters as large, is spread.
const STRASSEN_ROWS: usize = 192;
/// Fewest columns over which adding up rows is spread.
const STRASSEN_COLUMNS: usize = 256;

fn strassen_pays(pass: Pass, g: &Conv2dGeometry) -> bool {
    let (terms, columns, rows) = match pass {
        Pass::Forward => (g.in_channels, g.out_channels, g.out_height() * g.out_width()),
        // A product for each class of pixels.
        Pass::InputGradient => {
            let class = g.in_height.div_ceil(g.stride[0]) * g.in_width.div_ceil(g.stride[1]);
            (g.out_channels, g.in_channels, class)
        }
        Pass::WeightGradient => return false,
    };
    let large = columns >= STRASSEN_COLUMNS && g.batch * rows >= STRASSEN_ROWS;
    g.groups == 1 && large && strassen::applies(terms, columns)
}

const UNSET: u8 = 2;
static EXACT: AtomicU8 = AtomicU8::new(UNSET);

/// Whether convolutions avoid Winograd and Strassen, who round a little more: set by [`set_exact`], else by the
/// environment variable `CRESSET_EXACT_CONV` (any value but `0` and the empty one).
pub fn exact() -> bool {
    match EXACT.load(Ordering::Relaxed) {
        UNSET => {
            let exact = std::env::var_os("CRESSET_EXACT_CONV").is_some_and(|v| !v.is_empty() && v != "0");
            // A set_exact that comes in between wins.
            let _ = EXACT.compare_exchange(UNSET, exact as u8, Ordering::Relaxed, Ordering::Relaxed);
            EXACT.load(Ordering::Relaxed) == 1
        }
        value => value == 1,
    }
}

/// Makes all convolutions of the process avoid Winograd and Strassen, or use them again.
pub fn set_exact(exact: bool) {
    EXACT.store(exact as u8, Ordering::Relaxed);
}
