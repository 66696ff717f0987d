//! Transformed weights, packed for the products over channels.

use super::scheme::Scheme;
use super::transform::{Stride1, Stride2, TapTransform};
use super::{CHANNEL_GRANULE, GAP, WEIGHTS};
use crate::gemm::blocking;
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, MAX_LANES, Simd, dispatch};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Taps in any order of channels.
#[derive(Clone, Copy)]
pub(in crate::conv2d) struct WeightView<'a> {
    /// All of them.
    pub data: &'a [f32],
    /// Channels that are summed over.
    pub inputs: usize,
    /// Channels of the result.
    pub outputs: usize,
    /// Distance between inputs.
    pub input_stride: usize,
    /// Distance between outputs.
    pub output_stride: usize,
    /// Distance between taps.
    pub tap_stride: usize,
    /// Read the taps backwards.
    pub mirrored: bool,
    /// Round them to bfloat16 before anything else.
    pub rounded: bool,
    /// What they are transformed for.
    pub scheme: Scheme,
}

/// How transformed weights lie: for each panel of outputs, for each of the `WEIGHTS * WEIGHTS` of a pair of channels, a row
/// for each input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panels {
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// Outputs of a full panel.
    pub width: usize,
}

impl Panels {
    /// The layout on the instruction set in use.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        struct Width;
        impl Kernel for Width {
            type Out = usize;
            #[inline(always)]
            unsafe fn run<S: Simd>(self) -> usize {
                blocking::panel_width::<S>()
            }
        }
        Self { inputs, outputs, width: dispatch(Width) }
    }

    /// Number of panels.
    pub fn count(&self) -> usize {
        self.outputs.div_ceil(self.width)
    }

    /// First output and number of outputs of a panel.
    #[inline(always)]
    pub fn columns(&self, panel: usize) -> (usize, usize) {
        let first = panel * self.width;
        (first, self.width.min(self.outputs - first))
    }

    /// Where a panel starts; that of the panel after the last is the length of all.
    #[inline(always)]
    pub fn start(&self, panel: usize) -> usize {
        let outputs = (panel * self.width).min(self.outputs);
        WEIGHTS * WEIGHTS * (self.inputs * outputs + GAP * panel)
    }

    /// Where a weight's rows start in its panel.
    #[inline(always)]
    pub fn weight(&self, weight: usize, width: usize) -> usize {
        weight * (self.inputs * width + GAP)
    }

    /// Floats of all panels.
    pub fn len(&self) -> usize {
        self.start(self.count())
    }
}

/// Transforms all weights.
pub(super) fn pack(w: &WeightView, packed: &mut [f32]) {
    let panels = Panels::new(w.inputs, w.outputs);
    assert_eq!(packed.len(), panels.len());
    let packed = DisjointMut::new(packed);
    let at_once = (parallel::MIN_BLOCK / panels.start(1)).max(1);
    parallel::for_each_range(panels.count(), at_once, |range| {
        for panel in range {
            // SAFETY: panels do not overlap.
            let packed = unsafe { packed.slice(panels.start(panel)..panels.start(panel + 1)) };
            pack_panel(w, 0, &panels, panel, packed);
        }
    });
}

/// Calls `f` with the transformed weights of some panels.
pub(super) fn with_packed<R>(
    w: &WeightView,
    first_input: usize,
    layout: &Panels,
    panels: Range<usize>,
    f: impl FnOnce(&[f32]) -> R,
) -> R {
    let base = layout.start(panels.start);
    scratch::with(layout.start(panels.end) - base, |packed: &mut [f32]| {
        for panel in panels {
            let to = layout.start(panel) - base..layout.start(panel + 1) - base;
            pack_panel(w, first_input, layout, panel, &mut packed[to]);
        }
        f(packed)
    })
}

/// Transforms the weights of one panel, for as many inputs as `panels` says from `first_input` on.
fn pack_panel(w: &WeightView, first_input: usize, panels: &Panels, panel: usize, packed: &mut [f32]) {
    let last = (w.inputs - 1) * w.input_stride + (w.outputs - 1) * w.output_stride + 8 * w.tap_stride;
    assert!(last < w.data.len() && first_input + panels.inputs <= w.inputs);
    assert!(panels.inputs.is_multiple_of(CHANNEL_GRANULE) && panels.outputs == w.outputs);
    assert_eq!(packed.len(), panels.start(panel + 1) - panels.start(panel));
    dispatch(Panel { w, first_input, panels, panel, packed });
}

