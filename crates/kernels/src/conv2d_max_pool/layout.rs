//! Where things lie in an image with its padding.

use crate::conv2d::Conv2dGeometry;

/// Zeros behind a padded image: vectors may reach beyond its last element.
const SLACK: usize = 16;

/// Sizes of one image. A *segment* is what three taps of a kernel row read: `3 * channels` neighbours.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Of the image without its padding.
    pub in_height: usize,
    /// Elements of a row without its padding.
    pub in_row: usize,
    /// Rows of padding above.
    top: usize,
    /// Elements of padding to the left.
    left: usize,
    /// Of the padded image.
    height: usize,
    /// Elements of a padded row.
    pub row: usize,
    /// Input channels.
    pub channels: usize,
    /// Output channels.
    pub outputs: usize,
    /// Pooling windows, down and across.
    pub windows: [usize; 2],
}

impl Layout {
    pub fn new(g: &Conv2dGeometry) -> Self {
        let [[top, bottom], [left, right]] = g.padding;
        Self {
            in_height: g.in_height,
            in_row: g.in_width * g.in_channels,
            top,
            left: left * g.in_channels,
            height: top + g.in_height + bottom,
            row: (left + g.in_width + right) * g.in_channels,
            channels: g.in_channels,
            outputs: g.out_channels,
            windows: [g.out_height() / 2, g.out_width() / 2],
        }
    }

    /// Elements of an image of the output.
    pub fn output_len(&self) -> usize {
        self.windows[0] * self.windows[1] * self.outputs
    }

    /// Elements of an image of the input.
    pub fn input_len(&self) -> usize {
        self.in_height * self.in_row
    }

    /// Elements of a segment.
    pub fn segment(&self) -> usize {
        3 * self.channels
    }

    /// Elements of a padded image, slack included.
    pub fn padded_len(&self) -> usize {
        self.height * self.row + SLACK
    }

    /// The places of a window, in the order of max pooling: how far each convolution's first element lies from
    /// that of the window's first.
    pub fn places(&self) -> [usize; 4] {
        [0, self.channels, self.row, self.row + self.channels]
    }

    pub fn largest_place(&self) -> usize {
        self.row + self.channels
    }

    /// Copies an image into `padded`, whose border and slack are zero already.
    pub fn pad(&self, image: &[f32], padded: &mut [f32]) {
        for (from, to) in image.chunks_exact(self.in_row.max(1)).zip(self.inner_rows(padded)) {
            to.copy_from_slice(from);
        }
    }

    /// Copies what is inside of the border of `padded` to `image`.
    pub fn crop(&self, padded: &mut [f32], image: &mut [f32]) {
        for (to, from) in image.chunks_exact_mut(self.in_row.max(1)).zip(self.inner_rows(padded)) {
            to.copy_from_slice(from);
        }
    }

    /// The rows of the image without their padding.
    fn inner_rows<'a>(&self, padded: &'a mut [f32]) -> impl Iterator<Item = &'a mut [f32]> {
        let (left, len) = (self.left, self.in_row);
        padded.chunks_exact_mut(self.row).skip(self.top).map(move |row| &mut row[left..left + len])
    }
}
