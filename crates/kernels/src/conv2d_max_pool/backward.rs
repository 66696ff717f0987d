//! The gradients, image by image, from the places where the maxima were.

use super::check;
use super::input_gradient::InputGradient;
use super::layout::Layout;
use super::weight_gradient::WeightGradient;
use crate::conv2d::Conv2dGeometry;
use crate::layout::transpose_lines;
use crate::parallel::{self, DisjointMut};
use crate::pointwise::gate;
use crate::rows;
use crate::scratch;
use crate::simd::dispatch_narrow;
use crate::vectorize::vectorize;
use std::ops::Range;

/// Multiply-adds of a task, as a dense convolution does them.
const TASK_WORK: usize = 1024 * 1024;
/// Tasks to aim for, so that several threads finish at about the same time.
const TASKS: usize = 16;
/// Elements of the output that are treated at a time, so that they stay in cache while each output channel
/// passes over them.
const BAND: usize = 4096;

/// Which gradients are wanted, and where they go.
#[derive(Debug, Default)]
pub struct Gradients<'a> {
    /// Of the input (N, H, W, C).
    pub dx: Option<&'a mut [f32]>,
    /// Of the weight (O, 3, 3, C).
    pub dw: Option<&'a mut [f32]>,
    /// Of the bias (O).
    pub db: Option<&'a mut [f32]>,
}

/// The gradient of the output, in either order of dimensions.
#[derive(Clone, Copy, Debug)]
pub enum OutputGradient<'a> {
    /// (N, Ho / 2, Wo / 2, O), as the output.
    ChannelsLast(&'a [f32]),
    /// (N, O, Ho / 2, Wo / 2), as what flattens feature maps sends it.
    ChannelsFirst(&'a [f32]),
}

/// Gradients of [`forward`](super::forward) from its output `y`, the `places` it recorded and the output's
/// gradient `dy`.
///
/// # Panics
/// When `g` is not a plain 3x3 convolution, a slice has another length than it says, or `places` are not those
/// of a forward pass with `g`.
#[track_caller]
pub fn backward(
    g: &Conv2dGeometry,
    x: &[f32],
    w: &[f32],
    y: &[f32],
    places: &[u16],
    dy: OutputGradient,
    gradients: Gradients,
) {
    check(g, x.len(), w.len(), y.len());
    let (OutputGradient::ChannelsLast(numbers) | OutputGradient::ChannelsFirst(numbers)) = dy;
    assert!(places.len() == y.len() && numbers.len() == y.len(), "conv2d_max_pool: lengths of places and dy");
    let Gradients { dx, dw, db } = gradients;
    for (name, found, expected) in [
        ("dx", dx.as_ref().map(|d| d.len()), g.in_len()),
        ("dw", dw.as_ref().map(|d| d.len()), g.weight_len()),
        ("db", db.as_ref().map(|d| d.len()), g.out_channels),
    ] {
        assert!(found.is_none_or(|len| len == expected), "conv2d_max_pool: length of {name}");
    }
    let layout = Layout::new(g);
    let work = (4 * layout.output_len() * 3 * layout.segment()).max(1);
    let at_once = (TASK_WORK / work).clamp(1, g.batch.div_ceil(TASKS).max(1));
    let weights = g.weight_len();
    let dx = dx.map(DisjointMut::new);
    let task = Task { layout, x, w, y, places, dy, with_dw: dw.is_some() };
    // The weight gradient and, behind it, the bias gradient.
    scratch::with(weights + g.out_channels, |sums: &mut [f32]| {
        parallel::sum_blocks(g.batch, at_once, sums, |images, sums| {
            let input = images.start * layout.input_len()..images.end * layout.input_len();
            // SAFETY: each image has its own part of dx.
            let dx = unsafe { dx.as_ref().map(|dx| dx.slice(input)) };
            let (dw, db) = sums.split_at_mut(weights);
            task.run(images, dw, db, dx);
        });
        let (dw_sum, db_sum) = sums.split_at(weights);
        if let Some(dw) = dw {
            dw.copy_from_slice(dw_sum);
        }
        if let Some(db) = db {
            db.copy_from_slice(db_sum);
        }
    });
}

/// What all tasks read.
struct Task<'a> {
    layout: Layout,
    x: &'a [f32],
    w: &'a [f32],
    y: &'a [f32],
    places: &'a [u16],
    dy: OutputGradient<'a>,
    with_dw: bool,
}

