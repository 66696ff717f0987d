//! The weight gradient: the transposed algorithm, F(3x3, 4x4) for stride 1.
//!
//! Per tile and frequency, the outer product of the transformed output gradient and the transformed input;
//! the sum over all tiles, and over frequencies that share a weight, is transformed back once. Tiles are taken in
//! rounds: all threads transform the round's tiles, then all threads add its products, each some frequencies, so that
//! every sum is made in the order of the tiles by whatever number of threads. Where there is room for two sums, each is
//! that of half of the batch, so that threads mostly read what they wrote.

use super::scheme::Scheme;
use super::tiles::Tiles;
use super::transform::{self, Stride1, Stride2, TapTransform, Transform};
use super::{Filter, GAP, OUT, WEIGHTS};
use crate::gemm::micro_kernel::Singles;
use crate::gemm::outer_kernel::{Ahead, LINE, Lines, columns_at_once};
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd, dispatch};
use crate::{Element, scratch};
use std::ops::Range;

/// Floats of transformed tiles of a round, which go through the L3 cache.
const ROUND_FLOATS: usize = if cfg!(test) { 1 << 16 } else { 1 << 20 };
/// Floats of the sums of two parts: more would push transformed tiles out of the L3 cache.
const PARTS_FLOATS: usize = if cfg!(test) { 1 << 18 } else { 5 << 18 };
/// Fewest tiles of a round: each round reads and writes all sums.
const MIN_TILES: usize = 64;
/// Output channels of a task of the products.
const ROWS: usize = 96;
/// Tiles that a task transforms.
const TILES: usize = 8;

/// `dw` of a 3x3 convolution with stride 1 or 2. Channels are multiples of [`super::CHANNEL_GRANULE`].
pub(super) fn weight_gradient<E: Element>(f: &Filter, x: &[E], dy: &[E], dw: &mut [f32]) {
    let (inputs, outputs) = (f.input.channels, f.output.channels);
    let [input, output] = [f.input, f.output].map(|image| image.height * image.width * image.channels);
    assert_eq!(x.len(), f.images * input);
    assert_eq!(dy.len(), f.images * output);
    assert_eq!(dw.len(), 9 * inputs * outputs);
    let sums_len = WEIGHTS * WEIGHTS * stride(inputs, outputs);
    let parts = if 2 * sums_len <= PARTS_FLOATS { 2 } else { 1 };
    let images = f.images.div_ceil(parts).max(1);
    let zeros = vec![E::default(); inputs.max(outputs)];
    let parts: Vec<_> = (0..f.images)
        .step_by(images)
        .map(|first| {
            let last = f.images.min(first + images);
            let f = Filter { images: last - first, ..*f };
            let tiles = Tiles::new(f.scheme, f.images, &f.output, f.padding);
            let (x, dy) = (&x[first * input..last * input], &dy[first * output..last * output]);
            Part { f, tiles, x, dy, zeros: &zeros }
        })
        .collect();
    let most = parts.iter().map(|part| part.tiles.count).max().unwrap_or(0);
    let frequencies = f.frequencies();
    let fits = ROUND_FLOATS / (frequencies * (inputs + outputs) * parts.len().max(1));
    let round = fits.max(MIN_TILES).min(most.max(1)).next_multiple_of(TILES);
    let tiles_len = frequencies * (stride(round, inputs) + stride(round, outputs));
    scratch::with(parts.len().max(1) * sums_len, |sums: &mut [f32]| {
        scratch::with(parts.len() * tiles_len, |tiles: &mut [f32]| {
            for start in (0..most).step_by(round) {
                let [sums, tiles] = [&mut *sums, &mut *tiles].map(DisjointMut::new);
                let round = Round { parts: &parts, start, len: round, sums, sums_len, tiles, tiles_len };
                round.transform();
                round.multiply();
            }
        });
        if most == 0 {
            sums.fill(0.0);
        }
        transform_sums(f, sums, sums_len, dw);
    });
}

/// Floats from one frequency to the next of `rows` rows of `columns` floats.
fn stride(rows: usize, columns: usize) -> usize {
    rows * columns + GAP
}

/// Some images.
struct Part<'a, E> {
    f: Filter,
    tiles: Tiles,
    x: &'a [E],
    dy: &'a [E],
    zeros: &'a [E],
}

/// Some tiles of each part.
struct Round<'a, E> {
    parts: &'a [Part<'a, E>],
    /// First tile.
    start: usize,
    /// Number of tiles.
    len: usize,
    /// `sums_len` floats a part.
    sums: DisjointMut<'a, f32>,
    sums_len: usize,
    /// `tiles_len` floats a part.
    tiles: DisjointMut<'a, f32>,
    tiles_len: usize,
}

impl<'a, E: Element> Round<'a, E> {
    /// A part's tiles of this round.
    fn tiles_of(&self, part: &Part<E>) -> Range<usize> {
        self.start.min(part.tiles.count)..(self.start + self.len).min(part.tiles.count)
    }

    /// A part's transformed tiles (frequency, line of channels, tile, channel of the line): where the inputs begin, where the
    /// output gradients, and where these end.
    fn memory_of(&self, index: usize, part: &Part<E>) -> [usize; 3] {
        let (count, start) = (self.tiles_of(part).len(), index * self.tiles_len);
        let len = |channels| part.f.frequencies() * stride(count, channels);
        let e = start + len(part.f.input.channels);
        [start, e, e + len(part.f.output.channels)]
    }

