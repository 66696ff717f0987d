//! Depthwise convolution: one kernel a channel, vectors of channels, no sums over channels.
//!
//! There is nothing for a matrix product to reuse: each input meets each tap once, and memory sets the pace.
//!
//! Accuracy: a sum over taps; weight gradients are summed row by row, then over blocks of rows in order.

use super::Conv2dGeometry;
use crate::gemm::Epilogue;
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};
use std::ops::Range;

/// Multiply-adds of a task.
const TASK_WORK: usize = 128 * 1024;

/// Whether the geometry is one of these.
pub(super) fn applies(g: &Conv2dGeometry) -> bool {
    g.groups > 1 && g.groups == g.in_channels && g.in_channels == g.out_channels
}

fn rows_at_once(g: &Conv2dGeometry, width: usize) -> usize {
    let row = width * g.in_channels * g.kernel[0] * g.kernel[1];
    (TASK_WORK / row.max(1)).max(1)
}

/// Calls `f` with the weights as (taps, channels).
fn with_taps_first<R>(g: &Conv2dGeometry, w: &[f32], f: impl FnOnce(&[f32]) -> R) -> R {
    let taps = g.kernel[0] * g.kernel[1];
    scratch::with(w.len(), |by_tap: &mut [f32]| {
        for (tap, to) in by_tap.chunks_exact_mut(g.in_channels).enumerate() {
            to.iter_mut().enumerate().for_each(|(c, to)| *to = w[c * taps + tap]);
        }
        f(by_tap)
    })
}

/// `y = conv2d(x, w)`, then the epilogue, which has no statistics.
pub(super) fn forward(g: &Conv2dGeometry, x: &[f32], w: &[f32], epilogue: Epilogue, y: &mut [f32]) {
    debug_assert!(epilogue.statistics.is_none());
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == g.out_channels), "one bias an output channel");
    assert!(epilogue.add.is_none_or(|add| add.len() == y.len()), "the tensor to add is not of y's size");
    let (height, width) = (g.out_height(), g.out_width());
    let row_len = width * g.out_channels;
    let writer = DisjointMut::new(y);
    let Epilogue { bias, add, relu, .. } = epilogue;
    with_taps_first(g, w, |w| {
        parallel::for_each_range(g.batch * height, rows_at_once(g, width), |rows| {
            for row in rows {
                let range = row * row_len..(row + 1) * row_len;
                let add = add.map(|add| &add[range.clone()]);
                // SAFETY: each row is one task's.
                let y = unsafe { writer.slice(range) };
                let taps = Taps { kernel: g.kernel[1], channels: g.in_channels, w, bias, add, relu };
                dispatch(Row {
                    taps,
                    from: x,
                    rows: |kh| {
                        let ih = (row % height * g.stride[0]).wrapping_add_signed(g.tap_offset(0, kh));
                        (ih < g.in_height).then(|| (row / height * g.in_height + ih) * g.in_width)
                    },
                    columns: |ow: usize, kw| {
                        let iw = (ow * g.stride[1]).wrapping_add_signed(g.tap_offset(1, kw));
                        (iw < g.in_width).then_some(iw)
                    },
                    kernel_height: g.kernel[0],
                    to: y,
                });
            }
        });
    });
}

/// The input gradient.
pub(super) fn input_gradient(g: &Conv2dGeometry, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let (height, width) = (g.out_height(), g.out_width());
    let row_len = g.in_width * g.in_channels;
    let writer = DisjointMut::new(dx);
    // The output position that reads input position `i` with tap `tap`.
    let reached = |axis: usize, i: usize, tap: usize, size: usize| {
        let distance = i.checked_add_signed(-g.tap_offset(axis, tap))?;
        let o = distance / g.stride[axis];
        (distance % g.stride[axis] == 0 && o < size).then_some(o)
    };
    with_taps_first(g, w, |w| {
        parallel::for_each_range(g.batch * g.in_height, rows_at_once(g, g.in_width), |rows| {
            for row in rows {
                // SAFETY: each row is one task's.
                let to = unsafe { writer.slice(row * row_len..(row + 1) * row_len) };
                let channels = g.in_channels;
                let taps = Taps { kernel: g.kernel[1], channels, w, bias: None, add: None, relu: false };
                let (image, ih) = (row / g.in_height, row % g.in_height);
                dispatch(Row {
                    taps,
                    from: dy,
                    rows: |kh| reached(0, ih, kh, height).map(|oh| (image * height + oh) * width),
                    columns: |iw, kw| reached(1, iw, kw, width),
                    kernel_height: g.kernel[0],
                    to,
                });
            }
        });
    });
}

struct Taps<'a> {
    /// Taps in a kernel row.
    kernel: usize,
    channels: usize,
    /// Weights (taps, channels).
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    add: Option<&'a [f32]>,
    relu: bool,
}