/// Some rows of windows of one image.
#[derive(Clone, Copy)]
pub(super) struct Band<'a> {
    pub layout: Layout,
    /// The first row.
    pub first: usize,
    /// Gradients behind the ReLU: (rows, columns, output channels).
    pub gradient: &'a [f32],
    /// As many places, none beyond the last of a window.
    pub places: &'a [u16],
}

impl Task<'_> {
    /// Overwrites `dw`, `db` and `dx` with the gradients of these images.
    fn run(&self, images: Range<usize>, dw: &mut [f32], db: &mut [f32], mut dx: Option<&mut [f32]>) {
        let layout = self.layout;
        let (input, output) = (layout.input_len(), layout.output_len());
        let row = layout.windows[1] * layout.outputs;
        let band_rows = (BAND / row.max(1)).max(1);
        dw.fill(0.0);
        let padded_len = layout.padded_len();
        let dx_len = if dx.is_some() { padded_len } else { 0 };
        let sums_len = rows::wide_len(layout.outputs);
        scratch::with(padded_len + dx_len + sums_len + band_rows * row, |memory: &mut [f32]| {
            let (padded, memory) = memory.split_at_mut(padded_len);
            let (padded_dx, memory) = memory.split_at_mut(dx_len);
            let (sums, gradient) = memory.split_at_mut(sums_len);
            padded.fill(0.0);
            sums.fill(0.0);
            for (i, image) in images.enumerate() {
                if self.with_dw {
                    layout.pad(&self.x[image * input..][..input], padded);
                }
                padded_dx.fill(0.0);
                for first in (0..layout.windows[0]).step_by(band_rows) {
                    let end = layout.windows[0].min(first + band_rows);
                    let range = image * output + first * row..image * output + end * row;
                    let places = &self.places[range.clone()];
                    let gradient = &mut gradient[..range.len()];
                    self.gradient(range, gradient, sums);
                    let band = Band { layout, first, gradient, places };
                    if self.with_dw {
                        let lanes = if layout.channels == 1 { layout.outputs } else { layout.segment() };
                        dispatch_narrow(lanes, WeightGradient { band, x: padded, dw });
                    }
                    if dx.is_some() {
                        dispatch_narrow(layout.segment(), InputGradient { band, w: self.w, dx: padded_dx });
                    }
                }
                if let Some(dx) = &mut dx {
                    layout.crop(padded_dx, &mut dx[i * input..][..input]);
                }
            }
            rows::narrow(layout.outputs, sums);
            db.copy_from_slice(&sums[..layout.outputs]);
        });
    }

    /// Takes the gradient of some positions of one image's output through the ReLU, and adds it to `sums`, the bias
    /// gradients repeated as for [`rows::narrow`].
    fn gradient(&self, range: Range<usize>, gradient: &mut [f32], sums: &mut [f32]) {
        let layout = self.layout;
        let bound = layout.largest_place();
        let (y, places) = (&self.y[range.clone()], &self.places[range.clone()]);
        let in_order = match self.dy {
            OutputGradient::ChannelsLast(dy) => Some(&dy[range]),
            OutputGradient::ChannelsFirst(dy) => {
                let (output, outputs) = (layout.output_len(), layout.outputs);
                let (image, first) = (range.start / output, range.start % output / outputs);
                let dy = &dy[image * output + first..(image + 1) * output];
                transpose_lines(dy, output / outputs, outputs, gradient, outputs);
                None
            }
        };
        let largest = vectorize(
            #[inline(always)]
            || {
                match in_order {
                    Some(dy) => {
                        for ((g, &y), &dy) in gradient.iter_mut().zip(y).zip(dy) {
                            *g = gate(dy, y);
                        }
                    }
                    None => {
                        for (g, &y) in gradient.iter_mut().zip(y) {
                            *g = gate(*g, y);
                        }
                    }
                }
                for windows in gradient.chunks(sums.len()) {
                    for (sum, g) in sums.iter_mut().zip(windows) {
                        *sum += g;
                    }
                }
                let mut largest = 0;
                for &place in places {
                    largest = if place > largest { place } else { largest };
                }
                largest
            },
        );
        // The gradients go wherever places say.
        assert!(usize::from(largest) <= bound, "conv2d_max_pool: place {largest} is outside of its window");
    }
}
