//! The forward pass, and with mirrored weights the input gradient.

use super::dense_tile::dense_tile;
use super::tiles::{Image, Tiles};
use super::weights::{self, WeightView};
use super::{FREQUENCIES, IN, OUT, transform};
use crate::gemm::statistics::{self, BlockStatistics};
use crate::gemm::{Epilogue, blocking};
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};
use std::ops::Range;

/// Rows of a tile of the products: transformed tiles come in groups of this many.
const GROUP: usize = 6;
/// Floats of transformed inputs and outputs of a block: what the L2 cache holds, more or less.
const BLOCK_FLOATS: usize = 200 * 1024;
/// Fewest tiles of a block: each block reads all weights.
const MIN_TILES: usize = 24;
/// Blocks to aim for, so that several threads finish at about the same time.
const BLOCKS: usize = 12;
/// Inputs that are summed up before the result is stored: a panel of weights stays in L1.
const DEPTH: usize = 256;

/// A 3x3 convolution with stride 1 of images of any padding.
pub(in crate::conv2d) struct Filter {
    /// Number of images.
    pub images: usize,
    /// Shape of an input.
    pub input: Image,
    /// Shape of an output.
    pub output: Image,
    /// Zeros above and to the left of the input.
    pub padding: [usize; 2],
}

/// `y = filter(x)`, then the epilogue. Channels are multiples of [`super::CHANNEL_GRANULE`].
pub(in crate::conv2d) fn convolve(f: &Filter, x: &[f32], w: &WeightView, epilogue: Epilogue, y: &mut [f32]) {
    scratch::with(w.packed_len(), |packed: &mut [f32]| {
        weights::pack(w, packed);
        convolve_packed(f, x, packed, epilogue, y);
    });
}

/// As [`convolve`], with transformed weights.
pub(in crate::conv2d) fn convolve_packed(
    f: &Filter,
    x: &[f32],
    packed: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    let (inputs, outputs) = (f.input.channels, f.output.channels);
    assert_eq!(packed.len(), FREQUENCIES * inputs * outputs);
    assert_eq!(x.len(), f.images * f.input.height * f.input.width * inputs);
    assert_eq!(y.len(), f.images * f.output.height * f.output.width * outputs);
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == outputs), "one bias an output channel");
    assert!(epilogue.add.is_none_or(|add| add.len() == y.len()), "the tensor to add is not of y's size");
    let tiles = Tiles::new(f.images, f.output.height, f.output.width, f.padding);
    if tiles.count == 0 {
        return;
    }
    let fits = BLOCK_FLOATS / (FREQUENCIES * (inputs + outputs));
    let block_tiles = fits.max(MIN_TILES).min(tiles.count.div_ceil(BLOCKS)).next_multiple_of(GROUP);
    let blocks = tiles.count.div_ceil(block_tiles);
    let zeros = vec![0.0; inputs];
    let (bias, add, relu) = (epilogue.bias, epilogue.add, epilogue.relu);
    let plan = Plan { f, tiles, x, packed, zeros: &zeros, bias, add, relu, y: DisjointMut::new(y) };
    let block = |block: usize| block * block_tiles..tiles.count.min((block + 1) * block_tiles);
    match epilogue.statistics {
        None => parallel::for_each_index(blocks, |i| plan.block(block(i), None)),
        Some(out) => scratch::with(2 * blocks * outputs, |parts: &mut [f32]| {
            let parts = BlockStatistics::new(parts, outputs);
            parallel::for_each_index(blocks, |i| plan.block(block(i), Some((&parts, i))));
            let count =
                |tiles_of_block: Range<usize>| tiles_of_block.map(|tile| plan.pixels(tile).count()).sum();
            statistics::combine(&parts, (0..blocks).map(|i| count(block(i))), out);
        }),
    }
}

struct Plan<'a> {
    f: &'a Filter,
    tiles: Tiles,
    x: &'a [f32],
    packed: &'a [f32],
    zeros: &'a [f32],
    bias: Option<&'a [f32]>,
    add: Option<&'a [f32]>,
    relu: bool,
    y: DisjointMut<'a, f32>,
}

impl Plan<'_> {
    /// All three steps for a block of tiles.
    fn block(&self, tiles: Range<usize>, statistics: Option<(&BlockStatistics, usize)>) {
        let (inputs, outputs) = (self.f.input.channels, self.f.output.channels);
        let groups = tiles.len().div_ceil(GROUP);
        scratch::with(FREQUENCIES * groups * GROUP * (inputs + outputs), |memory: &mut [f32]| {
            let (v, m) = memory.split_at_mut(FREQUENCIES * groups * GROUP * inputs);
            dispatch(Block { plan: self, tiles: tiles.clone(), v, m });
        });
        if let Some((statistics, index)) = statistics {
            let offsets: Vec<usize> = tiles.flat_map(|tile| self.pixels(tile)).collect();
            dispatch(OfBlock {
                parts: statistics,
                block: index,
                y: &self.y,
                offsets: &offsets,
                columns: outputs,
            });
        }
    }

    /// Offsets of a tile's pixels that exist.
    fn pixels(&self, tile: usize) -> impl Iterator<Item = usize> + use<> {
        let offsets = self.tiles.outputs(tile, &self.f.output);
        offsets.into_iter().flatten().filter(|&offset| offset != usize::MAX)
    }
}