/// One row of a result: for each pixel the sum over taps of `from` pixels times weights.
struct Row<'a, R, C> {
    taps: Taps<'a>,
    from: &'a [f32],
    /// First pixel of the row that a kernel row reads, if there is one.
    rows: R,
    /// Pixel in that row for a column of the result and a tap, if there is one.
    columns: C,
    kernel_height: usize,
    to: &'a mut [f32],
}

impl<R: Fn(usize) -> Option<usize>, C: Fn(usize, usize) -> Option<usize>> Kernel for Row<'_, R, C> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Row { taps, from, rows, columns, kernel_height, to } = self;
        let Taps { kernel, channels, w, bias, add, relu } = taps;
        for (column, to) in to.chunks_exact_mut(channels).enumerate() {
            for c in (0..channels).step_by(S::LANES) {
                let n = S::LANES.min(channels - c);
                // SAFETY: n channels from c on exist in every pixel and tap; slices check where they begin.
                unsafe {
                    let mut sum = match bias {
                        Some(bias) => S::load_partial(bias[c..].as_ptr(), n),
                        None => S::zero(),
                    };
                    for kh in 0..kernel_height {
                        let Some(row) = rows(kh) else { continue };
                        for kw in 0..kernel {
                            let Some(x) = columns(column, kw) else { continue };
                            let from = from[(row + x) * channels + c..].as_ptr();
                            let w = w[(kh * kernel + kw) * channels + c..].as_ptr();
                            sum = if n == S::LANES {
                                S::fma(S::load(from), S::load(w), sum)
                            } else {
                                S::fma(S::load_partial(from, n), S::load_partial(w, n), sum)
                            };
                        }
                    }
                    if let Some(add) = add {
                        sum = S::add(sum, S::load_partial(add[column * channels + c..].as_ptr(), n));
                    }
                    if relu {
                        sum = S::max(S::zero(), sum);
                    }
                    let to = to[c..].as_mut_ptr();
                    if n == S::LANES { S::store(to, sum) } else { S::store_partial(to, sum, n) }
                }
            }
        }
    }
}

/// The weight gradient.
pub(super) fn weight_gradient(g: &Conv2dGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let height = g.out_height();
    let rows = g.batch * height;
    // At most 64 parts, so that the sums stay small whatever the batch.
    let at_once = rows_at_once(g, g.out_width()).max(rows.div_ceil(64)).max(1);
    let taps = g.kernel[0] * g.kernel[1];
    let len = dw.len();
    scratch::with(rows.div_ceil(at_once) * len, |sums: &mut [f32]| {
        let writer = DisjointMut::new(sums);
        parallel::for_each_range(rows, at_once, |rows| {
            let part = rows.start / at_once;
            // SAFETY: each task has its own part.
            let sums = unsafe { writer.slice(part * len..(part + 1) * len) };
            sums.fill(0.0);
            dispatch(SumRows { g, x, dy, rows, sums });
        });
        for (i, dw) in dw.iter_mut().enumerate() {
            let (c, tap) = (i / taps, i % taps);
            *dw = sums.chunks_exact(len).map(|part| part[tap * g.in_channels + c]).sum();
        }
    });
}

/// Adds the products of some rows of `dy` with `x` to sums (taps, channels).
struct SumRows<'a> {
    g: &'a Conv2dGeometry,
    x: &'a [f32],
    dy: &'a [f32],
    rows: Range<usize>,
    sums: &'a mut [f32],
}

impl Kernel for SumRows<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let SumRows { g, x, dy, rows, sums } = self;
        let (height, width, channels) = (g.out_height(), g.out_width(), g.in_channels);
        for row in rows {
            for kh in 0..g.kernel[0] {
                let ih = (row % height * g.stride[0]).wrapping_add_signed(g.tap_offset(0, kh));
                if ih >= g.in_height {
                    continue;
                }
                let x_row = (row / height * g.in_height + ih) * g.in_width;
                for kw in 0..g.kernel[1] {
                    let sums = &mut sums[(kh * g.kernel[1] + kw) * channels..][..channels];
                    for (j, sums) in sums.chunks_mut(S::LANES).enumerate() {
                        let (c, n) = (j * S::LANES, sums.len());
                        // SAFETY: n channels from c on exist in every pixel; slices check where they begin.
                        unsafe {
                            let mut sum = S::load_partial(sums.as_ptr(), n);
                            for ow in 0..width {
                                let iw = (ow * g.stride[1]).wrapping_add_signed(g.tap_offset(1, kw));
                                if iw >= g.in_width {
                                    continue;
                                }
                                let x = x[(x_row + iw) * channels + c..].as_ptr();
                                let dy = dy[(row * width + ow) * channels + c..].as_ptr();
                                sum = if n == S::LANES {
                                    S::fma(S::load(x), S::load(dy), sum)
                                } else {
                                    S::fma(S::load_partial(x, n), S::load_partial(dy, n), sum)
                                };
                            }
                            S::store_partial(sums.as_mut_ptr(), sum, n);
                        }
                    }
                }
            }
        }
    }
}
