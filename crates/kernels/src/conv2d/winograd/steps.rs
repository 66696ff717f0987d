//! The three steps of a convolution, for some tiles and some outputs.

use super::convolve::Filter;
use super::dense_tile::Run;
use super::scheme::{CELLS, Scheme};
use super::tiles::Tiles;
use super::transform::{self, Stride1, Stride2, Stride2Transposed, Transform};
use super::weights::Panels;
use super::{GROUP, WEIGHTS};
use crate::Element;
use crate::gemm::outer_kernel::LINE;
use crate::gemm::statistics::BlockStatistics;
use crate::parallel::DisjointMut;
use crate::simd::{Kernel, Simd, dispatch};
use std::ops::Range;

/// Inputs that are summed up before the result is stored: rows of a panel of weights that stay in L2, if not in L1.
pub(super) const DEPTH: usize = 256;
/// Most frequencies that are multiplied with one transformed weight.
const MOST_OF_WEIGHT: usize = CELLS * CELLS;

/// What a convolution works on.
pub(super) struct Plan<'a, E> {
    pub f: &'a Filter,
    pub tiles: Tiles,
    pub panels: Panels,
    pub x: &'a [E],
    pub zeros: &'a [E],
    pub bias: Option<&'a [f32]>,
    pub add: Option<&'a [E]>,
    /// Add what `y` holds.
    pub accumulate: bool,
    pub relu: bool,
    pub y: DisjointMut<'a, E>,
}

/// Transformed outputs of some channels, as [`Filter::groups`] of them lie.
pub(super) struct Transformed<'a> {
    pub m: &'a [f32],
    /// First channel.
    pub first: usize,
    /// Number of channels.
    pub channels: usize,
}

/// Transformed weights of some panels and inputs.
pub(super) struct Part<'a> {
    /// Those of the first panel come first.
    pub packed: &'a [f32],
    /// How they lie.
    pub layout: &'a Panels,
    /// The inputs that their rows are for, from a multiple of [`DEPTH`] on.
    pub inputs: Range<usize>,
    /// The panels.
    pub panels: Range<usize>,
}

impl<E: Element> Plan<'_, E> {
    /// Step 1: fills `v`, [`Filter::groups`] of all inputs.
    pub fn transform_inputs(&self, tiles: Range<usize>, v: &mut [f32]) {
        assert!(v.len() >= self.f.groups(self.panels.inputs).len(tiles.len()));
        dispatch(TransformInputs { plan: self, tiles, v });
    }

    /// Step 2: `m[frequency] = v[frequency] * weights[frequency]` for the tiles that need it; from the second part of the inputs
    /// on added to `m`.
    pub fn multiply(&self, tiles: Range<usize>, v: &[f32], part: Part, m: &mut [f32]) {
        dispatch(Multiply { plan: self, tiles, v, part, m });
    }

    /// Step 3: writes the outputs of tiles, through the epilogue.
    pub fn transform_outputs(&self, tiles: Range<usize>, from: Transformed) {
        assert!(from.m.len() >= self.f.groups(from.channels).len(tiles.len()));
        dispatch(TransformOutputs { plan: self, tiles, from });
    }

    /// The statistics of the outputs of some tiles, which this thread has just written.
    pub fn statistics(&self, tiles: Range<usize>, parts: &BlockStatistics, block: usize) {
        let offsets: Vec<usize> = tiles.flat_map(|tile| self.pixels(tile)).collect();
        dispatch(OfBlock { parts, block, y: &self.y, offsets: &offsets, columns: self.panels.outputs });
    }

    /// Offsets of a tile's pixels that exist.
    pub fn pixels(&self, tile: usize) -> impl Iterator<Item = usize> + use<E> {
        // Eight are the most that a scheme has; of those with fewer the others are outside of the tile.
        let offsets = self.tiles.outputs::<8>(tile, &self.f.output);
        offsets.into_iter().flatten().filter(|&offset| offset != usize::MAX)
    }
}

