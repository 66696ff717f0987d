//! Transformed weights, packed for the products over channels.

use super::scheme::Scheme;
use super::transform::{Stride1, Stride2, TapTransform};
use super::{CHANNEL_GRANULE, GAP, WEIGHTS};
use crate::gemm::blocking;
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd, dispatch};

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
            pack_panel(w, &panels, panel, packed);
        }
    });
}

/// Transforms the weights of one panel.
pub(super) fn pack_panel(w: &WeightView, panels: &Panels, panel: usize, packed: &mut [f32]) {
    let last = (w.inputs - 1) * w.input_stride + (w.outputs - 1) * w.output_stride + 8 * w.tap_stride;
    assert!(last < w.data.len() && w.inputs.is_multiple_of(CHANNEL_GRANULE));
    assert_eq!(packed.len(), panels.start(panel + 1) - panels.start(panel));
    dispatch(Panel { w, panels, panel, packed });
}

struct Panel<'a> {
    w: &'a WeightView<'a>,
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
        let Panel { w, panels, panel, packed } = self;
        let (first, width) = panels.columns(panel);
        for c in (0..w.inputs).step_by(CHANNEL_GRANULE) {
            for j in (0..width).step_by(S::LANES) {
                // SAFETY: `pack_panel` checked that all weights exist and channels come in whole granules.
                unsafe {
                    let from = w.data.as_ptr().add(c * w.input_stride + (first + j) * w.output_stride);
                    let mut block = [[0.0; CHANNEL_GRANULE * CHANNEL_GRANULE]; 9];
                    for (tap, block) in block.iter_mut().enumerate() {
                        let tap = if w.mirrored { 8 - tap } else { tap };
                        let from = from.add(tap * w.tap_stride);
                        load_block::<S>(from, w.input_stride, w.output_stride, block);
                    }
                    for i in 0..CHANNEL_GRANULE {
                        let mut g = [[S::zero(); 3]; 3];
                        for (g, block) in g.as_flattened_mut().iter_mut().zip(&block) {
                            *g = S::load(block.as_ptr().add(i * S::LANES));
                        }
                        let mut half = [[S::zero(); WEIGHTS]; 3];
                        for (column, half) in half.iter_mut().enumerate() {
                            *half = T::weight::<S>(g.map(|row| row[column]));
                        }
                        for f in 0..WEIGHTS {
                            let row = T::weight::<S>(half.map(|half| half[f]));
                            for (k, v) in row.into_iter().enumerate() {
                                let at = panels.weight(f * WEIGHTS + k, width) + (c + i) * width + j;
                                S::store(packed[at..].as_mut_ptr(), v);
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
/// They are readable, and the processor has the instruction set.
#[inline(always)]
unsafe fn load_block<S: Simd>(from: *const f32, input_stride: usize, output_stride: usize, to: &mut [f32]) {
    for i in 0..CHANNEL_GRANULE {
        // SAFETY: the caller's guarantees; the block holds CHANNEL_GRANULE vectors.
        unsafe {
            if output_stride == 1 {
                S::store(to[i * S::LANES..].as_mut_ptr(), S::load(from.add(i * input_stride)));
            } else {
                // Runs along the inputs, which are neighbours then.
                for (lane, to) in to[i * S::LANES..].iter_mut().enumerate().take(S::LANES) {
                    *to = *from.add(i * input_stride + lane * output_stride);
                }
            }
        }
    }
}