struct Block<'a> {
    plan: &'a Plan<'a>,
    tiles: Range<usize>,
    /// Transformed inputs: group, frequency, tile of the group, channel.
    v: &'a mut [f32],
    /// Transformed outputs, in the same order.
    m: &'a mut [f32],
}

impl Kernel for Block<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        // SAFETY: the caller guarantees the instruction set; sizes were checked by `convolve_packed`.
        unsafe {
            self.transform_inputs::<S>();
            self.multiply::<S>();
            self.transform_outputs::<S>();
        }
    }
}

impl Block<'_> {
    #[inline(always)]
    unsafe fn transform_inputs<S: Simd>(&mut self) {
        let plan = self.plan;
        let channels = plan.f.input.channels;
        for (i, tile) in self.tiles.clone().enumerate() {
            let pixels = plan.tiles.inputs(tile, plan.x, &plan.f.input, plan.zeros);
            let start = (i / GROUP * FREQUENCIES * GROUP + i % GROUP) * channels;
            let to = self.v[start..].as_mut_ptr();
            // SAFETY: each pixel has `channels` floats, and so has each frequency of the tile.
            unsafe { transform::input_tile::<S>(&pixels, channels, to, GROUP * channels) };
        }
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd>(&mut self) {
        let (inputs, outputs) = (self.plan.f.input.channels, self.plan.f.output.channels);
        let groups = self.tiles.len().div_ceil(GROUP);
        let width = blocking::panel_width::<S>();
        for frequency in 0..FREQUENCIES {
            for column in (0..outputs).step_by(width) {
                let width = width.min(outputs - column);
                for depth in (0..inputs).step_by(DEPTH) {
                    let panel = frequency * inputs * outputs + column * inputs + depth * width;
                    let panel = self.plan.packed[panel..].as_ptr();
                    for group in 0..groups {
                        let row = (group * FREQUENCIES + frequency) * GROUP;
                        let a = self.v[row * inputs + depth..].as_ptr();
                        let c = self.m[row * outputs + column..].as_mut_ptr();
                        let len = DEPTH.min(inputs - depth);
                        // SAFETY: the group has GROUP rows of `inputs` and `outputs` floats, whether all of
                        // its tiles exist or not; the panel has `len` rows.
                        unsafe {
                            let accumulate = depth > 0;
                            match (width / S::LANES, S::REGISTERS >= 32) {
                                (1, _) => {
                                    dense_tile::<S, GROUP, 1>(len, a, inputs, panel, c, outputs, accumulate)
                                }
                                (2, _) => {
                                    dense_tile::<S, GROUP, 2>(len, a, inputs, panel, c, outputs, accumulate)
                                }
                                (3, true) => {
                                    dense_tile::<S, GROUP, 3>(len, a, inputs, panel, c, outputs, accumulate)
                                }
                                (4, true) => {
                                    dense_tile::<S, GROUP, 4>(len, a, inputs, panel, c, outputs, accumulate)
                                }
                                _ => unreachable!("a panel has as many vectors as a tile"),
                            }
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn transform_outputs<S: Simd>(&mut self) {
        let plan = self.plan;
        let channels = plan.f.output.channels;
        for (i, tile) in self.tiles.clone().enumerate() {
            let pixels = plan.tiles.outputs(tile, &plan.f.output);
            let start = (i / GROUP * FREQUENCIES * GROUP + i % GROUP) * channels;
            let from = self.m[start..].as_ptr();
            for channel in (0..channels).step_by(S::LANES) {
                // SAFETY: the tile has FREQUENCIES rows of `channels` floats, GROUP rows apart; pixels that
                // are not MAX lie inside y and belong to this tile alone.
                unsafe {
                    let tile = transform::output_tile::<S>(from.add(channel), GROUP * channels);
                    for (row, pixels) in tile.into_iter().zip(&pixels) {
                        for (mut v, &pixel) in row.into_iter().zip(pixels) {
                            if pixel == usize::MAX {
                                continue;
                            }
                            if let Some(bias) = plan.bias {
                                v = S::add(v, S::load(bias.as_ptr().add(channel)));
                            }
                            if let Some(add) = plan.add {
                                v = S::add(v, S::load(add.as_ptr().add(pixel + channel)));
                            }
                            if plan.relu {
                                v = S::max(S::zero(), v);
                            }
                            S::store(plan.y.as_mut_ptr().add(pixel + channel), v);
                        }
                    }
                }
            }
        }
    }
}

/// The statistics of one block's outputs.
struct OfBlock<'a> {
    parts: &'a BlockStatistics<'a>,
    block: usize,
    y: &'a DisjointMut<'a, f32>,
    offsets: &'a [usize],
    columns: usize,
}

impl Kernel for OfBlock<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: this block's pixels were written by this thread.
        unsafe { self.parts.of_block::<S>(self.block, self.y.as_mut_ptr(), self.offsets, 0..self.columns) }
    }
}

const _: () = assert!(IN * IN == FREQUENCIES && IN == OUT + 2);