struct TransformInputs<'a, E> {
    plan: &'a Plan<'a, E>,
    tiles: Range<usize>,
    v: &'a mut [f32],
}

impl<E: Element> Kernel for TransformInputs<'_, E> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's guarantee.
        unsafe {
            match self.plan.f.scheme {
                Scheme::Stride1 => self.transform::<S, Stride1, 6, 6, 4>(),
                Scheme::Stride2 => self.transform::<S, Stride2, 9, 9, 4>(),
                Scheme::Stride2Transposed => self.transform::<S, Stride2Transposed, 5, 9, 8>(),
            }
        }
    }
}

impl<E: Element> TransformInputs<'_, E> {
    /// # Safety
    /// The processor has the instruction set of `S`.
    #[inline(always)]
    unsafe fn transform<S, T, const IN: usize, const FREQ: usize, const TO: usize>(self)
    where
        S: Simd,
        T: Transform<IN, FREQ, TO>,
    {
        let TransformInputs { plan, tiles, v } = self;
        let channels = plan.panels.inputs;
        let groups = plan.f.groups(channels);
        let pixels = |tile| plan.tiles.inputs::<E, IN>(tile, plan.x, &plan.f.input, plan.zeros);
        let mut next = pixels(tiles.start);
        let last = tiles.end - 1;
        for (i, tile) in tiles.enumerate() {
            let this = next;
            next = pixels(last.min(tile + 1));
            let to = v[groups.tile(i)..].as_mut_ptr();
            // SAFETY: each pixel has `channels` floats, and so has each frequency of the tile.
            unsafe {
                let strides = [groups.frequency(), LINE];
                transform::input_tile::<S, E, T, IN, FREQ, TO>(&this, &next, channels, to, strides);
            }
        }
    }
}

struct Multiply<'a, E> {
    plan: &'a Plan<'a, E>,
    tiles: Range<usize>,
    v: &'a [f32],
    part: Part<'a>,
    m: &'a mut [f32],
}

impl<E: Element> Kernel for Multiply<'_, E> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Multiply { plan, tiles, v, part, m } = self;
        let Part { packed, layout, inputs, panels: range } = part;
        let all_inputs = plan.panels.inputs;
        let first = range.start * layout.width;
        let outputs = (range.end * layout.width).min(layout.outputs) - first;
        let (from, to) = (plan.f.groups(all_inputs), plan.f.groups(outputs));
        assert!(v.len() >= from.len(tiles.len()) && m.len() >= to.len(tiles.len()));
        assert!(packed.len() >= layout.start(range.end) - layout.start(range.start));
        assert!(inputs.end <= all_inputs && inputs.len() == layout.inputs);
        for weight in 0..WEIGHTS * WEIGHTS {
            let mut frequencies = [const { (0, 0..0) }; MOST_OF_WEIGHT];
            let mut count = 0;
            for (frequency, needed) in plan.tiles.of_weight(&tiles, weight) {
                // Some tiles of the first group and the last may not need it.
                frequencies[count] = (frequency, needed.start / GROUP..needed.end.div_ceil(GROUP));
                count += 1;
            }
            for panel in range.clone() {
                let (column, width) = layout.columns(panel);
                let start = layout.start(panel) - layout.start(range.start) + layout.weight(weight, width);
                for depth in inputs.clone().step_by(DEPTH) {
                    let len = DEPTH.min(inputs.end - depth);
                    let b = packed[start + (depth - inputs.start) * width..].as_ptr();
                    for (frequency, groups) in &frequencies[..count] {
                        // SAFETY: each group has GROUP rows of `all_inputs` and `outputs` floats, whether all of its
                        // tiles exist or not; the panel has `len` rows from `depth` on.
                        unsafe {
                            let run = Run {
                                count: groups.len(),
                                depth: len,
                                a: v.as_ptr()
                                    .add(from.group(groups.start) + frequency * from.frequency() + depth),
                                a_group: from.group(1),
                                a_stride: all_inputs,
                                b,
                                c: m.as_mut_ptr().add(
                                    to.group(groups.start) + frequency * to.frequency() + column - first,
                                ),
                                c_group: to.group(1),
                                c_stride: outputs,
                                accumulate: depth > 0,
                            };
                            match (width / S::LANES, S::REGISTERS >= 32) {
                                (1, _) => run.multiply::<S, 1>(),
                                (2, _) => run.multiply::<S, 2>(),
                                (3, true) => run.multiply::<S, 3>(),
                                (4, true) => run.multiply::<S, 4>(),
                                _ => unreachable!("a panel has as many vectors as a tile"),
                            }
                        }
                    }
                }
            }
        }
    }
}

