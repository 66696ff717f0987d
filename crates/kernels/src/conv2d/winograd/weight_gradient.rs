//! The weight gradient: the transposed algorithm, F(3x3, 4x4) for stride 1.
//!
//! Per tile and frequency, the outer product of the transformed output gradient and the transformed input;
//! the sum over all tiles, and over frequencies that share a weight, is transformed back once. Tiles are taken in
//! rounds: all threads transform the round's tiles, then all threads add its products, each some frequencies, so that
//! every sum is made in the order of the tiles by whatever number of threads.

use super::scheme::Scheme;
use super::tiles::Tiles;
use super::transform::{self, Stride1, Stride2, TapTransform, Transform};
use super::{Filter, GAP, OUT, WEIGHTS};
use crate::gemm::micro_kernel::Singles;
use crate::gemm::outer_kernel::{LINE, Lines, columns_at_once};
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd, dispatch};
use crate::{Element, scratch};
use std::ops::Range;

/// Floats of transformed tiles of a round, which go through the L3 cache.
const ROUND_FLOATS: usize = if cfg!(test) { 1 << 16 } else { 1 << 20 };
/// Fewest tiles of a round: each round reads and writes all sums.
const MIN_TILES: usize = 64;
/// Output channels of a task of the products.
const ROWS: usize = 96;
/// Tiles that a task transforms.
const TILES: usize = 8;

/// `dw` of a 3x3 convolution with stride 1 or 2. Channels are multiples of [`super::CHANNEL_GRANULE`].
pub(super) fn weight_gradient<E: Element>(f: &Filter, x: &[E], dy: &[E], dw: &mut [f32]) {
    let (inputs, outputs) = (f.input.channels, f.output.channels);
    assert_eq!(x.len(), f.images * f.input.height * f.input.width * inputs);
    assert_eq!(dy.len(), f.images * f.output.height * f.output.width * outputs);
    assert_eq!(dw.len(), 9 * inputs * outputs);
    let tiles = Tiles::new(f.scheme, f.images, &f.output, f.padding);
    let frequencies = f.frequencies();
    let fits = ROUND_FLOATS / (frequencies * (inputs + outputs));
    let round = fits.max(MIN_TILES).min(tiles.count.max(1)).next_multiple_of(TILES);
    let zeros = vec![E::default(); inputs.max(outputs)];
    let plan = Plan { f, tiles, x, dy, zeros: &zeros };
    scratch::with(WEIGHTS * WEIGHTS * stride(inputs, outputs), |sums: &mut [f32]| {
        let len = frequencies * (stride(round, inputs) + stride(round, outputs));
        scratch::with(len, |memory: &mut [f32]| {
            for start in (0..tiles.count).step_by(round) {
                let tiles = start..tiles.count.min(start + round);
                let (v, e) = memory.split_at_mut(frequencies * stride(tiles.len(), inputs));
                plan.transform(&tiles, &DisjointMut::new(v), &DisjointMut::new(e));
                plan.multiply(&tiles, v, e, &DisjointMut::new(sums), start > 0);
            }
        });
        if tiles.count == 0 {
            sums.fill(0.0);
        }
        plan.transform_sums(sums, dw);
    });
}

/// Floats from one frequency to the next of `rows` rows of `columns` floats.
fn stride(rows: usize, columns: usize) -> usize {
    rows * columns + GAP
}

struct Plan<'a, E> {
    f: &'a Filter,
    tiles: Tiles,
    x: &'a [E],
    dy: &'a [E],
    zeros: &'a [E],
}

impl<E: Element> Plan<'_, E> {
    /// Fills `v` and `e` (frequency, line of channels, tile, channel of the line).
    fn transform(&self, tiles: &Range<usize>, v: &DisjointMut<f32>, e: &DisjointMut<f32>) {
        parallel::for_each_range(tiles.len(), TILES, |part| {
            dispatch(TransformTiles { plan: self, tiles, part, v, e });
        });
    }

    /// `sums[w][o][i] += sum over tiles of e[f][tile][o] * v[f][tile][i]`, for each weight w over its frequencies f. Where a
    /// tile does not need a frequency, `e` is zero.
    fn multiply(
        &self,
        tiles: &Range<usize>,
        v: &[f32],
        e: &[f32],
        sums: &DisjointMut<f32>,
        accumulate: bool,
    ) {
        let (inputs, outputs) = (self.f.input.channels, self.f.output.channels);
        let count = tiles.len();
        let blocks = outputs.div_ceil(ROWS);
        parallel::for_each_index(WEIGHTS * WEIGHTS * blocks, |task| {
            let (weight, block) = (task / blocks, task % blocks);
            let rows = block * ROWS..outputs.min((block + 1) * ROWS);
            // SAFETY: each task has its own rows of its own weight.
            let sums = unsafe {
                let start = weight * stride(outputs, inputs);
                sums.slice(start + rows.start * inputs..start + rows.end * inputs)
            };
            let mut accumulate = accumulate;
            for (frequency, needed) in self.tiles.of_weight(tiles, weight) {
                let v = &v[frequency * stride(count, inputs)..][..count * inputs];
                let e = &e[frequency * stride(count, outputs)..][..count * outputs];
                let rows = rows.clone();
                dispatch(Products { v, e, rows, inputs, count, needed, sums, accumulate });
                accumulate = true;
            }
            if !accumulate {
                sums.fill(0.0);
            }
        });
    }

    /// `dw = G^T sums G`.
    fn transform_sums(&self, sums: &[f32], dw: &mut [f32]) {
        let inputs = self.f.input.channels;
        parallel::for_each_chunk(dw, 9 * inputs, |start, dw| {
            let (scheme, outputs) = (self.f.scheme, self.f.output.channels);
            dispatch(TransformSums { scheme, sums, inputs, outputs, start: start / 9, dw });
        });
    }
}

