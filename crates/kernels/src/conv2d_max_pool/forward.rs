//! The four convolutions of each window in registers, then the largest of them.

use super::check;
use super::layout::Layout;
use crate::channels::{store, store_u16};
use crate::conv2d::Conv2dGeometry;
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch_narrow};
use std::ptr;

/// Multiply-adds of a task.
const TASK_WORK: usize = 256 * 1024;
/// Packed weights have as many columns as a multiple of this, the longest vector.
const COLUMNS: usize = 16;

/// `y = max_pool2d(max(0, conv2d(x, w) + bias))` with windows of 2 x 2.
///
/// `x` is (N, H, W, C), `w` (O, 3, 3, C), `y` (N, Ho / 2, Wo / 2, O) for the convolution's output size Ho, Wo;
/// an odd last row or column belongs to no window. `places`, when given, receives for each element of `y` where
/// in its window the first largest value was, in the form that [`backward`](super::backward) wants.
///
/// # Panics
/// When `g` is not a plain 3x3 convolution, or a slice has another length than it says.
#[track_caller]
pub fn forward(
    g: &Conv2dGeometry,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
    places: Option<&mut [u16]>,
) {
    check(g, x.len(), w.len(), y.len());
    assert!(bias.is_none_or(|b| b.len() == g.out_channels), "conv2d_max_pool: one bias an output channel");
    assert!(places.as_ref().is_none_or(|p| p.len() == y.len()), "conv2d_max_pool: length of places");
    let layout = Layout::new(g);
    let (input, output) = (layout.input_len(), layout.output_len());
    if output == 0 {
        return;
    }
    let columns = g.out_channels.next_multiple_of(COLUMNS);
    let terms = 3 * layout.segment();
    let work = 4 * output * terms;
    let y = DisjointMut::new(y);
    let places = places.map(DisjointMut::new);
    scratch::with((terms + 1) * columns, |weights: &mut [f32]| {
        pack(w, bias, columns, weights);
        parallel::for_each_range(g.batch, (TASK_WORK / work).max(1), |images| {
            scratch::with(layout.padded_len(), |padded: &mut [f32]| {
                padded.fill(0.0);
                for image in images {
                    layout.pad(&x[image * input..][..input], padded);
                    let range = image * output..(image + 1) * output;
                    // SAFETY: each image has its own part of y and of places.
                    let (y, places) =
                        unsafe { (y.slice(range.clone()), places.as_ref().map(|p| p.slice(range))) };
                    dispatch_narrow(layout.outputs, Image { layout, padded, weights, columns, y, places });
                }
            });
        });
    });
}

/// The bias (zero if there is none), then the weights as (3, 3 C, O): rows of `columns`, of which those beyond
/// the output channels are zero.
fn pack(w: &[f32], bias: Option<&[f32]>, columns: usize, packed: &mut [f32]) {
    let (first, rest) = packed.split_at_mut(columns);
    first.fill(0.0);
    if let Some(bias) = bias {
        first[..bias.len()].copy_from_slice(bias);
    }
    let terms = rest.len() / columns;
    for (t, row) in rest.chunks_exact_mut(columns).enumerate() {
        row.fill(0.0);
        for (to, from) in row.iter_mut().zip(w.chunks_exact(terms)) {
            *to = from[t];
        }
    }
}

/// One image.
struct Image<'a> {
    layout: Layout,
    padded: &'a [f32],
    /// As [`pack`] leaves them.
    weights: &'a [f32],
    columns: usize,
    y: &'a mut [f32],
    places: Option<&'a mut [u16]>,
}

impl Kernel for Image<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        // SAFETY: the caller guarantees the instruction set; places has as many elements as y.
        unsafe {
            match self.places.take() {
                Some(places) => self.image::<S, true>(places.as_mut_ptr()),
                None => self.image::<S, false>(ptr::null_mut()),
            }
        }
    }
}

