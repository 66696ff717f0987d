//! Where the rows of A and C lie: matrices and images in one description.

use std::ops::Range;

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

    /// Cuts `range` at the ends of rows: calls `f(index in the range, image, row, columns)` for each piece.
    pub fn rows(&self, range: Range<usize>, mut f: impl FnMut(usize, usize, usize, Range<usize>)) {
        let mut point = range.start;
        while point < range.end {
            let (column, row) = (point % self.width, point / self.width);
            let count = (self.width - column).min(range.end - point);
            f(point - range.start, row / self.height, row % self.height, column..column + count);
            point += count;
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

    /// Writes the offsets of some points of a grid.
    pub fn locate(&self, grid: &Grid, range: Range<usize>, offsets: &mut [usize]) {
        grid.rows(range, |i, image, row, columns| {
            for (offset, column) in offsets[i..].iter_mut().zip(columns) {
                *offset = self.offset(image, row, column);
            }
        });
    }
}

/// Working memory as a table of pointers.
pub(crate) fn pointer_table<E>(memory: &mut [usize]) -> &mut [*const E] {
    // SAFETY: pointers have the size and alignment of usize, and all bits are a pointer.
    unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast::<*const E>(), memory.len()) }
}

/// The rows of A: for each point of a grid and each tap, `len` numbers of an image, or zeros where the tap
/// falls outside of it.
pub(crate) struct Patches<'a, E = f32> {
    /// The images, (images, height, width, channels) dense.
    pub data: &'a [E],
    /// Height of an image.
    pub height: usize,
    /// Width of an image.
    pub width: usize,
    /// Numbers between neighbouring pixels.
    pub channels: usize,
    /// First channel read.
    pub first_channel: usize,
    /// Numbers read of a pixel.
    pub len: usize,
    /// Pixels of the image between neighbouring points of the grid, down and across.
    pub step: [usize; 2],
    /// Pixel that each tap reads for the grid's point (0, 0), down and across; may be outside.
    pub taps: &'a [[isize; 2]],
    /// `len` zeros; where elements are pairs, as many as whole pairs hold.
    pub zeros: &'a [E],
}

impl<'a, E> Patches<'a, E> {
    /// The rows of a matrix, `row_stride` apart: one tap at the points of [`Grid::matrix`].
    pub fn matrix(data: &'a [E], [rows, columns]: [usize; 2], row_stride: usize) -> Self {
        Self {
            data,
            height: 1,
            width: rows,
            channels: row_stride,
            first_channel: 0,
            len: columns,
            step: [1, 1],
            taps: &[[0, 0]],
            zeros: data,
        }
    }

    /// Fills `table[tap * stride + i]` with the pointer for the `i`-th point of `range`, and repeats the last
    /// point up to `stride`, so that a whole tile is always readable.
    pub fn locate(&self, grid: &Grid, range: Range<usize>, table: &mut [*const E], stride: usize) {
        let count = range.len();
        assert!(count > 0 && count <= stride && table.len() >= self.taps.len() * stride);
        self.locate_run(grid, range, table, stride);
        for entries in table.chunks_mut(stride).take(self.taps.len()) {
            let last = entries[count - 1];
            entries[count..].fill(last);
        }
    }

    /// As [`locate`](Self::locate), and fills nothing up.
    pub fn locate_run(&self, grid: &Grid, range: Range<usize>, table: &mut [*const E], stride: usize) {
        for (tap, entries) in self.taps.iter().zip(table.chunks_mut(stride)) {
            grid.rows(range.clone(), |i, image, row, columns| {
                let entries = &mut entries[i..i + columns.len()];
                // Negative rows become huge, so one comparison checks both ends.
                let y = (row * self.step[0]).wrapping_add_signed(tap[0]);
                if y >= self.height {
                    entries.fill(self.zeros.as_ptr());
                    return;
                }
                // Columns of the grid from `inside.start` on read pixels of the image, up to `inside.end`.
                let step = self.step[1] as isize;
                let reaches = |x: usize| (x as isize - tap[1] + step - 1).div_euclid(step).max(0) as usize;
                let clamp = |column: usize| column.clamp(columns.start, columns.end) - columns.start;
                let inside = clamp(reaches(0))..clamp(reaches(self.width));
                entries[..inside.start].fill(self.zeros.as_ptr());
                entries[inside.end..].fill(self.zeros.as_ptr());
                if inside.is_empty() {
                    return;
                }
                let x = ((columns.start + inside.start) * self.step[1]).wrapping_add_signed(tap[1]);
                let first = ((image * self.height + y) * self.width + x) * self.channels + self.first_channel;
                let distance = self.step[1] * self.channels;
                let last = first + (inside.len() - 1) * distance;
                assert!(last <= self.data.len(), "a patch begins beyond the image");
                let mut p = self.data[first..].as_ptr();
                for entry in &mut entries[inside] {
                    *entry = p;
                    p = p.wrapping_add(distance);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_point_at_their_pixels_or_at_zeros() {
        let (height, width, channels) = (5, 7, 2);
        let data: Vec<f32> = (0..2 * height * width * channels).map(|i| i as f32).collect();
        let zeros = [0.0; 2];
        let taps = [[-1, -2], [0, 0], [1, 3], [4, -1], [9, 0], [0, 9]];
        for step in [[1, 1], [2, 3]] {
            let a = Patches {
                data: &data,
                height,
                width,
                channels,
                first_channel: 1,
                len: 1,
                step,
                taps: &taps,
                zeros: &zeros,
            };
            let grid = Grid { width: 4, height: 3, images: 2 };
            let (range, stride) = (3..21, 24);
            let mut table = vec![std::ptr::null(); taps.len() * stride];
            a.locate(&grid, range.clone(), &mut table, stride);
            for (t, tap) in taps.iter().enumerate() {
                for point in range.clone() {
                    let (image, row, column) = (point / 12, point / 4 % 3, point % 4);
                    let y = (row * step[0]) as isize + tap[0];
                    let x = (column * step[1]) as isize + tap[1];
                    let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
                    let pixel = (image * height) as isize * width as isize + y * width as isize + x;
                    let expected = if inside { (pixel * 2 + 1) as f32 } else { 0.0 };
                    // SAFETY: `locate` fills entries with readable pointers.
                    let found = unsafe { *table[t * stride + point - range.start] };
                    assert_eq!(found, expected, "tap {tap:?}, point {point}");
                }
                assert_eq!(table[t * stride + 17], table[t * stride + 23]);
            }
        }
    }
}
