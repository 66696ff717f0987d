//! Winograd's F(2x2, 3x3) (Lavin and Gray, <https://arxiv.org/abs/1509.09308>), whose tile of outputs is a window: 16
//! multiplications a channel where a direct convolution does 36.
//!
//! Sums of the 4x4 pixels under a window and sums of the weights are multiplied, element by element, and added up over the
//! channels; sums of these are the four convolutions. The factors of the sums are 1 and 1/2, so that little more is rounded
//! than in a direct convolution. Tiles of a row of windows stay in the L1 cache, products in registers.

use super::layout::Layout;
use super::maxima::Maxima;
use super::weights::Packed;
use crate::channels::{for_each_block, load, store};
use crate::simd::{Kernel, Simd, dispatch, dispatch_narrow};

/// Pixels under a window, and sums of weights.
const POINTS: usize = 16;
/// Channels over which the sums for a tile are spread.
const FEWEST_CHANNELS: usize = 8;
const FEWEST_OUTPUTS: usize = 16;

/// Whether this is faster than a direct convolution.
pub(super) fn pays(layout: &Layout) -> bool {
    layout.channels >= FEWEST_CHANNELS && layout.outputs >= FEWEST_OUTPUTS
}

/// Elements of the transformed weights.
pub(super) fn weights_len(layout: &Layout) -> usize {
    POINTS * layout.channels * Packed::width(layout.outputs)
}

/// Writes (4 across, C, 4 down, O) to `transformed`.
pub(super) fn transform_weights(layout: &Layout, packed: Packed, transformed: &mut [f32]) {
    dispatch(Weights { channels: layout.channels, packed, transformed });
}

struct Weights<'a> {
    channels: usize,
    packed: Packed<'a>,
    transformed: &'a mut [f32],
}

impl Kernel for Weights<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { channels, packed, transformed } = self;
        let columns = packed.columns();
        assert!(
            packed.rows.len() == 9 * channels * columns && transformed.len() == POINTS * channels * columns
        );
        for c in 0..channels {
            for o in (0..columns).step_by(S::LANES) {
                // SAFETY: the caller guarantees the instruction set; columns are whole vectors, and lengths were checked.
                unsafe {
                    let mut across = [[S::zero(); 4]; 3];
                    for (kh, across) in across.iter_mut().enumerate() {
                        let mut row = [S::zero(); 3];
                        for (kw, weight) in row.iter_mut().enumerate() {
                            let at = ((kh * 3 + kw) * channels + c) * columns + o;
                            *weight = S::load(packed.rows.as_ptr().add(at));
                        }
                        *across = of_weights::<S>(row);
                    }
                    let [p, q, r] = across;
                    for nu in 0..4 {
                        let down = of_weights::<S>([p[nu], q[nu], r[nu]]);
                        for (xi, sum) in down.into_iter().enumerate() {
                            let at = ((nu * channels + c) * 4 + xi) * columns + o;
                            S::store(transformed.as_mut_ptr().add(at), sum);
                        }
                    }
                }
            }
        }
    }
}

/// # Safety
/// The processor must have the instruction set of `S`.
#[inline(always)]
unsafe fn of_weights<S: Simd>([a, b, c]: [S::V; 3]) -> [S::V; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let (half, outer) = (S::splat(0.5), S::add(a, c));
        [a, S::mul(half, S::add(outer, b)), S::mul(half, S::sub(outer, b)), c]
    }
}

/// Elements of the tiles of a row of windows.
pub(super) fn tiles_len(layout: &Layout) -> usize {
    layout.windows[1] * POINTS * layout.channels
}

/// The windows of one image. `weights` are transformed; `tiles` is working memory.
pub(super) fn image(
    layout: Layout,
    padded: &[f32],
    bias: &[f32],
    weights: &[f32],
    tiles: &mut [f32],
    mut maxima: Maxima,
) {
    assert!(weights.len() == weights_len(&layout) && bias.len() == Packed::width(layout.outputs));
    assert!(tiles.len() == tiles_len(&layout) && maxima.y.len() == layout.output_len());
    for i in 0..layout.windows[0] {
        let x = &padded[2 * i * layout.row..];
        dispatch_narrow(layout.channels, Tiles { layout, x, tiles });
        dispatch_narrow(layout.outputs, Products { layout, i, tiles, bias, weights, maxima: &mut maxima });
    }
}

/// The tiles of a row of windows: (window, 4 across, 4 down, C).
struct Tiles<'a> {
    layout: Layout,
    /// The padded image from the first of four rows on.
    x: &'a [f32],
    tiles: &'a mut [f32],
}

