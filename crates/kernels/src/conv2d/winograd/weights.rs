//! Transformed weights, packed for the products over channels.

use super::{FREQUENCIES, IN, transform};
use crate::gemm::blocking;
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd, dispatch};

/// 3x3 weights in any order of channels.
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
}

impl WeightView<'_> {
    /// Floats of the transformed weights.
    pub fn packed_len(&self) -> usize {
        FREQUENCIES * self.inputs * self.outputs
    }
}

/// Transforms weights: for each frequency, panel of outputs and input, one row of the panel.
pub(super) fn pack(w: &WeightView, packed: &mut [f32]) {
    assert_eq!(packed.len(), w.packed_len());
    let last = (w.inputs - 1) * w.input_stride + (w.outputs - 1) * w.output_stride + 8 * w.tap_stride;
    assert!(last < w.data.len());
    let width = dispatch(PanelWidth);
    let panels = w.outputs.div_ceil(width);
    // Inputs are cut too, so that a task's 36 runs of memory stay in cache until they are full lines.
    let input_block = w.inputs.min(32);
    let blocks = w.inputs.div_ceil(input_block);
    let packed = DisjointMut::new(packed);
    let at_once = (parallel::MIN_BLOCK / (FREQUENCIES * width * input_block)).max(1);
    parallel::for_each_range(panels * blocks, at_once, |tasks| {
        for task in tasks {
            let (panel, block) = (task / blocks, task % blocks);
            let inputs = block * input_block..w.inputs.min((block + 1) * input_block);
            dispatch(Panel { w, packed: &packed, first_output: panel * width, inputs });
        }
    });
}

struct PanelWidth;

impl Kernel for PanelWidth {
    type Out = usize;
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> usize {
        blocking::panel_width::<S>()
    }
}

struct Panel<'a> {
    w: &'a WeightView<'a>,
    packed: &'a DisjointMut<'a, f32>,
    first_output: usize,
    inputs: std::ops::Range<usize>,
}

impl Kernel for Panel<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let w = self.w;
        let width = blocking::panel_width::<S>().min(w.outputs - self.first_output);
        let frequency_stride = w.inputs * w.outputs;
        for c in self.inputs {
            for j in (0..width).step_by(S::LANES) {
                // SAFETY: all channels exist, as `pack` checked, and come in whole vectors; each task writes
                // its own panel and inputs.
                unsafe {
                    let first = c * w.input_stride + (self.first_output + j) * w.output_stride;
                    let mut g = [[S::zero(); 3]; 3];
                    for (tap, g) in g.as_flattened_mut().iter_mut().enumerate() {
                        let tap = if w.mirrored { 8 - tap } else { tap };
                        let from = w.data.as_ptr().add(first + tap * w.tap_stride);
                        *g = load_strided::<S>(from, w.output_stride);
                    }
                    let mut half = [[S::zero(); IN]; 3];
                    for (j, half) in half.iter_mut().enumerate() {
                        *half = transform::weight::<S>([g[0][j], g[1][j], g[2][j]]);
                    }
                    let to = self.first_output * w.inputs + c * width + j;
                    for f in 0..IN {
                        let row = transform::weight::<S>(half.map(|half| half[f]));
                        for (k, v) in row.into_iter().enumerate() {
                            let to = (f * IN + k) * frequency_stride + to;
                            S::store(self.packed.as_mut_ptr().add(to), v);
                        }
                    }
                }
            }
        }
    }
}

/// A vector of floats that lie `stride` apart.
///
/// # Safety
/// They are readable, and the processor has the instruction set.
#[inline(always)]
unsafe fn load_strided<S: Simd>(from: *const f32, stride: usize) -> S::V {
    // SAFETY: the caller's guarantees.
    unsafe {
        if stride == 1 {
            return S::load(from);
        }
        let mut lanes = [0.0; 16];
        for (i, lane) in lanes.iter_mut().enumerate().take(S::LANES) {
            *lane = *from.add(i * stride);
        }
        S::load(lanes.as_ptr())
    }
}
