//! Where the largest of a window's four convolutions goes.

use super::layout::Layout;
use crate::channels::{store, store_u16};
use crate::simd::Simd;

/// One image of the output.
pub(super) struct Maxima<'a> {
    pub layout: Layout,
    /// (rows, columns, output channels)
    pub y: &'a mut [f32],
    /// As many places, if they are wanted.
    pub places: Option<&'a mut [u16]>,
}

impl Maxima<'_> {
    /// Writes the largest of the `four` convolutions of a window, if it is positive, and its place: for the output channels
    /// from `first` on that are left, at most a vector.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`; there must be such a window and channel.
    #[inline(always)]
    pub unsafe fn write<S: Simd>(&mut self, window: [usize; 2], first: usize, four: [S::V; 4]) {
        let Layout { outputs, windows: [_, columns], .. } = self.layout;
        let at = (window[0] * columns + window[1]) * outputs + first;
        let n = S::LANES.min(outputs - first);
        // SAFETY: the caller's promise.
        unsafe {
            let [a, b, c, d] = four;
            let larger = |a, b, x, y| S::select_above(b, a, y, x);
            let (upper, lower) = (larger(a, b, a, b), larger(c, d, c, d));
            store::<S>(self.y.as_mut_ptr().add(at), S::max(S::zero(), larger(upper, lower, upper, lower)), n);
            if let Some(places) = &mut self.places {
                let [p, q, r, s] = self.layout.places().map(|place| S::splat(place as f32));
                let (p, r) = (larger(a, b, p, q), larger(c, d, r, s));
                store_u16::<S>(places.as_mut_ptr().add(at), larger(upper, lower, p, r), n);
            }
        }
    }
}