struct TransformOutputs<'a, E> {
    plan: &'a Plan<'a, E>,
    tiles: Range<usize>,
    from: Transformed<'a>,
}

impl<E: Element> Kernel for TransformOutputs<'_, E> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's guarantee.
        unsafe {
            match self.plan.f.scheme {
                Scheme::Stride1 => self.transform::<S, Stride1, 6, 6, 4>(),
                Scheme::Stride2 => self.transform::<S, Stride2, 9, 9, 4>(),
                Scheme::Stride2Transposed => self.transform::<S, Stride2Transposed, 5, 9, 8>(),
            }
        }
    }
}

impl<E: Element> TransformOutputs<'_, E> {
    /// # Safety
    /// The processor has the instruction set of `S`.
    #[inline(always)]
    unsafe fn transform<S, T, const IN: usize, const FREQ: usize, const TO: usize>(self)
    where
        S: Simd,
        T: Transform<IN, FREQ, TO>,
    {
        let TransformOutputs { plan, tiles, from: Transformed { m, first, channels } } = self;
        let groups = plan.f.groups(channels);
        let mut next = plan.tiles.outputs::<TO>(tiles.start, &plan.f.output);
        let last = tiles.end - 1;
        for (i, tile) in tiles.enumerate() {
            let pixels = next;
            next = plan.tiles.outputs::<TO>(last.min(tile + 1), &plan.f.output);
            let from = m[groups.tile(i)..].as_ptr();
            for c in (0..channels).step_by(S::LANES) {
                let channel = first + c;
                for &pixel in next.as_flattened() {
                    // SAFETY: a hint.
                    unsafe {
                        S::prefetch(plan.y.as_mut_ptr().wrapping_add(pixel.wrapping_add(channel)).cast())
                    };
                }
                // SAFETY: each frequency of the tile has `channels` floats; pixels that
                // are not MAX lie inside y, and these channels of them are this task's alone.
                unsafe {
                    let tile = transform::output_tile::<S, T, IN, FREQ, TO>(from.add(c), groups.frequency());
                    for (row, pixels) in tile.into_iter().zip(&pixels) {
                        for (mut v, &pixel) in row.into_iter().zip(pixels) {
                            if pixel == usize::MAX {
                                continue;
                            }
                            if let Some(bias) = plan.bias {
                                v = S::add(v, S::load(bias.as_ptr().add(channel)));
                            }
                            if let Some(add) = plan.add {
                                v = S::add(v, E::load::<S>(add.as_ptr().add(pixel + channel), S::LANES));
                            }
                            if plan.accumulate {
                                v = S::add(
                                    v,
                                    E::load::<S>(plan.y.as_mut_ptr().add(pixel + channel), S::LANES),
                                );
                            }
                            if plan.relu {
                                v = S::max(S::zero(), v);
                            }
                            E::store::<S>(plan.y.as_mut_ptr().add(pixel + channel), v, S::LANES);
                        }
                    }
                }
            }
        }
    }
}

/// The statistics of one block's outputs.
struct OfBlock<'a, E> {
    parts: &'a BlockStatistics<'a>,
    block: usize,
    y: &'a DisjointMut<'a, E>,
    offsets: &'a [usize],
    columns: usize,
}

impl<E: Element> Kernel for OfBlock<'_, E> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: this block's pixels were written by this thread.
        unsafe { self.parts.of_block::<S, E>(self.block, self.y.as_mut_ptr(), self.offsets, 0..self.columns) }
    }
}
