//! Weights with the output channels side by side.

use crate::layout;

/// Packed weights have as many columns as a multiple of this, the longest vector.
const COLUMNS: usize = crate::simd::MAX_LANES;

/// A row for each term, whose columns are output channels; columns beyond the last one are zero.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a> {
    pub bias: &'a [f32],
    /// Rows of as many columns as `bias` has.
    pub rows: &'a [f32],
}

impl<'a> Packed<'a> {
    /// Elements of a row for so many output channels.
    pub fn width(outputs: usize) -> usize {
        outputs.next_multiple_of(COLUMNS)
    }

    /// The bias (zero if there is none) and the weights as (3, 3 C, O), in `memory`, which holds a row more than there are
    /// terms.
    pub fn new(w: &[f32], bias: Option<&[f32]>, outputs: usize, memory: &'a mut [f32]) -> Self {
        let columns = Self::width(outputs);
        let (first, rows) = memory.split_at_mut(columns);
        first.fill(0.0);
        if let Some(bias) = bias {
            first[..bias.len()].copy_from_slice(bias);
        }
        if columns > outputs {
            rows.fill(0.0);
        }
        layout::transpose_lines(w, rows.len() / columns, outputs, rows, columns);
        Self { bias: first, rows }
    }

    pub fn columns(&self) -> usize {
        self.bias.len()
    }
}
