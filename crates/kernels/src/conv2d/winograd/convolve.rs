//! The forward pass, and with mirrored weights the input gradient.

use super::GROUP;
use super::scheme::Scheme;
use super::steps::{DEPTH, Part, Plan, Transformed};
use super::tiles::{Groups, Image, Tiles};
use super::weights::{self, Panels, WeightView};
use crate::gemm::statistics::{self, column_statistics};
use crate::gemm::{ColumnStatistics, Epilogue};
use crate::parallel::{self, DisjointMut};
use crate::{Element, scratch};
use std::ops::Range;

/// Floats of transformed inputs and outputs of a block of tiles: what the L2 cache holds, more or less.
const BLOCK_FLOATS: usize = 200 * 1024;
/// Fewest tiles of a block: each block reads all weights.
const MIN_TILES: usize = 24;
/// Tasks to aim for, so that several threads finish at about the same time.
const TASKS: usize = 12;
// Limits are lower in tests, so that small convolutions meet them.

/// Weights from which on it is better to read all tiles for some weights than all weights for some tiles.
const MANY_WEIGHTS: usize = if cfg!(test) { 64 * 80 } else { 256 * 256 };
/// Floats of transformed inputs of a round, which go through the L3 cache.
const ROUND_FLOATS: usize = if cfg!(test) { 1 << 16 } else { 3 << 20 };
/// Tiles of a block of a round, at most: as many as transformed weights are used for at a time.
const ROUND_BLOCK: usize = 144;

/// A 3x3 convolution of images of any padding, or the gradient of one.
pub(in crate::conv2d) struct Filter {
    /// Which.
    pub scheme: Scheme,
    /// Number of images.
    pub images: usize,
    /// Shape of an input.
    pub input: Image,
    /// Shape of an output.
    pub output: Image,
    /// Zeros above and to the left of the input.
    pub padding: [usize; 2],
}

impl Filter {
    /// Frequencies of a tile.
    pub fn frequencies(&self) -> usize {
        self.scheme.frequencies().pow(2)
    }

    /// How transformed tiles of some channels lie.
    pub fn groups(&self, channels: usize) -> Groups {
        Groups { channels, frequencies: self.frequencies() }
    }
}

/// Weights as they come, or transformed.
#[derive(Clone, Copy)]
pub(super) enum Weights<'a> {
    /// As they come.
    View(&'a WeightView<'a>),
    /// As `weights::pack` leaves them.
    Packed(&'a [f32]),
}

/// `y = filter(x)`, or `y += filter(x)`, then the epilogue. Channels are multiples of [`super::CHANNEL_GRANULE`].
pub(super) fn convolve<E: Element>(
    f: &Filter,
    x: &[E],
    w: Weights,
    epilogue: Epilogue<E>,
    y: &mut [E],
    accumulate: bool,
) {
    let (inputs, outputs) = (f.input.channels, f.output.channels);
    assert_eq!(x.len(), f.images * f.input.height * f.input.width * inputs);
    assert_eq!(y.len(), f.images * f.output.height * f.output.width * outputs);
    let Epilogue { bias, add, relu, statistics } = epilogue;
    assert!(bias.is_none_or(|bias| bias.len() == outputs), "one bias an output channel");
    assert!(add.is_none_or(|add| add.len() == y.len()), "the tensor to add is not of y's size");
    let panels = Panels::new(inputs, outputs);
    let tiles = Tiles::new(f.scheme, f.images, &f.output, f.padding);
    if tiles.count == 0 {
        return;
    }
    let zeros = vec![E::default(); inputs];
    let round = (ROUND_FLOATS / (f.frequencies() * inputs)).max(ROUND_BLOCK).next_multiple_of(ROUND_BLOCK);
    let plan = |y| {
        let y = DisjointMut::new(y);
        Plan { f, tiles, panels, x, zeros: &zeros, bias, add, accumulate, relu, y }
    };
    match w {
        Weights::View(view) if !by_outputs_pays(f, &tiles) => {
            scratch::with(panels.len(), |packed: &mut [f32]| {
                weights::pack(view, packed);
                let epilogue = Epilogue { bias, add, relu, statistics };
                convolve(f, x, Weights::Packed(packed), epilogue, y, accumulate);
            });
        }
        w if by_outputs_pays(f, &tiles) => {
            plan(y).by_outputs(w, round);
            if let Some(out) = statistics {
                column_statistics(y, out);
            }
        }
        Weights::Packed(packed) => plan(y).by_tiles(packed, statistics),
        Weights::View(_) => unreachable!("weights were packed above"),
    }
}

/// Whether each task should compute some outputs of all tiles, rather than all outputs of some tiles: with
/// many channels, and with few tiles.
fn by_outputs_pays(f: &Filter, tiles: &Tiles) -> bool {
    f.input.channels * f.output.channels >= MANY_WEIGHTS || tiles.count < TASKS * GROUP
}

