//! Values, and optionally places, of the window maxima.

use std::ptr;

use super::Geometry;
use crate::Element;
use crate::channels::{for_each_block, store_u16};
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd, dispatch};
use crate::window::Part;

/// Max pooling of `x` (batch, height, width, channels) into `y` (batch, rows, columns, channels).
///
/// As in PyTorch the first of equal maxima wins and a NaN beats every number. `taps`, when given, receives
/// for each output element the number of the window element that won: `kh * kernel_width + kw`.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn forward<E: Element>(g: &Geometry, x: &[E], y: &mut [E], taps: Option<&mut [u16]>) {
    let [rows, columns] = g.output_size();
    assert_eq!(x.len(), g.input_len(), "max_pool2d: length of x");
    assert_eq!(y.len(), g.output_len(), "max_pool2d: length of y");
    let taps = taps.map(|taps| {
        assert_eq!(taps.len(), y.len(), "max_pool2d: length of taps");
        DisjointMut::new(taps)
    });
    let (row, image) = (columns * g.channels, g.height * g.width * g.channels);
    let (vertical, horizontal) = (g.window(0).parts(rows), g.window(1).parts(columns));
    parallel::for_each_chunk(y, row, |start, y| {
        for (i, y) in y.chunks_exact_mut(row).enumerate() {
            let at = start + i * row;
            let (n, r) = (at / row / rows, at / row % rows);
            // SAFETY: rows of different chunks do not overlap.
            let taps = taps.as_ref().map(|taps| unsafe { taps.slice(at..at + row) });
            let x = &x[n * image..][..image];
            dispatch(Row { g, vertical: vertical[r], horizontal: &horizontal, x, y, taps });
        }
    });
}

/// One row of windows of one image.
struct Row<'a, E> {
    g: &'a Geometry,
    /// The rows of the windows.
    vertical: Part,
    /// The columns of each.
    horizontal: &'a [Part],
    x: &'a [E],
    y: &'a mut [E],
    taps: Option<&'a mut [u16]>,
}

impl<E: Element> Kernel for Row<'_, E> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        // SAFETY: the caller guarantees the instruction set.
        unsafe {
            match self.taps.take() {
                Some(taps) => self.row::<S, true>(taps.as_mut_ptr()),
                None => self.row::<S, false>(ptr::null_mut()),
            }
        }
    }
}

impl<E: Element> Row<'_, E> {
    /// # Safety
    /// The processor must have the instruction set of `S`. When `TAPS`, `taps` must point to as many as y
    /// has.
    #[inline(always)]
    unsafe fn row<S: Simd, const TAPS: bool>(self, taps: *mut u16) {
        let Self { g, vertical, horizontal, x, y, .. } = self;
        let channels = g.channels;
        let step = [g.dilation[0] * g.width * channels, g.dilation[1] * channels];
        let mut c = 0;
        while c < horizontal.len() {
            let part = horizontal[c];
            let at = (vertical.start * g.width + part.start) * channels;
            let size = [vertical.taps, part.taps];
            // Whole windows come in runs.
            let whole = size == g.kernel;
            let count =
                if whole { horizontal[c..].iter().take_while(|p| p.taps == g.kernel[1]).count() } else { 1 };
            let first = if size.contains(&0) { 0 } else { vertical.tap * g.kernel[1] + part.tap };
            let (x, stride) = (x.as_ptr().wrapping_add(at), g.stride[1] * channels);
            // SAFETY: the parts name taps inside the image; y and taps have this many windows left.
            unsafe {
                let y = y.as_mut_ptr().add(c * channels);
                let taps = if TAPS { taps.add(c * channels) } else { taps };
                // Sizes that the compiler knows become straight lines of code.
                match (whole, size) {
                    (true, [2, 2]) => Shape { size: [2, 2], step, first: 0, kernel_width: 2 }
                        .windows::<S, E, TAPS>(channels, count, x, stride, y, taps),
                    (true, [3, 3]) => Shape { size: [3, 3], step, first: 0, kernel_width: 3 }
                        .windows::<S, E, TAPS>(channels, count, x, stride, y, taps),
                    _ => Shape { size, step, first, kernel_width: g.kernel[1] }
                        .windows::<S, E, TAPS>(channels, count, x, stride, y, taps),
                }
            }
            c += count;
        }
    }
}

/// The part of a window that lies on the input.
#[derive(Clone, Copy)]
struct Shape {
    /// Vertical and horizontal taps. A dilated window can miss a narrow input and have none: then its maximum
    /// is negative infinity, of tap 0, which lies outside, where no gradient goes.
    size: [usize; 2],
    /// Distance between vertical and between horizontal neighbours.
    step: [usize; 2],
    /// Number of the first tap.
    first: usize,
    /// Taps in a row of the whole window.
    kernel_width: usize,
}

impl Shape {
    /// Maxima of `count` windows, whose first taps are `stride` apart from `x` on.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`; `x` must be valid for all channels of all taps,
    /// `y`, and when `TAPS` also `taps`, for all channels of all windows.
    #[inline(always)]
    unsafe fn windows<S: Simd, E: Element, const TAPS: bool>(
        self,
        channels: usize,
        count: usize,
        x: *const E,
        stride: usize,
        y: *mut E,
        taps: *mut u16,
    ) {
        for i in 0..count {
            for_each_block::<S>(
                channels,
                #[inline(always)]
                |c, n| {
                    // SAFETY: the caller's promise.
                    unsafe {
                        let (best, tap) = self.maximum::<S, E, TAPS>(x.add(i * stride + c), n);
                        E::store::<S>(y.add(i * channels + c), best, n);
                        if TAPS {
                            store_u16::<S>(taps.add(i * channels + c), tap, n);
                        }
                    }
                },
            );
        }
    }

    /// Maxima, and when `TAPS` the taps that hold them, of `n` channels.
    ///
    /// # Safety
    /// As for [`Self::windows`].
    #[inline(always)]
    unsafe fn maximum<S: Simd, E: Element, const TAPS: bool>(self, x: *const E, n: usize) -> (S::V, S::V) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut best = S::splat(f32::NEG_INFINITY);
            let mut tap = S::splat(self.first as f32);
            for i in 0..self.size[0] {
                for j in 0..self.size[1] {
                    let x = E::load::<S>(x.add(i * self.step[0] + j * self.step[1]), n);
                    if TAPS {
                        let number = S::splat((self.first + i * self.kernel_width + j) as f32);
                        tap = S::select_above(x, best, number, tap);
                    }
                    best = S::select_above(x, best, x, best);
                }
            }
            (best, tap)
        }
    }
}
