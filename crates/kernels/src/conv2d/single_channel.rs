//! 3x3 kernels over a single channel, the first layer of a network for grey images.
//!
//! A product would spend its time on the bookkeeping of nine terms. Here the nine weights of a vector of
//! output channels (or their nine gradients) stay in registers while the input passes by.
//!
//! Accuracy: a sum of nine terms; weight gradients are sums over an image, added image by image.

use super::Conv2dGeometry;
use super::pad::pad_row;
use crate::gemm::Epilogue;
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};

/// Taps of the kernel.
const TAPS: usize = 9;
/// Multiply-adds of a task.
const TASK_WORK: usize = 256 * 1024;

/// Whether the geometry is one of these.
pub(super) fn applies(g: &Conv2dGeometry) -> bool {
    g.in_channels == 1 && g.kernel == [3, 3] && g.groups == 1
}

/// Images of a task.
fn images_at_once(g: &Conv2dGeometry) -> usize {
    let image = g.out_height() * g.out_width() * g.out_channels * TAPS;
    (TASK_WORK / image.max(1)).max(1)
}

/// Copies an image with its padding; returns the offsets of the taps from a patch's first element.
fn pad_image(g: &Conv2dGeometry, x: &[f32], image: usize, padded: &mut [f32], width: usize) -> [usize; TAPS] {
    for (y, row) in padded.chunks_exact_mut(width).enumerate() {
        pad_row(g, x, image, y, row);
    }
    std::array::from_fn(|tap| tap / 3 * g.dilation[0] * width + tap % 3 * g.dilation[1])
}

/// Height and width of a padded image.
fn padded_size(g: &Conv2dGeometry) -> [usize; 2] {
    [g.in_height + g.padding[0][0] + g.padding[0][1], g.in_width + g.padding[1][0] + g.padding[1][1]]
}

/// `y = conv2d(x, w)`, then the epilogue, which has no statistics.
pub(super) fn forward(g: &Conv2dGeometry, x: &[f32], w: &[f32], epilogue: Epilogue, y: &mut [f32]) {
    debug_assert!(epilogue.statistics.is_none());
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == g.out_channels), "one bias an output channel");
    assert!(epilogue.add.is_none_or(|add| add.len() == y.len()), "the tensor to add is not of y's size");
    let [height, width] = padded_size(g);
    let image_len = g.out_height() * g.out_width() * g.out_channels;
    let writer = DisjointMut::new(y);
    parallel::for_each_range(g.batch, images_at_once(g), |images| {
        scratch::with(height * width, |padded: &mut [f32]| {
            for image in images {
                let taps = pad_image(g, x, image, padded, width);
                let range = image * image_len..(image + 1) * image_len;
                let add = epilogue.add.map(|add| &add[range.clone()]);
                // SAFETY: each image has its own part of y.
                let y = unsafe { writer.slice(range) };
                let (bias, relu) = (epilogue.bias, epilogue.relu);
                dispatch(Forward { g, padded, width, taps, w, bias, add, relu, y });
            }
        });
    });
}

struct Forward<'a> {
    g: &'a Conv2dGeometry,
    padded: &'a [f32],
    width: usize,
    taps: [usize; TAPS],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    add: Option<&'a [f32]>,
    relu: bool,
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Forward { g, padded, width, taps, w, bias, add, relu, y } = self;
        let (channels, out_width) = (g.out_channels, g.out_width());
        for first in (0..channels).step_by(S::LANES) {
            let n = S::LANES.min(channels - first);
            // SAFETY: patches lie inside the padded image; `n` channels from `first` on exist.
            unsafe {
                let mut weights = [S::zero(); TAPS];
                for (tap, v) in weights.iter_mut().enumerate() {
                    let mut lanes = [0.0; 16];
                    for (i, lane) in lanes.iter_mut().enumerate().take(n) {
                        *lane = w[(first + i) * TAPS + tap];
                    }
                    *v = S::load(lanes.as_ptr());
                }
                let bias = match bias {
                    Some(bias) => S::load_partial(bias[first..].as_ptr(), n),
                    None => S::zero(),
                };
                let floor = if relu { S::zero() } else { S::splat(f32::NEG_INFINITY) };
                for oh in 0..g.out_height() {
                    let row = padded.as_ptr().add(oh * g.stride[0] * width);
                    for ow in 0..out_width {
                        let patch = row.add(ow * g.stride[1]);
                        // Three chains of three hide part of the latency; the next pixels hide the rest.
                        let mut sums = [bias, S::zero(), S::zero()];
                        for (i, (&tap, &weight)) in taps.iter().zip(&weights).enumerate() {
                            sums[i % 3] = S::fma(S::splat(*patch.add(tap)), weight, sums[i % 3]);
                        }
                        let mut v = S::add(S::add(sums[0], sums[1]), sums[2]);
                        let at = (oh * out_width + ow) * channels + first;
                        if let Some(add) = add {
                            v = S::add(v, S::load_partial(add.as_ptr().add(at), n));
                        }
                        v = S::max(floor, v);
                        if n == S::LANES {
                            S::store(y.as_mut_ptr().add(at), v);
                        } else {
                            S::store_partial(y.as_mut_ptr().add(at), v, n);
                        }
                    }
                }
            }
        }
    }
}

/// The weight gradient.
pub(super) fn weight_gradient(g: &Conv2dGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let [height, width] = padded_size(g);
    let at_once = images_at_once(g);
    let image_len = g.out_height() * g.out_width() * g.out_channels;
    // Taps by output channels.
    scratch::with(TAPS * g.out_channels, |sums: &mut [f32]| {
        parallel::sum_blocks(g.batch, at_once, sums, |images, sums| {
            sums.fill(0.0);
            scratch::with(height * width, |padded: &mut [f32]| {
                for image in images {
                    let taps = pad_image(g, x, image, padded, width);
                    let dy = &dy[image * image_len..(image + 1) * image_len];
                    dispatch(WeightGradient { g, padded, width, taps, dy, sums });
                }
            });
        });
        for (i, dw) in dw.iter_mut().enumerate() {
            *dw = sums[i % TAPS * g.out_channels + i / TAPS];
        }
    });
}

struct WeightGradient<'a> {
    g: &'a Conv2dGeometry,
    padded: &'a [f32],
    width: usize,
    taps: [usize; TAPS],
    dy: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let WeightGradient { g, padded, width, taps, dy, sums } = self;
        let (channels, out_width) = (g.out_channels, g.out_width());
        for first in (0..channels).step_by(S::LANES) {
            let n = S::LANES.min(channels - first);
            // SAFETY: patches lie inside the padded image; `n` channels from `first` on exist.
            unsafe {
                let mut acc = [S::zero(); TAPS];
                for oh in 0..g.out_height() {
                    let row = padded.as_ptr().add(oh * g.stride[0] * width);
                    for ow in 0..out_width {
                        let patch = row.add(ow * g.stride[1]);
                        let from = dy.as_ptr().add((oh * out_width + ow) * channels + first);
                        let dy = if n == S::LANES { S::load(from) } else { S::load_partial(from, n) };
                        for (acc, &tap) in acc.iter_mut().zip(&taps) {
                            *acc = S::fma(S::splat(*patch.add(tap)), dy, *acc);
                        }
                    }
                }
                for (tap, acc) in acc.into_iter().enumerate() {
                    let to = sums.as_mut_ptr().add(tap * channels + first);
                    S::store_partial(to, S::add(acc, S::load_partial(to, n)), n);
                }
            }
        }
    }
}