    /// Transforms the tiles.
    fn transform(&self) {
        let tasks = self.len.div_ceil(TILES);
        parallel::for_each_index(self.parts.len() * tasks, |task| {
            let (index, first) = (task / tasks, task % tasks * TILES);
            let part = &self.parts[index];
            let tiles = self.tiles_of(part);
            let range = first..tiles.len().min(first + TILES);
            if !range.is_empty() {
                let [v, e, _] =
                    self.memory_of(index, part).map(|at| self.tiles.as_mut_ptr().wrapping_add(at));
                dispatch(TransformTiles { part, tiles: &tiles, range, v, e });
            }
        });
    }

    /// `sums[w][o][i] += sum over tiles of e[f][tile][o] * v[f][tile][i]`, for each weight w over its frequencies f. Where a
    /// tile does not need a frequency, `e` is zero.
    fn multiply(&self) {
        let f = &self.parts[0].f;
        let (inputs, outputs) = (f.input.channels, f.output.channels);
        let blocks = outputs.div_ceil(ROWS);
        let tasks = WEIGHTS * WEIGHTS * blocks;
        parallel::for_each_index(self.parts.len() * tasks, |task| {
            let (index, task) = (task / tasks, task % tasks);
            let (weight, block) = (task / blocks, task % blocks);
            let part = &self.parts[index];
            let tiles = self.tiles_of(part);
            let count = tiles.len();
            let rows = block * ROWS..outputs.min((block + 1) * ROWS);
            let [v, e, end] = self.memory_of(index, part);
            // SAFETY: each task has its own rows of its own weight of a part's sums. Tiles lie where `memory_of` says, and
            // nobody writes them now.
            let (sums, v, e) = unsafe {
                let start = index * self.sums_len + weight * stride(outputs, inputs);
                let sums = self.sums.slice(start + rows.start * inputs..start + rows.end * inputs);
                let tiles = |from: usize, to: usize| {
                    std::slice::from_raw_parts(self.tiles.as_mut_ptr().add(from).cast_const(), to - from)
                };
                (sums, tiles(v, e), tiles(e, end))
            };
            let mut accumulate = self.start > 0;
            for (frequency, needed) in part.tiles.of_weight(&tiles, weight) {
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
}

/// `dw = G^T sums G`, for the sums of all parts.
fn transform_sums(f: &Filter, sums: &[f32], part: usize, dw: &mut [f32]) {
    let inputs = f.input.channels;
    parallel::for_each_chunk(dw, 9 * inputs, |start, dw| {
        let (scheme, outputs) = (f.scheme, f.output.channels);
        dispatch(TransformSums { scheme, sums, part, inputs, outputs, start: start / 9, dw });
    });
}

struct TransformTiles<'a, E> {
    part: &'a Part<'a, E>,
    tiles: &'a Range<usize>,
    /// Of the tiles.
    range: Range<usize>,
    v: *mut f32,
    e: *mut f32,
}

impl<E: Element> Kernel for TransformTiles<'_, E> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's guarantee.
        unsafe {
            match self.part.f.scheme {
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
        let part = self.part;
        let (inputs, outputs) = (part.f.input.channels, part.f.output.channels);
        let count = self.tiles.len();
        let inputs_of = |tile| part.tiles.inputs::<E, IN>(tile, part.x, &part.f.input, part.zeros);
        let outputs_of = |tile| {
            let mut pixels = [[part.zeros.as_ptr(); OUT]; OUT];
            let offsets = part.tiles.outputs::<OUT>(tile, &part.f.output);
            for (p, &offset) in pixels.as_flattened_mut().iter_mut().zip(offsets.as_flattened()) {
                if offset != usize::MAX {
                    *p = part.dy[offset..].as_ptr();
                }
            }
            pixels
        };
        let first = self.tiles.start + self.range.start;
        let (mut next_x, mut next_dy) = (inputs_of(first), outputs_of(first));
        let last = self.tiles.start + self.range.end - 1;
        for i in self.range {
            let after = last.min(self.tiles.start + i + 1);
            let (x, dy) = (next_x, next_dy);
            (next_x, next_dy) = (inputs_of(after), outputs_of(after));
            // SAFETY: `v` and `e` hold this round's tiles, and each tile is transformed once; pixels and zeros have all
            // channels.
            unsafe {
                let strides = [stride(count, inputs), count * LINE];
                let to = self.v.add(i * LINE);
                transform::input_tile::<S, E, T, IN, FREQ, OUT>(&x, &next_x, inputs, to, strides);
                let strides = [stride(count, outputs), count * LINE];
                let to = self.e.add(i * LINE);
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
                    b_step: LINE,
                    b_stride: count * LINE,
                    c: sums[(row - rows.start) * inputs + column..].as_mut_ptr(),
                    c_stride: inputs,
                    rows: LINE,
                    columns: columns_at_once::<Singles>().min(inputs - column),
                    accumulate,
                    ahead: Ahead::<f32>::NONE,
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
    /// Floats of a part.
    part: usize,
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
        let TransformSums { scheme: _, sums, part, inputs, outputs, start, dw } = self;
        let parts = sums.len() / part;
        for (o, dw) in dw.chunks_exact_mut(9 * inputs).enumerate() {
            for c in (0..inputs).step_by(S::LANES) {
                // SAFETY: every weight has `outputs * inputs` sums in each part, and inputs come in whole vectors.
                unsafe {
                    let from = sums[start + o * inputs + c..].as_ptr();
                    let strides = [stride(outputs, inputs), part];
                    let taps = transform::weight_gradient_tile::<S, T, FREQ>(from, strides, parts);
                    for (tap, v) in taps.into_iter().flatten().enumerate() {
                        S::store(dw[tap * inputs + c..].as_mut_ptr(), v);
                    }
                }
            }
        }
    }
}
