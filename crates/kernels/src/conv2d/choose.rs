//! Which algorithm runs: the first of a list whose condition holds.
//!
//! Conditions depend on the geometry alone, never on time or threads, so the same model always gives the same
//! bits on the same machine type.

use super::{Conv2dGeometry, depthwise, single_channel, winograd};
use std::sync::atomic::{AtomicU8, Ordering};

/// A way to compute one pass of a convolution, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Nine weights in registers: 3x3 kernels over one channel, forward and weight gradient.
    SingleChannel,
    /// One kernel a channel: as many groups as channels, all passes.
    Depthwise,
    /// F(4x4, 3x3): a quarter of the multiplications. 3x3 kernels with stride 1 and enough channels.
    Winograd,
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
    pub const ALL: [Algorithm; 4] =
        [Algorithm::SingleChannel, Algorithm::Depthwise, Algorithm::Winograd, Algorithm::ImplicitGemm];

    /// For tables: `winograd`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::SingleChannel => "single channel",
            Algorithm::Depthwise => "depthwise",
            Algorithm::Winograd => "winograd",
            Algorithm::ImplicitGemm => "implicit gemm",
        }
    }

    /// The algorithm for a pass.
    pub fn choose(pass: Pass, g: &Conv2dGeometry) -> Algorithm {
        let applies = |a: &Algorithm| match a {
            Algorithm::SingleChannel => pass != Pass::InputGradient && single_channel::applies(g),
            Algorithm::Depthwise => depthwise::applies(g),
            Algorithm::Winograd => !exact() && winograd_pays(g),
            Algorithm::ImplicitGemm => true,
        };
        Self::ALL.into_iter().find(applies).unwrap_or(Algorithm::ImplicitGemm)
    }
}

/// Fewest tiles over which reading the transformed weights, four times as large, is spread.
const WINOGRAD_TILES: usize = 16;

fn winograd_pays(g: &Conv2dGeometry) -> bool {
    let plain = g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1] && g.groups == 1;
    // The mirrored convolution of the input gradient has the padding that is left of two.
    let padding = g.padding.iter().flatten().all(|&p| p <= 2);
    let channels = [g.in_channels, g.out_channels];
    let channels = channels.iter().all(|&c| c >= 32 && c.is_multiple_of(winograd::CHANNEL_GRANULE));
    let tiles = g.batch * g.out_height().div_ceil(4) * g.out_width().div_ceil(4);
    plain && padding && channels && tiles >= WINOGRAD_TILES
}

const UNSET: u8 = 2;
static EXACT: AtomicU8 = AtomicU8::new(UNSET);

/// Whether convolutions avoid Winograd, which rounds a little more: set by [`set_exact`], else by the
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

/// Makes all convolutions of the process avoid Winograd, or use it again.
pub fn set_exact(exact: bool) {
    EXACT.store(exact as u8, Ordering::Relaxed);
}
