//! Which pixels belong to a tile.

use super::{FREQUENCIES, GAP, GROUP, IN, OUT};

/// A dense (images, height, width, channels) array.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv2d) struct Image {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Floats a pixel.
    pub channels: usize,
}

impl Image {
    /// Offset of a pixel, `None` outside of the image.
    #[inline(always)]
    pub fn pixel(&self, image: usize, y: isize, x: isize) -> Option<usize> {
        let inside = (y as usize) < self.height && (x as usize) < self.width;
        inside.then(|| ((image * self.height + y as usize) * self.width + x as usize) * self.channels)
    }
}

/// How transformed tiles of some channels lie: (group of tiles, frequency, tile of the group, channel), with a gap behind
/// each frequency.
#[derive(Clone, Copy)]
pub(super) struct Groups {
    /// Floats a tile and frequency.
    pub channels: usize,
}

impl Groups {
    /// Floats from one frequency of a group to the next.
    #[inline(always)]
    pub fn frequency(self) -> usize {
        GROUP * self.channels + GAP
    }

    /// Floats of `tiles` tiles, the last group filled up.
    pub fn len(self, tiles: usize) -> usize {
        tiles.div_ceil(GROUP) * FREQUENCIES * self.frequency()
    }

    /// Where frequency 0 of a tile starts.
    #[inline(always)]
    pub fn tile(self, tile: usize) -> usize {
        tile / GROUP * FREQUENCIES * self.frequency() + tile % GROUP * self.channels
    }
}

/// The tiles that cover the output, numbered image by image, row by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    /// Tiles down an image.
    down: usize,
    /// Tiles across an image.
    across: usize,
    /// Number of tiles.
    pub count: usize,
    /// Zeros above and to the left of the input.
    padding: [usize; 2],
}

impl Tiles {
    /// Tiles for `images` outputs of this size.
    pub fn new(images: usize, height: usize, width: usize, padding: [usize; 2]) -> Self {
        let (down, across) = (height.div_ceil(OUT), width.div_ceil(OUT));
        Self { down, across, count: images * down * across, padding }
    }

    /// Image, and output row and column of the tile's first element.
    #[inline(always)]
    fn origin(&self, tile: usize) -> (usize, usize, usize) {
        let (column, rest) = (tile % self.across, tile / self.across);
        (rest / self.down, rest % self.down * OUT, column * OUT)
    }

    /// Pointers to the 6x6 input pixels of a tile; those outside of the image point to `zeros`.
    #[inline(always)]
    pub fn inputs(&self, tile: usize, x: &[f32], shape: &Image, zeros: &[f32]) -> [[*const f32; IN]; IN] {
        let (image, y0, x0) = self.origin(tile);
        let mut pointers = [[zeros.as_ptr(); IN]; IN];
        for (i, row) in pointers.iter_mut().enumerate() {
            let y = (y0 + i) as isize - self.padding[0] as isize;
            for (j, p) in row.iter_mut().enumerate() {
                if let Some(offset) = shape.pixel(image, y, (x0 + j) as isize - self.padding[1] as isize) {
                    *p = x[offset..].as_ptr();
                }
            }
        }
        pointers
    }

    /// Offsets of the 4x4 output pixels of a tile; those outside of the image are `usize::MAX`.
    #[inline(always)]
    pub fn outputs(&self, tile: usize, shape: &Image) -> [[usize; OUT]; OUT] {
        let (image, y0, x0) = self.origin(tile);
        let mut offsets = [[usize::MAX; OUT]; OUT];
        for (i, row) in offsets.iter_mut().enumerate() {
            for (j, offset) in row.iter_mut().enumerate() {
                if let Some(found) = shape.pixel(image, (y0 + i) as isize, (x0 + j) as isize) {
                    *offset = found;
                }
            }
        }
        offsets
    }
}
