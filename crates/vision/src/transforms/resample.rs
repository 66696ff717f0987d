//! Separable resampling with an antialiasing filter: Pillow's arithmetic, so that bytes are equal to Pillow's, or
//! one off for sizes where Pillow takes the rows first.
//!
//! Each target pixel is a weighted mean of the source pixels under a filter that widens with the step when the
//! picture shrinks. Columns first, then rows, rounded to bytes in between; weights are fixed-point numbers with
//! 22 fractional bits, so that 255 times their sum still fits 32 bits.

use crate::image::Image;
use crate::transforms::Interpolation;

const FRACTION_BITS: u32 = 22;
const HALF: i32 = 1 << (FRACTION_BITS - 1);

/// Resamples a picture to `height` rows and `width` columns.
pub(super) fn resample(image: &Image, height: usize, width: usize, interpolation: Interpolation) -> Image {
    let channels = image.channels();
    let (filter, radius): (fn(f64) -> f64, f64) = match interpolation {
        Interpolation::Nearest => return nearest(image, height, width),
        Interpolation::Bilinear => (triangle, 1.0),
        Interpolation::Bicubic => (cubic, 2.0),
    };
    let narrowed;
    let pixels = if width == image.width() {
        image.pixels()
    } else {
        let windows = Windows::new(image.width(), width, filter, radius);
        narrowed = match channels {
            1 => resample_columns::<1>(image.pixels(), image.width(), &windows),
            _ => resample_columns::<3>(image.pixels(), image.width(), &windows),
        };
        &narrowed
    };
    let pixels = if height == image.height() {
        pixels.to_vec()
    } else {
        resample_rows(pixels, width * channels, &Windows::new(image.height(), height, filter, radius))
    };
    Image::from_parts(height, width, channels, pixels)
}

/// For each target position the first source position and the weights from there on.
struct Windows {
    starts: Vec<usize>,
    /// `stride` weights for each target position; those beyond its window are 0 and not in `lens`.
    weights: Vec<i32>,
    lens: Vec<usize>,
    stride: usize,
}

impl Windows {
    fn new(source: usize, target: usize, filter: fn(f64) -> f64, radius: f64) -> Self {
        let scale = source as f64 / target as f64;
        let stretch = scale.max(1.0);
        let support = radius * stretch;
        let stride = support.ceil() as usize * 2 + 1;
        let mut windows = Self {
            starts: Vec::with_capacity(target),
            weights: vec![0; target * stride],
            lens: Vec::with_capacity(target),
            stride,
        };
        let mut exact = Vec::with_capacity(stride);
        for (position, weights) in windows.weights.chunks_exact_mut(stride).enumerate() {
            let centre = (position as f64 + 0.5) * scale;
            // Negative numbers become 0 here.
            let start = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(source);
            exact.clear();
            exact.extend((start..end).map(|at| filter((at as f64 - centre + 0.5) * (1.0 / stretch))));
            let sum: f64 = exact.iter().sum();
            for (weight, exact) in weights.iter_mut().zip(&exact) {
                let scaled = exact / sum * f64::from(1 << FRACTION_BITS);
                *weight = (scaled + 0.5_f64.copysign(scaled)) as i32;
            }
            windows.starts.push(start);
            windows.lens.push(exact.len());
        }
        windows
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let weights = self.weights.chunks_exact(self.stride).zip(&self.lens);
        self.starts.iter().zip(weights).map(|(&start, (weights, &len))| (start, &weights[..len]))
    }
}

fn resample_columns<const CHANNELS: usize>(pixels: &[u8], width: usize, windows: &Windows) -> Vec<u8> {
    let height = pixels.len() / (width * CHANNELS);
    let mut out = Vec::with_capacity(height * windows.starts.len() * CHANNELS);
    for row in pixels.chunks_exact(width * CHANNELS) {
        let row = row.as_chunks::<CHANNELS>().0;
        for (start, weights) in windows.iter() {
            let mut sums = [HALF; CHANNELS];
            for (pixel, &weight) in row[start..].iter().zip(weights) {
                for (sum, &byte) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(byte) * weight;
                }
            }
            out.extend(sums.map(to_byte));
        }
    }
    out
}

fn resample_rows(pixels: &[u8], stride: usize, windows: &Windows) -> Vec<u8> {
    let mut out = Vec::with_capacity(windows.starts.len() * stride);
    let mut sums = vec![0; stride];
    for (start, weights) in windows.iter() {
        sums.fill(HALF);
        for (row, &weight) in pixels[start * stride..].chunks_exact(stride).zip(weights) {
            for (sum, &byte) in sums.iter_mut().zip(row) {
                *sum += i32::from(byte) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| to_byte(sum)));
    }
    out
}

fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}

fn nearest(image: &Image, height: usize, width: usize) -> Image {
    let channels = image.channels();
    let positions = |source: usize, target: usize| {
        let scale = source as f64 / target as f64;
        move |at: usize| (((at as f64 + 0.5) * scale) as usize).min(source - 1)
    };
    let (row, column) = (positions(image.height(), height), positions(image.width(), width));
    let mut pixels = Vec::with_capacity(height * width * channels);
    for y in 0..height {
        for x in 0..width {
            let at = (row(y) * image.width() + column(x)) * channels;
            pixels.extend_from_slice(&image.pixels()[at..at + channels]);
        }
    }
    Image::from_parts(height, width, channels, pixels)
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// Keys' cubic with a = -0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}
