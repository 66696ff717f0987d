//! The four convolutions of each window in registers.

use super::layout::Layout;
use super::maxima::Maxima;
use super::weights::Packed;
use crate::simd::{Kernel, Simd};

/// One image.
pub(super) struct Image<'a> {
    pub layout: Layout,
    pub padded: &'a [f32],
    pub weights: Packed<'a>,
    pub maxima: Maxima<'a>,
}

impl Kernel for Image<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let outputs = self.layout.outputs;
        let mut first = 0;
        while first < outputs {
            // SAFETY: the caller guarantees the instruction set.
            unsafe {
                if self.layout.channels == 1 {
                    self.single_channel::<S>(first);
                    first += S::LANES;
                } else if first + S::LANES < outputs {
                    // Eight accumulators either way, enough to hide the latency of the multiply-adds.
                    self.channels::<S, 1, 2>(first);
                    first += 2 * S::LANES;
                } else {
                    self.channels::<S, 2, 1>(first);
                    first += S::LANES;
                }
            }
        }
    }
}

impl Image<'_> {
    /// All windows, `WINDOWS` at a time, for `VECTORS` vectors of output channels from `first` on.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`; there must be a channel `first`, and another for each vector.
    #[inline(always)]
    unsafe fn channels<S: Simd, const WINDOWS: usize, const VECTORS: usize>(&mut self, first: usize) {
        let [rows, columns] = self.layout.windows;
        for i in 0..rows {
            let mut j = 0;
            while j < columns {
                // SAFETY: the caller's promise; so many windows are left.
                unsafe {
                    if j + WINDOWS <= columns {
                        self.tile::<S, WINDOWS, VECTORS>(first, [i, j]);
                        j += WINDOWS;
                    } else {
                        self.tile::<S, 1, VECTORS>(first, [i, j]);
                        j += 1;
                    }
                }
            }
        }
    }

    /// `WINDOWS` neighbouring windows from `window` on.
    ///
    /// # Safety
    /// As for [`Self::channels`]; there must be so many windows.
    #[inline(always)]
    unsafe fn tile<S: Simd, const WINDOWS: usize, const VECTORS: usize>(
        &mut self,
        first: usize,
        window: [usize; 2],
    ) {
        let Layout { row, channels, .. } = self.layout;
        let segment = self.layout.segment();
        let [i, j] = window;
        let x = self.padded[2 * (i * row + j * channels)..].as_ptr();
        // SAFETY: the caller's promise; the windows lie inside of the padded image, and packed weights are wide enough for
        // whole vectors.
        unsafe {
            let mut sums = [[[[S::zero(); VECTORS]; 2]; 2]; WINDOWS];
            for v in 0..VECTORS {
                let bias = S::load(self.weights.bias.as_ptr().add(first + v * S::LANES));
                for sums in sums.as_flattened_mut().as_flattened_mut() {
                    sums[v] = bias;
                }
            }
            let mut weights = self.weights.rows.as_ptr().add(first);
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
                    weights = weights.add(self.weights.columns());
                }
            }
            for (n, [[a, b], [c, d]]) in sums.iter().enumerate() {
                for (v, &a) in a.iter().enumerate() {
                    self.maxima.write::<S>([i, j + n], first + v * S::LANES, [a, b[v], c[v], d[v]]);
                }
            }
        }
    }

    /// The same as [`Self::channels`] for a vector of output channels and one input channel: its nine weights stay in
    /// registers, and each of the 16 elements under a window is read once.
    ///
    /// # Safety
    /// As for [`Self::channels`].
    #[inline(always)]
    unsafe fn single_channel<S: Simd>(&mut self, first: usize) {
        let Layout { row, windows: [rows, columns], .. } = self.layout;
        // SAFETY: the caller's promise; the windows lie inside of the padded image.
        unsafe {
            let bias = S::load(self.weights.bias.as_ptr().add(first));
            let mut weights = [S::zero(); 9];
            for (t, weight) in weights.iter_mut().enumerate() {
                *weight = S::load(self.weights.rows.as_ptr().add(t * self.weights.columns() + first));
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
                    self.maxima.write::<S>([i, j], first, four);
                }
            }
        }
    }
}