struct Panel<'a> {
    w: &'a WeightView<'a>,
    first_input: usize,
    panels: &'a Panels,
    panel: usize,
    packed: &'a mut [f32],
}

impl Kernel for Panel<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's guarantee.
        unsafe {
            match self.w.scheme {
                Scheme::Stride1 => self.transform::<S, Stride1, 6>(),
                Scheme::Stride2 | Scheme::Stride2Transposed => self.transform::<S, Stride2, 9>(),
            }
        }
    }
}

impl Panel<'_> {
    /// # Safety
    /// The processor has the instruction set of `S`.
    #[inline(always)]
    unsafe fn transform<S: Simd, T: TapTransform<FREQ>, const FREQ: usize>(self) {
        let Panel { w, first_input, panels, panel, packed } = self;
        let (first, width) = panels.columns(panel);
        let row = panels.weight(1, width);
        let mut blocks = [const { MaybeUninit::<f32>::uninit() }; 9 * CHANNEL_GRANULE * MAX_LANES];
        for c in (0..panels.inputs).step_by(CHANNEL_GRANULE) {
            for j in (0..width).step_by(S::LANES) {
                // SAFETY: `pack_panel` checked that all weights exist, that channels come in whole granules, and that
                // `packed` holds a row of `width` floats for each weight and input. `load_block` fills the blocks.
                unsafe {
                    let from = w.data.as_ptr();
                    let from = from.add((first_input + c) * w.input_stride + (first + j) * w.output_stride);
                    let block = |tap: usize| tap * CHANNEL_GRANULE * S::LANES;
                    let blocks = blocks.as_mut_ptr().cast::<f32>();
                    for tap in 0..9 {
                        let from = from.add(if w.mirrored { 8 - tap } else { tap } * w.tap_stride);
                        load_block::<S>(from, w.input_stride, w.output_stride, blocks.add(block(tap)));
                    }
                    for i in 0..CHANNEL_GRANULE {
                        let mut half = [[S::zero(); 3]; WEIGHTS];
                        for column in 0..3 {
                            let mut g = [S::zero(); 3];
                            for (k, g) in g.iter_mut().enumerate() {
                                *g = S::load(blocks.add(block(3 * k + column) + i * S::LANES));
                                if w.rounded {
                                    *g = S::round_bf16(*g);
                                }
                            }
                            for (half, v) in half.iter_mut().zip(T::weight::<S>(g)) {
                                half[column] = v;
                            }
                        }
                        let to = packed.as_mut_ptr().add((c + i) * width + j);
                        for (f, half) in half.into_iter().enumerate() {
                            for (k, v) in T::weight::<S>(half).into_iter().enumerate() {
                                S::store(to.add((f * WEIGHTS + k) * row), v);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Reads `CHANNEL_GRANULE` inputs of `LANES` outputs as (input, output).
///
/// # Safety
/// They are readable, `to` holds as many, and the processor has the instruction set.
#[inline(always)]
unsafe fn load_block<S: Simd>(from: *const f32, input_stride: usize, output_stride: usize, to: *mut f32) {
    // SAFETY: the caller's guarantees.
    unsafe {
        if output_stride == 1 {
            for i in 0..CHANNEL_GRANULE {
                S::prefetch(from.wrapping_add((i + CHANNEL_GRANULE) * input_stride));
                S::store(to.add(i * S::LANES), S::load(from.add(i * input_stride)));
            }
        } else {
            // Inputs are neighbours then.
            for o in 0..S::LANES {
                S::prefetch(from.wrapping_add(o * output_stride + CHANNEL_GRANULE));
            }
            for i in (0..CHANNEL_GRANULE).step_by(S::LANES) {
                S::transpose(from.add(i), output_stride, to.add(i * S::LANES), S::LANES);
            }
        }
    }
}
