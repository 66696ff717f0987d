//! Which pixels belong to a tile.

use super::{FREQUENCIES, GAP, GROUP, IN, OUT};
use std::ops::Range;

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

/// How tiles cover the height or the width of the output: those of [`OUT`] outputs, then short ones, of one output
/// less. Short tiles share what is missing of the last: 14 outputs are 4 + 4 + 3 + 3.
#[derive(Clone, Copy, Debug)]
struct Axis {
    full: usize,
    short: usize,
}

impl Axis {
    fn new(outputs: usize) -> Self {
        let tiles = outputs.div_ceil(OUT);
        let short = (tiles * OUT - outputs).min(tiles);
        Self { full: tiles - short, short }
    }

    /// First output of a full or of a short tile.
    #[inline(always)]
    fn start(&self, is_full: bool, tile: usize) -> usize {
        if is_full { tile * OUT } else { self.full * OUT + tile * (OUT - 1) }
    }

    /// Number of full or of short tiles.
    #[inline(always)]
    fn count(&self, are_full: bool) -> usize {
        if are_full { self.full } else { self.short }
    }
}

/// Whether tiles are full down and across, in the order of their numbers: tiles that are full in one direction are
/// neighbours, whichever direction it is.
const KINDS: [[bool; 2]; 4] = [[false, true], [true, true], [true, false], [false, false]];

/// The tiles that cover the output, numbered kind by kind, then image by image, row by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    /// Tiles down an image and across it.
    axes: [Axis; 2],
    /// Where each kind ends.
    ends: [usize; 4],
    /// Number of tiles.
    pub count: usize,
    /// Zeros above and to the left of the input.
    padding: [usize; 2],
}

impl Tiles {
    /// Tiles for `images` outputs of this size.
    pub fn new(images: usize, height: usize, width: usize, padding: [usize; 2]) -> Self {
        let axes = [Axis::new(height), Axis::new(width)];
        let mut count = 0;
        let ends = KINDS.map(|[down, across]| {
            count += images * axes[0].count(down) * axes[1].count(across);
            count
        });
        Self { axes, ends, count, padding }
    }

    /// Those of some tiles, counted from the first of them, that need a frequency: neighbours. The last of a row or column of frequencies, the point at infinity,
    /// enters only the last output of a tile, which a short one does not have: without it, F(4, 3) is F(3, 3).
    pub fn within(&self, tiles: &Range<usize>, frequency: usize) -> Range<usize> {
        let [down, across] = [frequency / IN, frequency % IN].map(|f| f == IN - 1);
        let start = if down { self.ends[0] } else { 0 };
        let end = match (down, across) {
            (_, true) => self.ends[1],
            (true, false) => self.ends[2],
            (false, false) => self.count,
        };
        let clip = |tile: usize| tile.clamp(tiles.start, tiles.end) - tiles.start;
        clip(start)..clip(end)
    }

    /// Kind of a tile, its image, and output row and column of its first element.
    #[inline(always)]
    fn origin(&self, tile: usize) -> ([bool; 2], usize, usize, usize) {
        let kind = self.ends.iter().filter(|&&end| end <= tile).count();
        let tile = if kind > 0 { tile - self.ends[kind - 1] } else { tile };
        let [down, across] = KINDS[kind];
        let (rows, columns) = (self.axes[0].count(down), self.axes[1].count(across));
        let (column, rest) = (tile % columns, tile / columns);
        let y0 = self.axes[0].start(down, rest % rows);
        (KINDS[kind], rest / rows, y0, self.axes[1].start(across, column))
    }

    /// Pointers to the 6x6 input pixels of a tile; those outside of the image point to `zeros`. The last row and column
    /// of a short tile enter only frequencies that it does not need.
    #[inline(always)]
    pub fn inputs(&self, tile: usize, x: &[f32], shape: &Image, zeros: &[f32]) -> [[*const f32; IN]; IN] {
        let (_, image, y0, x0) = self.origin(tile);
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

    /// Offsets of the 4x4 output pixels of a tile; those outside of it or of the image are `usize::MAX`.
    #[inline(always)]
    pub fn outputs(&self, tile: usize, shape: &Image) -> [[usize; OUT]; OUT] {
        let (kind, image, y0, x0) = self.origin(tile);
        let [height, width] = kind.map(|is_full| if is_full { OUT } else { OUT - 1 });
        let mut offsets = [[usize::MAX; OUT]; OUT];
        for (i, row) in offsets.iter_mut().enumerate().take(height) {
            for (j, offset) in row.iter_mut().enumerate().take(width) {
                if let Some(found) = shape.pixel(image, (y0 + i) as isize, (x0 + j) as isize) {
                    *offset = found;
                }
            }
        }
        offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv2d::winograd::FREQUENCIES;

    #[test]
    fn every_output_is_in_one_tile_and_every_frequency_where_it_is_needed() {
        for (height, width) in (1..=14).flat_map(|height| (1..=9).map(move |width| (height, width))) {
            let (images, image) = (3, Image { height, width, channels: 2 });
            let tiles = Tiles::new(images, height, width, [1, 1]);
            assert_eq!(tiles.count, images * height.div_ceil(OUT) * width.div_ceil(OUT));
            let mut seen = vec![0; images * height * width];
            for tile in 0..tiles.count {
                let outputs = tiles.outputs(tile, &image);
                for &offset in outputs.as_flattened().iter().filter(|&&offset| offset != usize::MAX) {
                    seen[offset / image.channels] += 1;
                }
                let last = [OUT - 1, 0].map(|i| outputs[i][OUT - 1 - i] != usize::MAX);
                for frequency in 0..FREQUENCIES {
                    let infinite = [frequency / IN, frequency % IN].map(|f| f == IN - 1);
                    let needed = (0..2).all(|axis| last[axis] || !infinite[axis]);
                    // The first tiles of a block and the last ones are where they are in the whole.
                    let found = tiles.within(&(2..tiles.count), frequency).contains(&tile.wrapping_sub(2));
                    assert_eq!(found, needed && tile >= 2, "{tile} of {height}x{width}, {frequency}");
                }
            }
            assert!(seen.iter().all(|&n| n == 1), "{height}x{width}: {seen:?}");
        }
    }
}
