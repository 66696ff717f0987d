//! How a product is cut so that its parts stay in cache.
//!
//! A strip of A, one tile's rows of `DEPTH` floats, stays in L1 while a group of panels of B passes by; the group
//! stays in L2 for all strips of a block of rows. (AVX2: 6 x 512 floats are 12 KiB of L1, 8 panels of 512 x 16
//! floats are 256 KiB of L2.)

use crate::simd::Simd;

/// Rows of a block: a multiple of all tile heights.
pub(crate) const BLOCK_ROWS: usize = 96;
/// Rows of B that a panel holds at most: terms that are summed up before C is written.
pub(crate) const DEPTH: usize = 512;
/// Floats of B in L2.
const GROUP_FLOATS: usize = 64 * 1024;

/// Vectors across a tile: with 6 rows, 12 or 24 accumulators of 16 or 32 registers.
pub(crate) const fn tile_vectors<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 4 } else { 2 }
}

/// Columns of a full panel.
pub(crate) const fn panel_width<S: Simd>() -> usize {
    tile_vectors::<S>() * S::LANES
}

/// Panels of `depth` rows in a group.
pub(crate) const fn group_panels<S: Simd>(depth: usize) -> usize {
    let panel = depth * panel_width::<S>();
    if panel == 0 || panel > GROUP_FLOATS { 1 } else { GROUP_FLOATS / panel }
}

/// A run of the common dimension that is multiplied before moving on: several whole segments or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// First segment.
    pub segment: usize,
    /// Number of segments.
    pub segments: usize,
    /// Where in each segment to start.
    pub offset: usize,
    /// Floats of each segment.
    pub len: usize,
}

impl Chunk {
    /// Rows of B in the chunk.
    pub fn rows(&self) -> usize {
        self.segments * self.len
    }
}

/// Cuts `segments` segments of `len` floats into chunks of about [`DEPTH`] rows, in order.
pub(crate) fn chunks(segments: usize, len: usize) -> impl Iterator<Item = Chunk> + Clone {
    // Even parts: a short last chunk would pay the full cost of reading and writing C.
    let parts = len.div_ceil(DEPTH).max(1);
    let part = len.div_ceil(parts).max(1);
    let runs = (segments * len).div_ceil(DEPTH).max(1).min(segments.max(1));
    let run = if parts > 1 { 1 } else { segments.div_ceil(runs).max(1) };
    (0..segments).step_by(run).flat_map(move |segment| {
        (0..len).step_by(part).map(move |offset| Chunk {
            segment,
            segments: run.min(segments - segment),
            offset,
            len: part.min(len - offset),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_common_dimension_in_order() {
        for (segments, len) in
            [(1, 1), (1, 1600), (9, 64), (9, 640), (49, 12), (1, DEPTH), (3, DEPTH + 1), (0, 5), (4, 0)]
        {
            let mut covered = Vec::new();
            for c in chunks(segments, len) {
                assert!(c.rows() <= DEPTH && c.rows() > 0);
                assert!(c.segments == 1 || c.len == len);
                for s in c.segment..c.segment + c.segments {
                    covered.extend((c.offset..c.offset + c.len).map(|p| s * len + p));
                }
            }
            assert_eq!(covered, (0..segments * len).collect::<Vec<_>>());
        }
    }
}
