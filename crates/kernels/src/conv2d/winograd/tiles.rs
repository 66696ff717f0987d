//! Which pixels belong to a tile.

use super::scheme::{CELLS, Scheme};
use super::{GAP, GROUP, WEIGHTS};
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
    /// Frequencies of a tile.
    pub frequencies: usize,
}

impl Groups {
    /// Floats from one frequency of a group to the next.
    #[inline(always)]
    pub fn frequency(self) -> usize {
        GROUP * self.channels + GAP
    }

    /// Where a group starts.
    #[inline(always)]
    pub fn group(self, group: usize) -> usize {
        group * self.frequencies * self.frequency()
    }

    /// Floats of `tiles` tiles, the last group filled up.
    pub fn len(self, tiles: usize) -> usize {
        self.group(tiles.div_ceil(GROUP))
    }

    /// Where frequency 0 of a tile starts.
    #[inline(always)]
    pub fn tile(self, tile: usize) -> usize {
        self.group(tile / GROUP) + tile % GROUP * self.channels
    }
}

/// How tiles cover the height or the width of the output: those of [`CELLS`] cells, then short ones, of one cell less.
/// Short tiles share what is missing of the last: 14 cells are 4 + 4 + 3 + 3.
#[derive(Clone, Copy, Debug)]
struct Axis {
    full: usize,
    short: usize,
}

impl Axis {
    fn new(cells: usize) -> Self {
        let tiles = cells.div_ceil(CELLS);
        let short = (tiles * CELLS - cells).min(tiles);
        Self { full: tiles - short, short }
    }

    /// First cell of a full or of a short tile.
    #[inline(always)]
    fn start(&self, is_full: bool, tile: usize) -> usize {
        if is_full { tile * CELLS } else { self.full * CELLS + tile * (CELLS - 1) }
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
    scheme: Scheme,
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
    pub fn new(scheme: Scheme, images: usize, output: &Image, padding: [usize; 2]) -> Self {
        let axes = [output.height, output.width].map(|len| Axis::new(len.div_ceil(scheme.output_step())));
        let mut count = 0;
        let ends = KINDS.map(|[down, across]| {
            count += images * axes[0].count(down) * axes[1].count(across);
            count
        });
        Self { scheme, axes, ends, count, padding }
    }

    /// Those of some tiles, counted from the first of them, that need a frequency: neighbours. Some frequencies enter only
    /// the last cell of a tile, which a short one does not have: F(4, 3) without the point at infinity is F(3, 3).
    fn within(&self, tiles: &Range<usize>, frequency: [usize; 2]) -> Range<usize> {
        let [down, across] = frequency.map(|f| self.scheme.enters_last_cell_only(f));
        let start = if down { self.ends[0] } else { 0 };
        let end = match (down, across) {
            (_, true) => self.ends[1],
            (true, false) => self.ends[2],
            (false, false) => self.count,
        };
        let clip = |tile: usize| tile.clamp(tiles.start, tiles.end) - tiles.start;
        clip(start)..clip(end)
    }

    /// The frequencies that are multiplied with a transformed weight, and the tiles that need each, as in
    /// [`within`](Self::within).
    pub fn of_weight(
        &self,
        tiles: &Range<usize>,
        weight: usize,
    ) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let (all, tiles) = (*self, tiles.clone());
        let [down, across] = [weight / WEIGHTS, weight % WEIGHTS].map(|weight| self.scheme.of_weight(weight));
        down.flat_map(move |i| across.clone().map(move |j| [i, j]))
            .map(move |[i, j]| (i * all.scheme.frequencies() + j, all.within(&tiles, [i, j])))
            .filter(|(_, needed)| !needed.is_empty())
    }

    /// Kind of a tile, its image, and row and column of its first cell.
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

    /// Pointers to the input pixels of a tile; those outside of the image point to `zeros`. The last row and column
    /// of a short tile enter only frequencies that it does not need.
    #[inline(always)]
    pub fn inputs<E, const IN: usize>(
        &self,
        tile: usize,
        x: &[E],
        shape: &Image,
        zeros: &[E],
    ) -> [[*const E; IN]; IN] {
        let step = self.scheme.input_step();
        let (_, image, y0, x0) = self.origin(tile);
        let mut pointers = [[zeros.as_ptr(); IN]; IN];
        for (i, row) in pointers.iter_mut().enumerate() {
            let y = (y0 * step + i) as isize - self.padding[0] as isize;
            for (j, p) in row.iter_mut().enumerate() {
                if let Some(offset) =
                    shape.pixel(image, y, (x0 * step + j) as isize - self.padding[1] as isize)
                {
                    *p = x[offset..].as_ptr();
                }
            }
        }
        pointers
    }

    /// Offsets of the output pixels of a tile; those outside of it or of the image are `usize::MAX`. It has at
    /// most `TO` by `TO`.
    #[inline(always)]
    pub fn outputs<const TO: usize>(&self, tile: usize, shape: &Image) -> [[usize; TO]; TO] {
        let step = self.scheme.output_step();
        let (kind, image, y0, x0) = self.origin(tile);
        let [height, width] = kind.map(|is_full| step * if is_full { CELLS } else { CELLS - 1 });
        let mut offsets = [[usize::MAX; TO]; TO];
        for (i, row) in offsets.iter_mut().enumerate().take(height) {
            for (j, offset) in row.iter_mut().enumerate().take(width) {
                if let Some(found) = shape.pixel(image, (y0 * step + i) as isize, (x0 * step + j) as isize) {
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

    #[test]
    fn every_output_is_in_one_tile_and_every_frequency_where_it_is_needed() {
        let sizes = (1..=14).flat_map(|height| (1..=9).map(move |width| (height, width)));
        let schemes = [Scheme::Stride1, Scheme::Stride2, Scheme::Stride2Transposed];
        for ((height, width), scheme) in sizes.flat_map(|size| schemes.map(|scheme| (size, scheme))) {
            let (images, image) = (3, Image { height, width, channels: 2 });
            let tiles = Tiles::new(scheme, images, &image, [1, 1]);
            let mut seen = vec![0; images * height * width];
            for tile in 0..tiles.count {
                let outputs = tiles.outputs::<8>(tile, &image);
                for &offset in outputs.as_flattened().iter().filter(|&&offset| offset != usize::MAX) {
                    seen[offset / image.channels] += 1;
                }
                let last = (CELLS - 1) * scheme.output_step();
                let last = [(last, 0), (0, last)].map(|(i, j)| outputs[i][j] != usize::MAX);
                let frequencies = scheme.frequencies();
                for (i, j) in (0..frequencies).flat_map(|i| (0..frequencies).map(move |j| (i, j))) {
                    let needed = (last[0] || !scheme.enters_last_cell_only(i))
                        && (last[1] || !scheme.enters_last_cell_only(j));
                    // The first tiles of a block and the last ones are where they are in the whole.
                    let found = tiles.within(&(2..tiles.count), [i, j]).contains(&tile.wrapping_sub(2));
                    assert_eq!(
                        found,
                        needed && tile >= 2,
                        "{scheme:?}, {tile} of {height}x{width}, {i}, {j}"
                    );
                }
            }
            assert!(seen.iter().all(|&n| n == 1), "{scheme:?}, {height}x{width}: {seen:?}");
        }
    }
}
