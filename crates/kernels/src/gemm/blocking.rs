//! How a product is cut so that its parts stay in cache.
//!
//! A panel of B, `depth` rows of one tile's width, stays in L1 while all tiles of a block of rows pass over
//! it; the block's rows of A and C stay in L2. (AVX2: 320 x 16 floats are 20 KiB of L1, 96 x 320 floats of A
//! are 120 KiB of L2.)

use crate::simd::Simd;

/// Rows of a block: a multiple of all tile heights.
pub(crate) const BLOCK_ROWS: usize = 96;
/// Floats of B in L1.
const PANEL_FLOATS: usize = 5 * 1024;

/// Vectors across a tile: with 6 rows, 12 or 24 accumulators of 16 or 32 registers.
pub(crate) const fn tile_vectors<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 4 } else { 2 }
}

/// Columns of a full panel.
pub(crate) const fn panel_width<S: Simd>() -> usize {
    tile_vectors::<S>() * S::LANES
}

/// Rows of B that a panel holds at most.
pub(crate) const fn depth<S: Simd>() -> usize {
    let depth = PANEL_FLOATS / panel_width::<S>();
    if depth < 128 {
        128
    } else if depth > 384 {
        384
    } else {
        depth
    }
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

/// Cuts `segments` segments of `len` floats into chunks of about `depth` rows, in order.
pub(crate) fn chunks(segments: usize, len: usize, depth: usize) -> impl Iterator<Item = Chunk> + Clone {
    // Even parts: a short last chunk would pay the full cost of reading and writing C.
    let parts = len.div_ceil(depth).max(1);
    let part = len.div_ceil(parts).max(1);
    let runs = (segments * len).div_ceil(depth).max(1).min(segments.max(1));
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
            [(1, 1), (1, 1000), (9, 64), (9, 512), (49, 3), (1, 320), (3, 321), (0, 5), (4, 0)]
        {
            let mut covered = Vec::new();
            for c in chunks(segments, len, 320) {
                assert!(c.rows() <= 320 && c.rows() > 0);
                assert!(c.segments == 1 || c.len == len);
                for s in c.segment..c.segment + c.segments {
                    covered.extend((c.offset..c.offset + c.len).map(|p| s * len + p));
                }
            }
            assert_eq!(covered, (0..segments * len).collect::<Vec<_>>());
        }
    }
}