impl Kernel for Tiles<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Layout { row, channels, windows: [_, columns], .. } = self.layout;
        assert!(self.x.len() >= 3 * row + 2 * (columns + 1) * channels);
        for (j, tile) in self.tiles.chunks_exact_mut(POINTS * channels).enumerate() {
            let x = self.x[2 * j * channels..].as_ptr();
            for_each_block::<S>(
                channels,
                #[inline(always)]
                |first, n| {
                    // SAFETY: the caller guarantees the instruction set; 4 x 4 pixels begin at x, as many as the tile has.
                    unsafe {
                        let mut across = [[S::zero(); 4]; 4];
                        for (r, across) in across.iter_mut().enumerate() {
                            let mut pixels = [S::zero(); 4];
                            for (k, pixel) in pixels.iter_mut().enumerate() {
                                *pixel = load::<S>(x.add(r * row + k * channels + first), n);
                            }
                            *across = of_pixels::<S>(pixels);
                        }
                        for nu in 0..4 {
                            let [a, b, c, d] = across;
                            let down = of_pixels::<S>([a[nu], b[nu], c[nu], d[nu]]);
                            for (xi, sum) in down.into_iter().enumerate() {
                                store::<S>(tile.as_mut_ptr().add((nu * 4 + xi) * channels + first), sum, n);
                            }
                        }
                    }
                },
            );
        }
    }
}

/// # Safety
/// The processor must have the instruction set of `S`.
#[inline(always)]
unsafe fn of_pixels<S: Simd>([a, b, c, d]: [S::V; 4]) -> [S::V; 4] {
    // SAFETY: the caller's promise.
    unsafe { [S::sub(a, c), S::add(b, c), S::sub(c, b), S::sub(b, d)] }
}

/// Products of a row of tiles with the weights, and the maxima of the sums.
struct Products<'a, 'b> {
    layout: Layout,
    /// The row of windows.
    i: usize,
    tiles: &'a [f32],
    bias: &'a [f32],
    weights: &'a [f32],
    maxima: &'a mut Maxima<'b>,
}

impl Kernel for Products<'_, '_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let columns = self.layout.windows[1];
        for first in (0..self.layout.outputs).step_by(S::LANES) {
            let mut j = 0;
            while j < columns {
                // Four windows are as fast two by two as three and one.
                // SAFETY: the caller guarantees the instruction set; so many windows are left.
                unsafe {
                    j += match columns - j {
                        1 => self.windows::<S, 1>(first, j),
                        3 | 5.. if S::REGISTERS >= 32 => self.windows::<S, 3>(first, j),
                        _ => self.windows::<S, 2>(first, j),
                    }
                }
            }
        }
    }
}

impl Products<'_, '_> {
    /// `N` windows from column `j` on, for a vector of output channels from `first` on. Returns `N`.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`; there must be so many windows and a channel `first`.
    #[inline(always)]
    unsafe fn windows<S: Simd, const N: usize>(&mut self, first: usize, j: usize) -> usize {
        let (channels, columns) = (self.layout.channels, self.bias.len());
        let tiles = self.tiles[j * POINTS * channels..].as_ptr();
        // SAFETY: the caller's promise; rows of weights are wide enough for whole vectors.
        unsafe {
            let mut weights = self.weights.as_ptr().add(first);
            let mut four = [[S::load(self.bias.as_ptr().add(first)); 4]; N];
            for nu in 0..4 {
                let mut sums = [[S::zero(); 4]; N];
                for c in 0..channels {
                    for xi in 0..4 {
                        let w = S::load(weights.add(xi * columns));
                        for (n, sums) in sums.iter_mut().enumerate() {
                            let x = S::splat(*tiles.add((n * POINTS + nu * 4 + xi) * channels + c));
                            sums[xi] = S::fma(x, w, sums[xi]);
                        }
                    }
                    weights = weights.add(4 * columns);
                }
                for (four, [a, b, c, d]) in four.iter_mut().zip(sums) {
                    let (upper, lower) = (S::add(a, S::add(b, c)), S::sub(S::sub(b, c), d));
                    if nu < 3 {
                        four[0] = S::add(four[0], upper);
                        four[2] = S::add(four[2], lower);
                    }
                    if nu == 1 {
                        four[1] = S::add(four[1], upper);
                        four[3] = S::add(four[3], lower);
                    } else if nu > 1 {
                        four[1] = S::sub(four[1], upper);
                        four[3] = S::sub(four[3], lower);
                    }
                }
            }
            for (n, four) in four.into_iter().enumerate() {
                self.maxima.write::<S>([self.i, j + n], first, four);
            }
        }
        N
    }
}