impl<E: Element> Plan<'_, E> {
    /// Each task takes a block of tiles through all three steps; transformed tiles stay in its L2 cache.
    fn by_tiles(&self, packed: &[f32], statistics: Option<ColumnStatistics>) {
        let (inputs, outputs) = (self.panels.inputs, self.panels.outputs);
        let count = self.tiles.count;
        let fits = BLOCK_FLOATS / (self.f.frequencies() * (inputs + outputs));
        let block_tiles = fits.max(MIN_TILES).min(count.div_ceil(TASKS)).next_multiple_of(GROUP);
        let blocks = count.div_ceil(block_tiles);
        let block = |block: usize| block * block_tiles..count.min((block + 1) * block_tiles);
        let all_steps = |tiles: Range<usize>| {
            let count = tiles.len();
            let len = |channels| self.f.groups(channels).len(count);
            scratch::with(len(inputs) + len(outputs), |memory: &mut [f32]| {
                let (v, m) = memory.split_at_mut(len(inputs));
                self.transform_inputs(tiles.clone(), v);
                let panels = &self.panels;
                let part = Part { packed, layout: panels, inputs: 0..inputs, panels: 0..panels.count() };
                self.multiply(tiles.clone(), v, part, m);
                self.transform_outputs(tiles, Transformed { m, first: 0, channels: outputs });
            });
        };
        let pixels = |i| block(i).map(|tile| self.pixels(tile).count()).sum();
        statistics::by_blocks(statistics, outputs, blocks, pixels, |parts| {
            parallel::for_each_index(blocks, |i| {
                all_steps(block(i));
                if let Some(parts) = parts {
                    self.statistics(block(i), parts, i);
                }
            });
        });
    }

    /// All threads transform the inputs of a round of tiles; then each task computes some outputs of a block of them, with
    /// weights that are transformed on the spot if they are not yet. Tasks come in the order of the blocks, so that threads
    /// mostly read the tiles that they wrote.
    fn by_outputs(&self, w: Weights, round: usize) {
        let (lie, panels) = (self.f.groups(self.panels.inputs), self.panels.count());
        // Two panels share what is read of the tiles.
        let at_once = if panels >= 2 * TASKS { 2 } else { 1 };
        let parts = panels.div_ceil(at_once);
        for start in (0..self.tiles.count).step_by(round) {
            let tiles = start..self.tiles.count.min(start + round);
            let block = tiles.len().div_ceil(tiles.len().div_ceil(ROUND_BLOCK)).next_multiple_of(GROUP);
            scratch::with(lie.len(tiles.len()), |v: &mut [f32]| {
                let groups = DisjointMut::new(v);
                parallel::for_each_range(tiles.len(), GROUP, |range| {
                    // SAFETY: each group is one task's.
                    let v = unsafe { groups.slice(lie.tile(range.start)..lie.tile(range.start + GROUP)) };
                    self.transform_inputs(tiles.start + range.start..tiles.start + range.end, v);
                });
                parallel::for_each_index(tiles.len().div_ceil(block) * parts, |task| {
                    let (first, panel) = (task / parts * block, task % parts * at_once);
                    let start = tiles.start + first;
                    let panels = panel..panels.min(panel + at_once);
                    self.outputs(start..tiles.end.min(start + block), &v[lie.tile(first)..], w, panels);
                });
            });
        }
    }

    /// The outputs of some panels for a block of tiles, whose transformed inputs begin with `v`.
    fn outputs(&self, tiles: Range<usize>, v: &[f32], w: Weights, panels: Range<usize>) {
        let all = &self.panels;
        let first = panels.start * all.width;
        let channels = (panels.end * all.width).min(all.outputs) - first;
        scratch::with(self.f.groups(channels).len(tiles.len()), |m: &mut [f32]| {
            let mut multiply = |packed: &[f32], layout: &Panels, inputs: Range<usize>| {
                self.multiply(tiles.clone(), v, Part { packed, layout, inputs, panels: panels.clone() }, m);
            };
            match w {
                Weights::Packed(packed) => {
                    multiply(&packed[all.start(panels.start)..all.start(panels.end)], all, 0..all.inputs);
                }
                Weights::View(view) => {
                    for input in (0..all.inputs).step_by(DEPTH) {
                        let inputs = input..all.inputs.min(input + DEPTH);
                        let layout = Panels { inputs: inputs.len(), ..*all };
                        weights::with_packed(view, input, &layout, panels.clone(), |packed| {
                            multiply(packed, &layout, inputs);
                        });
                    }
                }
            }
            self.transform_outputs(tiles, Transformed { m, first, channels });
        });
    }
}
