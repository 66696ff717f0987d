//! The gradient of the weights: for each output channel, the patches under the maxima, added up.

use super::backward::Band;
use crate::channels::{load, load_u16};
use crate::simd::{Kernel, MAX_LANES, Simd};

/// Taps of the kernel.
const TAPS: usize = 9;

/// Adds the weight gradient of a band to `dw` (O, 3, 3 C).
pub(super) struct WeightGradient<'a> {
    pub band: Band<'a>,
    /// The padded image.
    pub x: &'a [f32],
    pub dw: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        if self.band.layout.channels == 1 {
            let outputs = self.band.layout.outputs;
            for output in (0..outputs).step_by(S::LANES) {
                // SAFETY: the caller guarantees the instruction set; so many output channels are left.
                unsafe {
                    match outputs - output {
                        n if n < S::LANES => self.single_channel::<S, false>(output, n),
                        _ => self.single_channel::<S, true>(output, S::LANES),
                    }
                }
            }
            return;
        }
        let segment = self.band.layout.segment();
        for output in 0..self.band.layout.outputs {
            let mut from = 0;
            while from < segment {
                // SAFETY: the caller guarantees the instruction set; the vectors start inside of a segment.
                from += unsafe {
                    match (segment - from).div_ceil(S::LANES) {
                        1 => self.vectors::<S, 1>(output, from),
                        2 => self.vectors::<S, 2>(output, from),
                        4 => self.vectors::<S, 4>(output, from),
                        _ => self.vectors::<S, 3>(output, from),
                    }
                };
            }
        }
    }
}

impl WeightGradient<'_> {
    /// The gradients of `N` vectors of each of the three segments, which stay in registers while all windows pass
    /// by. Returns how many elements of a segment that is.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`; the last vector must start inside of the segment.
    #[inline(always)]
    unsafe fn vectors<S: Simd, const N: usize>(&mut self, output: usize, from: usize) -> usize {
        let Band { layout, first, gradient, places } = self.band;
        let (row, step, segment) = (layout.row, 2 * layout.channels, layout.segment());
        let columns = layout.windows[1];
        let dw = &mut self.dw[output * 3 * segment..][..3 * segment];
        // SAFETY: the caller's promise.
        let mut sums = unsafe { [[S::zero(); N]; 3] };
        let rows = gradient.len() / (columns * layout.outputs);
        for i in 0..rows {
            let start = self.x[2 * (first + i) * row..].as_ptr();
            // SAFETY: the band has `rows` x `columns` windows of `outputs` elements; patches at their places lie
            // inside of the padded image, and whole vectors inside of its slack.
            unsafe {
                let mut g = gradient.as_ptr().add(i * columns * layout.outputs + output);
                let mut place = places.as_ptr().add(i * columns * layout.outputs + output);
                let mut window = start.add(from);
                for _ in 0..columns {
                    let patch = window.add(usize::from(*place));
                    let value = S::splat(*g);
                    for (kh, sums) in sums.iter_mut().enumerate() {
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = S::fma(value, S::load(patch.add(kh * row + v * S::LANES)), *sum);
                        }
                    }
                    window = window.wrapping_add(step);
                    g = g.wrapping_add(layout.outputs);
                    place = place.wrapping_add(layout.outputs);
                }
            }
        }
        for (dw, sums) in dw.chunks_exact_mut(segment).zip(&sums) {
            for (v, &sum) in sums.iter().enumerate() {
                let at = from + v * S::LANES;
                let n = S::LANES.min(segment - at);
                // SAFETY: n elements from `at` on are left of this segment.
                unsafe {
                    let to = dw.as_mut_ptr().add(at);
                    S::store_partial(to, S::add(sum, S::load_partial(to, n)), n);
                }
            }
        }
        N * S::LANES
    }

    /// The same for one input channel, of which a segment would leave most lanes empty: here a vector runs over `n` output
    /// channels (`WHOLE`: all lanes), and the nine gradients of each stay in registers. Each of the 16 elements under a
    /// window meets the gradients of the (up to four) places that read it, zero but for one.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`; there must be `n` output channels from `output` on.
    #[inline(always)]
    unsafe fn single_channel<S: Simd, const WHOLE: bool>(&mut self, output: usize, n: usize) {
        let Band { layout, first, gradient, places } = self.band;
        let (row, outputs, columns) = (layout.row, layout.outputs, layout.windows[1]);
        let rows = gradient.len() / (columns * outputs);
        let n = if WHOLE { S::LANES } else { n };
        // SAFETY: the band has `rows` x `columns` windows of `outputs` elements, of which `n` are left; what lies under a
        // window lies inside of the padded image.
        unsafe {
            let mut offsets = [S::zero(); 4];
            for (offset, place) in offsets.iter_mut().zip(layout.places()) {
                *offset = S::splat(place as f32);
            }
            let mut sums = [S::zero(); TAPS];
            for i in 0..rows {
                for j in 0..columns {
                    let at = (i * columns + j) * outputs + output;
                    let g = load::<S>(gradient.as_ptr().add(at), n);
                    let place = load_u16::<S>(places.as_ptr().add(at), n);
                    let mut at_place = [S::zero(); 4];
                    for (at_place, &offset) in at_place.iter_mut().zip(&offsets) {
                        *at_place = S::select_eq(place, offset, g, S::zero());
                    }
                    let x = self.x[2 * ((first + i) * row + j)..].as_ptr();
                    for r in 0..4 {
                        for c in 0..4 {
                            let x = S::splat(*x.add(r * row + c));
                            for (p, &g) in at_place.iter().enumerate() {
                                let (kh, kw) = (r.wrapping_sub(p / 2), c.wrapping_sub(p % 2));
                                if kh < 3 && kw < 3 {
                                    sums[kh * 3 + kw] = S::fma(x, g, sums[kh * 3 + kw]);
                                }
                            }
                        }
                    }
                }
            }
            let mut lanes = [0.0; MAX_LANES];
            for (tap, sum) in sums.into_iter().enumerate() {
                S::store(lanes.as_mut_ptr(), sum);
                for (dw, sum) in self.dw[output * TAPS..].chunks_exact_mut(TAPS).zip(&lanes[..n]) {
                    dw[tap] += sum;
                }
            }
        }
    }
}
