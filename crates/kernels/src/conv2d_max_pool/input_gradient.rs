//! The gradient of the input: for each output channel, the weights added under the maxima.

use super::backward::Band;
use crate::channels::{load, store};
use crate::simd::{Kernel, Simd};

/// Adds the input gradient of a band to `dx`, a padded image.
pub(super) struct InputGradient<'a> {
    pub band: Band<'a>,
    /// (O, 3, 3 C)
    pub w: &'a [f32],
    pub dx: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let segment = self.band.layout.segment();
        for output in 0..self.band.layout.outputs {
            let mut from = 0;
            while from < segment {
                let left = segment - from;
                // SAFETY: the caller guarantees the instruction set; as many elements of a segment are left.
                from += unsafe {
                    match (left.div_ceil(S::LANES), left.is_multiple_of(S::LANES)) {
                        (1, true) => self.vectors::<S, 1, true>(output, from),
                        (1, false) => self.vectors::<S, 1, false>(output, from),
                        (2, true) => self.vectors::<S, 2, true>(output, from),
                        (2, false) => self.vectors::<S, 2, false>(output, from),
                        (3, false) => self.vectors::<S, 3, false>(output, from),
                        _ => self.vectors::<S, 3, true>(output, from),
                    }
                };
            }
        }
    }
}

impl InputGradient<'_> {
    /// Adds `N` vectors of each of the three segments, whose weights stay in registers, at all windows. The last
    /// vector is `WHOLE` or has as many elements as the segment. Returns how many elements of a segment that is.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`; the vectors must lie inside of the segment.
    #[inline(always)]
    unsafe fn vectors<S: Simd, const N: usize, const WHOLE: bool>(
        &mut self,
        output: usize,
        from: usize,
    ) -> usize {
        let Band { layout, first, gradient, places } = self.band;
        let (row, step, segment) = (layout.row, 2 * layout.channels, layout.segment());
        let columns = layout.windows[1];
        let lanes = |v: usize| {
            if WHOLE || v + 1 < N { S::LANES } else { segment - from - v * S::LANES }
        };
        let w = &self.w[output * 3 * segment..][..3 * segment];
        // SAFETY: the caller's promise.
        let mut weights = unsafe { [[S::zero(); N]; 3] };
        for (weights, w) in weights.iter_mut().zip(w.chunks_exact(segment)) {
            for (v, weight) in weights.iter_mut().enumerate() {
                // SAFETY: inside of the segment.
                *weight = unsafe { load::<S>(w.as_ptr().add(from + v * S::LANES), lanes(v)) };
            }
        }
        let rows = gradient.len() / (columns * layout.outputs);
        for i in 0..rows {
            let start = self.dx[2 * (first + i) * row..].as_mut_ptr();
            // Patches under neighbouring windows overlap: adding to the next but one does not have to wait for
            // this one's results.
            let half = columns.div_ceil(2);
            for k in 0..columns {
                let j = if k < half { 2 * k } else { 2 * (k - half) + 1 };
                let at = (i * columns + j) * layout.outputs + output;
                // SAFETY: the band has `rows` x `columns` windows of `outputs` elements; patches at their places
                // lie inside of the padded image.
                unsafe {
                    let place = usize::from(*places.as_ptr().add(at));
                    let patch = start.add(from + j * step + place);
                    let value = S::splat(*gradient.as_ptr().add(at));
                    for (kh, weights) in weights.iter().enumerate() {
                        for (v, &weight) in weights.iter().enumerate() {
                            let (to, n) = (patch.add(kh * row + v * S::LANES), lanes(v));
                            store::<S>(to, S::fma(value, weight, load::<S>(to, n)), n);
                        }
                    }
                }
            }
        }
        N * S::LANES
    }
}
