//! Where the rows of A and C lie: matrices and images in one description.

/// A grid of points (image, row, column) in memory, numbered row by row. A matrix is a grid of one image
/// that is one row high.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// Points in a row.
    pub width: usize,
    /// Rows in an image.
    pub height: usize,
    /// Images.
    pub images: usize,
}

impl Grid {
    /// The rows of a matrix.
    pub fn matrix(rows: usize) -> Self {
        Self { width: rows, height: 1, images: 1 }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.width * self.height * self.images
    }

    /// Calls `f(index in the range, image, row, column)` for the points of `range`.
    #[inline(always)]
    pub fn visit(&self, range: std::ops::Range<usize>, mut f: impl FnMut(usize, usize, usize, usize)) {
        if range.is_empty() {
            return;
        }
        let (mut column, rest) = (range.start % self.width, range.start / self.width);
        let (mut row, mut image) = (rest % self.height, rest / self.height);
        for i in 0..range.len() {
            f(i, image, row, column);
            column += 1;
            if column == self.width {
                (column, row) = (0, row + 1);
                if row == self.height {
                    (row, image) = (0, image + 1);
                }
            }
        }
    }
}

/// Where point (image, row, column) of a grid lies, in floats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    /// Offset of the first point.
    pub start: usize,
    /// Distance between images.
    pub image: usize,
    /// Distance between rows.
    pub row: usize,
    /// Distance between columns.
    pub column: usize,
}

impl Placement {
    /// Offset of a point.
    #[inline(always)]
    pub fn offset(&self, image: usize, row: usize, column: usize) -> usize {
        self.start + image * self.image + row * self.row + column * self.column
    }
}

/// The rows of A: for each point of a grid and each tap, `len` floats of an image, or zeros where the tap
/// falls outside of it.
pub(crate) struct Patches<'a> {
    /// The images, (images, height, width, channels) dense.
    pub data: &'a [f32],
    /// Height of an image.
    pub height: usize,
    /// Width of an image.
    pub width: usize,
    /// Floats between neighbouring pixels.
    pub channels: usize,
    /// First channel read.
    pub first_channel: usize,
    /// Floats read of a pixel.
    pub len: usize,
    /// Pixels of the image between neighbouring points of the grid, down and across.
    pub step: [usize; 2],
    /// Pixel that each tap reads for the grid's point (0, 0), down and across; may be outside.
    pub taps: &'a [[isize; 2]],
    /// `len` zeros.
    pub zeros: &'a [f32],
}

impl Patches<'_> {
    /// Fills `table[tap * stride + i]` with the pointer for the `i`-th point of `range`, and repeats the last
    /// point up to `stride`, so that a whole tile is always readable.
    pub fn locate(
        &self,
        grid: &Grid,
        range: std::ops::Range<usize>,
        table: &mut [*const f32],
        stride: usize,
    ) {
        let count = range.len();
        assert!(count > 0 && count <= stride && table.len() >= self.taps.len() * stride);
        for (tap, entries) in self.taps.iter().zip(table.chunks_mut(stride)) {
            grid.visit(range.clone(), |i, image, row, column| {
                // Negative positions become huge, so one comparison checks both ends.
                let y = (row * self.step[0]).wrapping_add_signed(tap[0]);
                let x = (column * self.step[1]).wrapping_add_signed(tap[1]);
                entries[i] = if y < self.height && x < self.width {
                    let pixel = (image * self.height + y) * self.width + x;
                    self.data[pixel * self.channels + self.first_channel..].as_ptr()
                } else {
                    self.zeros.as_ptr()
                };
            });
            let last = entries[count - 1];
            entries[count..].fill(last);
        }
    }
}
