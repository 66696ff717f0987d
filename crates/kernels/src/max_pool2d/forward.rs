//! Values, and optionally places, of the window maxima.

use super::Geometry;
use crate::channels::{for_each_block, load, store, store_u16};
use crate::parallel::{self, DisjointMut};
use crate::simd::{Kernel, Simd, dispatch};

/// Max pooling of `x` (batch, height, width, channels) into `y` (batch, rows, columns, channels).
///
/// As in PyTorch the first of equal maxima wins and a NaN beats every number. `taps`, when given, receives for
/// each output element the number of the window element that won: `kh * kernel_width + kw`.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn forward(g: &Geometry, x: &[f32], y: &mut [f32], taps: Option<&mut [u16]>) {
    let [rows, columns] = g.output_size();
    assert_eq!(x.len(), g.input_len(), "max_pool2d: length of x");
    assert_eq!(y.len(), g.output_len(), "max_pool2d: length of y");
    let taps = taps.map(|taps| {
        assert_eq!(taps.len(), y.len(), "max_pool2d: length of taps");
        DisjointMut::new(taps)
    });
    let (row, image) = (columns * g.channels, g.height * g.width * g.channels);
    parallel::for_each_chunk(y, row, |start, y| {
        for (i, y) in y.chunks_exact_mut(row.max(1)).enumerate() {
            let at = start + i * row;
            let (n, r) = (at / row / rows, at / row % rows);
            // SAFETY: rows of different chunks do not overlap.
            let taps = taps.as_ref().map(|taps| unsafe { taps.slice(at..at + row) });
            dispatch(Row { g, r, x: &x[n * image..][..image], y, taps });
        }
    });
}

/// One row of windows of one image.
struct Row<'a> {
    g: &'a Geometry,
    r: usize,
    x: &'a [f32],
    y: &'a mut [f32],
    taps: Option<&'a mut [u16]>,
}

impl Kernel for Row<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { g, r, x, y, mut taps } = self;
        let (vertical, horizontal) = (g.window(0), g.window(1));
        let rows = vertical.taps(r);
        for (c, y) in y.chunks_exact_mut(g.channels).enumerate() {
            let taps = taps.as_mut().map(|t| &mut t[c * g.channels..][..g.channels]);
            let columns = horizontal.taps(c);
            if rows.is_empty() || columns.is_empty() {
                // A dilated window can miss a narrow input. Tap 0 then lies outside, where no gradient goes.
                y.fill(f32::NEG_INFINITY);
                taps.into_iter().for_each(|t| t.fill(0));
                continue;
            }
            let (h, w) = (vertical.position(r, rows.start), horizontal.position(c, columns.start));
            let window = Window {
                x: &x[(h * g.width + w) * g.channels..],
                step: [g.dilation[0] * g.width * g.channels, g.dilation[1] * g.channels],
                first: rows.start * g.kernel[1] + columns.start,
                kernel_width: g.kernel[1],
            };
            // SAFETY: the caller guarantees the instruction set; both ranges name taps inside the input.
            unsafe {
                // Sizes that the compiler knows become loops without counters.
                match (rows.len(), columns.len(), g.kernel[1]) {
                    (2, 2, 2) => window.maximum::<S>([2, 2], y, taps),
                    (3, 3, 3) => window.maximum::<S>([3, 3], y, taps),
                    (height, width, _) => window.maximum::<S>([height, width], y, taps),
                }
            }
        }
    }
}

/// The part of a window that lies on the input.
struct Window<'a> {
    /// The input from its first tap on.
    x: &'a [f32],
    /// Distance in `x` between vertical and between horizontal neighbours.
    step: [usize; 2],
    /// Number of the first tap.
    first: usize,
    /// Taps in a row of the whole window.
    kernel_width: usize,
}

impl Window<'_> {
    /// # Safety
    /// The processor must have the instruction set of `S`, and all `size` taps must lie in `x`.
    #[inline(always)]
    unsafe fn maximum<S: Simd>(&self, size: [usize; 2], y: &mut [f32], taps: Option<&mut [u16]>) {
        match taps {
            None => for_each_block::<S>(
                y.len(),
                #[inline(always)]
                |c, n| {
                    // SAFETY: the caller's promise; a block of n channels from c on lies inside of y and of each tap.
                    unsafe {
                        let (best, _) = self.block::<S, false>(size, c, n);
                        store::<S>(y.as_mut_ptr().add(c), best, n);
                    }
                },
            ),
            Some(taps) => for_each_block::<S>(
                y.len(),
                #[inline(always)]
                |c, n| {
                    // SAFETY: as above; taps is as long as y.
                    unsafe {
                        let (best, tap) = self.block::<S, true>(size, c, n);
                        store::<S>(y.as_mut_ptr().add(c), best, n);
                        store_u16::<S>(taps.as_mut_ptr().add(c), tap, n);
                    }
                },
            ),
        }
    }

    /// Maxima, and when `TAPS` the taps that hold them, of `n` channels from `c` on.
    ///
    /// # Safety
    /// As for [`Self::maximum`], for these channels.
    #[inline(always)]
    unsafe fn block<S: Simd, const TAPS: bool>(
        &self,
        [height, width]: [usize; 2],
        c: usize,
        n: usize,
    ) -> (S::V, S::V) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut best = S::splat(f32::NEG_INFINITY);
            let mut tap = S::splat(self.first as f32);
            for i in 0..height {
                for j in 0..width {
                    let at = i * self.step[0] + j * self.step[1] + c;
                    let x = load::<S>(self.x.as_ptr().add(at), n);
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