impl Image<'_> {
    /// # Safety
    /// The processor must have the instruction set of `S`. When `PLACES`, `places` must point to as many as y
    /// has.
    #[inline(always)]
    unsafe fn image<S: Simd, const PLACES: bool>(&mut self, places: *mut u16) {
        let mut first = 0;
        // SAFETY: the caller's promise.
        unsafe {
            if self.layout.channels == 1 {
                return self.single_channel::<S, PLACES>(places);
            }
            // Eight accumulators either way, enough to hide the latency of the multiply-adds.
            while first < self.layout.outputs {
                if first + S::LANES < self.layout.outputs {
                    self.channels::<S, 1, 2, PLACES>(first, places);
                    first += 2 * S::LANES;
                } else {
                    self.channels::<S, 2, 1, PLACES>(first, places);
                    first += S::LANES;
                }
            }
        }
    }

    /// All windows, `WINDOWS` at a time, for `VECTORS` vectors of output channels from `first` on.
    ///
    /// # Safety
    /// As for [`Self::image`].
    #[inline(always)]
    unsafe fn channels<S: Simd, const WINDOWS: usize, const VECTORS: usize, const PLACES: bool>(
        &mut self,
        first: usize,
        places: *mut u16,
    ) {
        let Layout { row, channels, outputs, windows: [rows, columns], .. } = self.layout;
        for i in 0..rows {
            let mut j = 0;
            while j < columns {
                let x = self.padded[2 * (i * row + j * channels)..].as_ptr();
                let at = (i * columns + j) * outputs + first;
                // SAFETY: the caller's promise; the windows lie inside of the padded image.
                unsafe {
                    let y = self.y.as_mut_ptr().add(at);
                    let places = if PLACES { places.add(at) } else { places };
                    if j + WINDOWS <= columns {
                        self.tile::<S, WINDOWS, VECTORS, PLACES>(first, x, y, places);
                        j += WINDOWS;
                    } else {
                        self.tile::<S, 1, VECTORS, PLACES>(first, x, y, places);
                        j += 1;
                    }
                }
            }
        }
    }

    /// `WINDOWS` neighbouring windows, the first of which starts at `x`.
    ///
    /// # Safety
    /// As for [`Self::image`]; `y` and, when `PLACES`, `places` must point to the first window's output channel
    /// `first`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const WINDOWS: usize, const VECTORS: usize, const PLACES: bool>(
        &self,
        first: usize,
        x: *const f32,
        y: *mut f32,
        places: *mut u16,
    ) {
        let Layout { row, channels, outputs, .. } = self.layout;
        let segment = self.layout.segment();
        // SAFETY: the caller's promise; packed weights are wide enough for whole vectors.
        unsafe {
            let mut weights = self.weights.as_ptr().add(first);
            let mut sums = [[[[S::zero(); VECTORS]; 2]; 2]; WINDOWS];
            for v in 0..VECTORS {
                let bias = S::load(weights.add(v * S::LANES));
                for sums in sums.as_flattened_mut().as_flattened_mut() {
                    sums[v] = bias;
                }
            }
            weights = weights.add(self.columns);
            for kh in 0..3 {
                let x = x.add(kh * row);
                for t in 0..segment {
                    let mut w = [S::zero(); VECTORS];
                    for (v, w) in w.iter_mut().enumerate() {
                        *w = S::load(weights.add(v * S::LANES));
                    }
                    for (n, window) in sums.iter_mut().enumerate() {
                        for (r, pair) in window.iter_mut().enumerate() {
                            for (c, sums) in pair.iter_mut().enumerate() {
                                let x = S::splat(*x.add(r * row + (2 * n + c) * channels + t));
                                for (sum, &w) in sums.iter_mut().zip(&w) {
                                    *sum = S::fma(x, w, *sum);
                                }
                            }
                        }
                    }
                    weights = weights.add(self.columns);
                }
            }
            for (n, [[a, b], [c, d]]) in sums.iter().enumerate() {
                for (v, &a) in a.iter().enumerate() {
                    let four = [a, b[v], c[v], d[v]];
                    let (at, left) = (n * outputs + v * S::LANES, outputs - first - v * S::LANES);
                    let places = if PLACES { places.add(at) } else { places };
                    self.largest::<S, PLACES>(four, left.min(S::LANES), y.add(at), places);
                }
            }
        }
    }

    /// The same as [`Self::channels`] for one input channel: the nine weights of a vector of output channels stay in
    /// registers, and each of the 16 elements under a window is read once.
    ///
    /// # Safety
    /// As for [`Self::image`].
    #[inline(always)]
    unsafe fn single_channel<S: Simd, const PLACES: bool>(&mut self, places: *mut u16) {
        let Layout { row, outputs, windows: [rows, columns], .. } = self.layout;
        for first in (0..outputs).step_by(S::LANES) {
            // SAFETY: the caller's promise; the windows lie inside of the padded image.
            unsafe {
                let packed = self.weights.as_ptr().add(first);
                let bias = S::load(packed);
                let mut weights = [S::zero(); 9];
                for (t, weight) in weights.iter_mut().enumerate() {
                    *weight = S::load(packed.add((t + 1) * self.columns));
                }
                for i in 0..rows {
                    for j in 0..columns {
                        let x = self.padded[2 * (i * row + j)..].as_ptr();
                        let mut four = [bias; 4];
                        for r in 0..4 {
                            for c in 0..4 {
                                let x = S::splat(*x.add(r * row + c));
                                for (p, sum) in four.iter_mut().enumerate() {
                                    let (kh, kw) = (r.wrapping_sub(p / 2), c.wrapping_sub(p % 2));
                                    if kh < 3 && kw < 3 {
                                        *sum = S::fma(x, weights[kh * 3 + kw], *sum);
                                    }
                                }
                            }
                        }
                        let at = (i * columns + j) * outputs + first;
                        let places = if PLACES { places.add(at) } else { places };
                        let y = self.y.as_mut_ptr().add(at);
                        self.largest::<S, PLACES>(four, S::LANES.min(outputs - first), y, places);
                    }
                }
            }
        }
    }

    /// Writes the largest of the four convolutions of a window, if it is positive, and its place, for `n` output
    /// channels.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`; `y` and, when `PLACES`, `places` must point to `n`
    /// elements.
    #[inline(always)]
    unsafe fn largest<S: Simd, const PLACES: bool>(
        &self,
        four: [S::V; 4],
        n: usize,
        y: *mut f32,
        places: *mut u16,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let (mut best, mut place) = (four[0], S::zero());
            for (&sum, offset) in four.iter().zip(self.layout.places()).skip(1) {
                if PLACES {
                    place = S::select_above(sum, best, S::splat(offset as f32), place);
                }
                best = S::select_above(sum, best, sum, best);
            }
            store::<S>(y, S::max(S::zero(), best), n);
            if PLACES {
                store_u16::<S>(places, place, n);
            }
        }
    }
}
