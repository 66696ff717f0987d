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
            let (upper, lower) = (S::select_above(b, a, b, a), S::select_above(d, c, d, c));
            let largest = S::select_above(lower, upper, lower, upper);
            store::<S>(self.y.as_mut_ptr().add(at), S::max(S::zero(), largest), n);
            if let Some(places) = &mut self.places {
                let [p, q, r, s] = self.layout.places();
                let upper_place = S::select_above(b, a, S::splat(q as f32), S::splat(p as f32));
                let lower_place = S::select_above(d, c, S::splat(s as f32), S::splat(r as f32));
                let place = S::select_above(lower, upper, lower_place, upper_place);
                store_u16::<S>(places.as_mut_ptr().add(at), place, n);
            }
        }
    }
}
