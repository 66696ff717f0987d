//! The gradient goes where the maximum was found.

use super::Geometry;
use crate::Element;
use crate::channels::{for_each_block, load_u16};
use crate::parallel;
use crate::simd::{Kernel, Simd, dispatch};
use crate::window::Covers;

/// Gradient of max pooling: `dx` from `dy` and the `taps` that [`forward`](super::forward) recorded.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn backward<E: Element>(g: &Geometry, dy: &[E], taps: &[u16], dx: &mut [E]) {
    let [rows, columns] = g.output_size();
    assert_eq!(dx.len(), g.input_len(), "max_pool2d: length of dx");
    assert_eq!(dy.len(), g.output_len(), "max_pool2d: length of dy");
    assert_eq!(taps.len(), dy.len(), "max_pool2d: length of taps");
    if g.kernel == [2, 2] && g.stride == [2, 2] && g.padding == [0, 0] && g.dilation == [1, 1] && !g.ceil_mode
    {
        return quarters(g, dy, taps, dx);
    }
    let (vertical, horizontal) = (Covers::new(g.window(0), rows), Covers::new(g.window(1), columns));
    let (row, windows) = (g.width * g.channels, columns * g.channels);
    parallel::for_each_chunk(dx, row, |start, dx| {
        for (i, dx) in dx.chunks_exact_mut(row).enumerate() {
            let (n, h) = ((start / row + i) / g.height, (start / row + i) % g.height);
            let image = n * rows * windows..(n + 1) * rows * windows;
            let (dy, taps) = (&dy[image.clone()], &taps[image]);
            dispatch(Row { g, dy, taps, windows, rows: vertical.of(h), columns: &horizontal, dx });
        }
    });
}

/// One row of `dx`, which each element gathers from the windows that cover it, in their order: nothing has to
/// be cleared beforehand, and no two threads write to the same place.
struct Row<'a, E> {
    g: &'a Geometry,
    /// Of one image.
    dy: &'a [E],
    /// Of one image.
    taps: &'a [u16],
    /// Elements of a row of `dy`.
    windows: usize,
    /// (row of `dy`, row of the window) that fall on this row.
    rows: &'a [(usize, usize)],
    /// The same for columns.
    columns: &'a Covers,
    dx: &'a mut [E],
}

impl<E: Element> Kernel for Row<'_, E> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let channels = self.g.channels;
        for (w, dx) in self.dx.chunks_exact_mut(channels).enumerate() {
            let columns = self.columns.of(w);
            for_each_block::<S>(
                channels,
                #[inline(always)]
                |c, n| {
                    // SAFETY: the caller guarantees the instruction set; the pairs name windows of the image.
                    unsafe {
                        let mut sum = S::zero();
                        for &(row, kh) in self.rows {
                            for &(column, kw) in columns {
                                let at = row * self.windows + column * channels + c;
                                let tap = load_u16::<S>(self.taps.as_ptr().add(at), n);
                                let dy = E::load::<S>(self.dy.as_ptr().add(at), n);
                                let here = S::splat((kh * self.g.kernel[1] + kw) as f32);
                                sum = S::add(sum, S::select_eq(tap, here, dy, S::zero()));
                            }
                        }
                        E::store::<S>(dx.as_mut_ptr().add(c), sum, n);
                    }
                },
            );
        }
    }
}

/// The commonest case: windows of 2 x 2 side by side. Each goes to four elements that belong to no other.
fn quarters<E: Element>(g: &Geometry, dy: &[E], taps: &[u16], dx: &mut [E]) {
    let image = g.height * g.width * g.channels;
    let windows = (g.height / 2) * (g.width / 2) * g.channels;
    parallel::for_each_chunk(dx, image, |start, dx| {
        let of = start / image * windows..;
        let inputs = dy[of.clone()].chunks_exact(windows).zip(taps[of].chunks_exact(windows));
        for (dx, (dy, taps)) in dx.chunks_exact_mut(image).zip(inputs) {
            dispatch(Quarters { width: g.width, channels: g.channels, dy, taps, dx });
        }
    });
}

/// One image.
struct Quarters<'a, E> {
    width: usize,
    channels: usize,
    dy: &'a [E],
    taps: &'a [u16],
    dx: &'a mut [E],
}

impl<E: Element> Kernel for Quarters<'_, E> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let channels = self.channels;
        let (row, windows) = (self.width * channels, self.width / 2 * channels);
        let mut pairs = self.dx.chunks_exact_mut(2 * row);
        let inputs = self.dy.chunks_exact(windows).zip(self.taps.chunks_exact(windows));
        for (dx, (dy, taps)) in pairs.by_ref().zip(inputs) {
            for (column, (dy, taps)) in dy.chunks_exact(channels).zip(taps.chunks_exact(channels)).enumerate()
            {
                let dx = &mut dx[2 * column * channels..];
                for_each_block::<S>(
                    channels,
                    #[inline(always)]
                    |c, n| {
                        // SAFETY: the caller guarantees the instruction set; two columns and two rows of dx
                        // are left.
                        unsafe {
                            let tap = load_u16::<S>(taps.as_ptr().add(c), n);
                            let dy = E::load::<S>(dy.as_ptr().add(c), n);
                            for (i, at) in [0, channels, row, row + channels].into_iter().enumerate() {
                                let here = S::select_eq(tap, S::splat(i as f32), dy, S::zero());
                                E::store::<S>(dx.as_mut_ptr().add(at + c), here, n);
                            }
                        }
                    },
                );
            }
            // An odd last column or row belongs to no window.
            for dx in dx.chunks_exact_mut(row) {
                dx[2 * windows..].fill(E::default());
            }
        }
        pairs.into_remainder().fill(E::default());
    }
}
