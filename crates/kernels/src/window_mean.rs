//! Means over rectangles of the image, and their gradient: what average pooling and its adaptive kin have in
//! common.

use std::ops::Range;

use crate::channels::{for_each_block, load, store};
use crate::parallel::{self, DisjointMut};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};
use crate::vectorize::vectorize;

/// Elements from which a rectangle is summed row by row: fewer stay in registers.
const LARGE: usize = 16;

/// One rectangle for each element of a (rows, columns) output.
pub(crate) struct WindowMean {
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels of input and output.
    pub channels: usize,
    /// Input rows of each output row.
    pub vertical: Vec<Range<usize>>,
    /// Input columns of each output column.
    pub horizontal: Vec<Range<usize>>,
    /// What the sum of each rectangle is multiplied by, (rows, columns).
    pub factors: Vec<f32>,
}

impl WindowMean {
    /// `x` (batch, height, width, channels) to `y` (batch, rows, columns, channels).
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        let (rows, row) = (self.vertical.len(), self.horizontal.len() * self.channels);
        let image = self.size[0] * self.size[1] * self.channels;
        // What there is to read decides how many threads are worth while: global pooling writes next to
        // nothing.
        let cost = row.max(image / rows.max(1)).max(1);
        let y = DisjointMut::new(y);
        parallel::for_each_range(y.len() / row.max(1), parallel::MIN_BLOCK.div_ceil(cost), |outputs| {
            for i in outputs {
                let (n, r) = (i / rows, i % rows);
                // SAFETY: no two rows overlap.
                let y = unsafe { y.slice(i * row..(i + 1) * row) };
                self.forward_row(r, &x[n * image..][..image], y);
            }
        });
    }

    /// Row `r` of the output of the image `x`.
    fn forward_row(&self, r: usize, x: &[f32], y: &mut [f32]) {
        let rows = self.vertical[r].clone();
        let factors = &self.factors[r * self.horizontal.len()..];
        let widest = self.horizontal.iter().map(Range::len).max().unwrap_or(0);
        if rows.len() * widest < LARGE {
            return dispatch(SmallMeans { mean: self, rows, factors, x, y });
        }
        let outputs = y.chunks_exact_mut(self.channels).zip(&self.horizontal).zip(factors);
        for ((y, columns), &factor) in outputs {
            self.large(rows.clone(), columns.clone(), factor, x, y);
        }
    }

    /// Sums each row of the rectangle, then the rows, to keep chains of additions short.
    fn large(&self, rows: Range<usize>, columns: Range<usize>, factor: f32, x: &[f32], y: &mut [f32]) {
        let channels = self.channels;
        scratch::with(channels, |sum: &mut [f32]| {
            vectorize(
                #[inline(always)]
                || {
                    y.fill(0.0);
                    for h in rows {
                        let row = h * self.size[1];
                        sum.fill(0.0);
                        for x in x[(row + columns.start) * channels..(row + columns.end) * channels]
                            .chunks_exact(channels)
                        {
                            for (s, x) in sum.iter_mut().zip(x) {
                                *s += x;
                            }
                        }
                        for (y, s) in y.iter_mut().zip(&*sum) {
                            *y += s;
                        }
                    }
                    for y in y.iter_mut() {
                        *y *= factor;
                    }
                },
            );
        });
    }

    /// `dx` from `dy`, shaped as `x` and `y` of [`Self::forward`].
    ///
    /// Each element of `dx` gathers from the rectangles that contain it, in their order.
    pub fn backward(&self, dy: &[f32], dx: &mut [f32]) {
        let [height, width] = self.size;
        let (vertical, horizontal) =
            (containing(&self.vertical, height), containing(&self.horizontal, width));
        let (row, image) = (width * self.channels, self.factors.len() * self.channels);
        parallel::for_each_chunk(dx, row, |start, dx| {
            for (i, dx) in dx.chunks_exact_mut(row).enumerate() {
                let (n, h) = ((start / row + i) / height, (start / row + i) % height);
                let dy = &dy[n * image..][..image];
                dispatch(Gather { mean: self, rows: vertical[h].clone(), columns: &horizontal, dy, dx });
            }
        });
    }
}