struct TransformTiles<'a, E> {
    plan: &'a Plan<'a, E>,
    tiles: &'a Range<usize>,
    part: Range<usize>,
    v: &'a DisjointMut<'a, f32>,
    e: &'a DisjointMut<'a, f32>,
}

impl<E: Element> Kernel for TransformTiles<'_, E> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's guarantee.
        unsafe {
            match self.plan.f.scheme {
                Scheme::Stride1 => self.transform::<S, Stride1, 6, 6>(),
                Scheme::Stride2 => self.transform::<S, Stride2, 9, 9>(),
                Scheme::Stride2Transposed => {
                    unreachable!("weights have their gradient by the forward pass's scheme")
                }
            }
        }
    }
}

impl<E: Element> TransformTiles<'_, E> {
    /// # Safety
    /// The processor has the instruction set of `S`.
    #[inline(always)]
    unsafe fn transform<S, T, const IN: usize, const FREQ: usize>(self)
    where
        S: Simd,
        T: Transform<IN, FREQ, OUT> + TapTransform<FREQ>,
    {
        let plan = self.plan;
        let (inputs, outputs) = (plan.f.input.channels, plan.f.output.channels);
        let count = self.tiles.len();
        let inputs_of = |tile| plan.tiles.inputs::<E, IN>(tile, plan.x, &plan.f.input, plan.zeros);
        let outputs_of = |tile| {
            let mut pixels = [[plan.zeros.as_ptr(); OUT]; OUT];
            let offsets = plan.tiles.outputs::<OUT>(tile, &plan.f.output);
            for (p, &offset) in pixels.as_flattened_mut().iter_mut().zip(offsets.as_flattened()) {
                if offset != usize::MAX {
                    *p = plan.dy[offset..].as_ptr();
                }
            }
            pixels
        };
        let first = self.tiles.start + self.part.start;
        let (mut next_x, mut next_dy) = (inputs_of(first), outputs_of(first));
        let last = self.tiles.start + self.part.end - 1;
        for i in self.part {
            let after = last.min(self.tiles.start + i + 1);
            let (pixels, dy) = (next_x, next_dy);
            (next_x, next_dy) = (inputs_of(after), outputs_of(after));
            // SAFETY: `v` and `e` hold this round's tiles, and each tile is transformed once; pixels and
            // zeros have all channels.
            unsafe {
                let to = self.v.as_mut_ptr().add(i * LINE);
                let strides = [stride(count, inputs), count * LINE];
                transform::input_tile::<S, E, T, IN, FREQ, OUT>(&pixels, &next_x, inputs, to, strides);
                let to = self.e.as_mut_ptr().add(i * LINE);
                let strides = [stride(count, outputs), count * LINE];
                transform::output_gradient_tile::<S, E, T, FREQ>(&dy, &next_dy, outputs, to, strides);
            }
        }
    }
}

struct Products<'a> {
    v: &'a [f32],
    e: &'a [f32],
    rows: Range<usize>,
    inputs: usize,
    /// Tiles in `v` and `e`.
    count: usize,
    /// Those that are summed up.
    needed: Range<usize>,
    sums: &'a mut [f32],
    accumulate: bool,
}

impl Kernel for Products<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Products { v, e, rows, inputs, count, needed, sums, accumulate } = self;
        let line = |of: &[f32], channel: usize| of[channel * count + needed.start * LINE..].as_ptr();
        for column in (0..inputs).step_by(columns_at_once::<Singles>()) {
            for row in rows.clone().step_by(LINE) {
                let lines = Lines {
                    elements: needed.len(),
                    a: line(e, row),
                    a_step: LINE,
                    b: line(v, column),
                    b_stride: count * LINE,
                    c: sums[(row - rows.start) * inputs + column..].as_mut_ptr(),
                    c_stride: inputs,
                    rows: LINE,
                    columns: columns_at_once::<Singles>().min(inputs - column),
                    accumulate,
                };
                // SAFETY: `v` and `e` have `count` tiles of each line; channels come in whole lines.
                unsafe { lines.run::<S, Singles>() };
            }
        }
    }
}

struct TransformSums<'a> {
    scheme: Scheme,
    sums: &'a [f32],
    inputs: usize,
    outputs: usize,
    /// First pair of output and input channel, in units of inputs.
    start: usize,
    dw: &'a mut [f32],
}

impl Kernel for TransformSums<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's guarantee.
        unsafe {
            match self.scheme {
                Scheme::Stride1 => self.transform::<S, Stride1, 6>(),
                Scheme::Stride2 | Scheme::Stride2Transposed => self.transform::<S, Stride2, 9>(),
            }
        }
    }
}

impl TransformSums<'_> {
    /// # Safety
    /// The processor has the instruction set of `S`.
    #[inline(always)]
    unsafe fn transform<S: Simd, T: TapTransform<FREQ>, const FREQ: usize>(self) {
        let TransformSums { scheme: _, sums, inputs, outputs, start, dw } = self;
        for (o, dw) in dw.chunks_exact_mut(9 * inputs).enumerate() {
            for c in (0..inputs).step_by(S::LANES) {
                // SAFETY: every weight has `outputs * inputs` sums, and inputs come in whole vectors.
                unsafe {
                    let from = sums[start + o * inputs + c..].as_ptr();
                    let taps = transform::weight_gradient_tile::<S, T, FREQ>(from, stride(outputs, inputs));
                    for (tap, v) in taps.into_iter().flatten().enumerate() {
                        S::store(dw[tap * inputs + c..].as_mut_ptr(), v);
                    }
                }
            }
        }
    }
}