/// For each of `len` elements the spans that contain it. They are consecutive, since spans begin and end in
/// order.
fn containing(spans: &[Range<usize>], len: usize) -> Vec<Range<usize>> {
    let first = |at| spans.partition_point(|s| s.end <= at);
    let end = |at| spans.partition_point(|s| s.start <= at);
    (0..len).map(|at| first(at)..end(at).max(first(at))).collect()
}

/// A row of means whose sums stay in registers.
struct SmallMeans<'a> {
    mean: &'a WindowMean,
    rows: Range<usize>,
    factors: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for SmallMeans<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (width, channels) = (self.mean.size[1], self.mean.channels);
        let outputs = self.y.chunks_exact_mut(channels).zip(&self.mean.horizontal).zip(self.factors);
        for ((y, columns), &factor) in outputs {
            let x = self.x[(self.rows.start * width + columns.start) * channels..].as_ptr();
            for_each_block::<S>(
                channels,
                #[inline(always)]
                |c, n| {
                    // SAFETY: the caller guarantees the instruction set; the rectangle lies in the image x.
                    unsafe {
                        let (x, step) = (x.add(c), [width * channels, channels]);
                        // Sizes that the compiler knows become straight lines of code.
                        let sum = match [self.rows.len(), columns.len()] {
                            [2, 2] => sum::<S>(x, [2, 2], step, n),
                            [3, 3] => sum::<S>(x, [3, 3], step, n),
                            size => sum::<S>(x, size, step, n),
                        };
                        store::<S>(y.as_mut_ptr().add(c), S::mul(sum, S::splat(factor)), n);
                    }
                },
            );
        }
    }
}

/// Sum of the first `n` channels of a rectangle whose elements are `step` apart vertically and horizontally.
///
/// # Safety
/// The processor must have the instruction set of `S`, and the elements must be readable.
#[inline(always)]
unsafe fn sum<S: Simd>(x: *const f32, size: [usize; 2], step: [usize; 2], n: usize) -> S::V {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sum = S::zero();
        for i in 0..size[0] {
            for j in 0..size[1] {
                sum = S::add(sum, load::<S>(x.add(i * step[0] + j * step[1]), n));
            }
        }
        sum
    }
}

/// One row of `dx`.
struct Gather<'a> {
    mean: &'a WindowMean,
    /// Output rows that cover it.
    rows: Range<usize>,
    /// Output columns that cover each of its columns.
    columns: &'a [Range<usize>],
    /// Of one image.
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for Gather<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (channels, width) = (self.mean.channels, self.mean.horizontal.len());
        for (dx, columns) in self.dx.chunks_exact_mut(channels).zip(self.columns) {
            if self.rows.len() == 1 && columns.len() == 1 {
                // Windows side by side, above all global pooling.
                let at = self.rows.start * width + columns.start;
                let (dy, factor) = (&self.dy[at * channels..], self.mean.factors[at]);
                for (dx, dy) in dx.iter_mut().zip(dy) {
                    *dx = dy * factor;
                }
                continue;
            }
            for_each_block::<S>(
                channels,
                #[inline(always)]
                |c, n| {
                    // SAFETY: the caller guarantees the instruction set; the ranges name elements of dy.
                    unsafe {
                        let mut sum = S::zero();
                        for row in self.rows.clone() {
                            for column in columns.clone() {
                                let at = row * width + column;
                                let dy = load::<S>(self.dy.as_ptr().add(at * channels + c), n);
                                sum = S::add(sum, S::mul(dy, S::splat(self.mean.factors[at])));
                            }
                        }
                        store::<S>(dx.as_mut_ptr().add(c), sum, n);
                    }
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::containing;

    #[test]
    fn spans_that_contain_an_element() {
        let spans = [0..2, 1..4, 3..4, 6..7];
        assert_eq!(containing(&spans, 8), [0..1, 0..2, 1..2, 1..3, 3..3, 3..3, 3..4, 4..4]);
    }
}
