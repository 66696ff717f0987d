//! The three algorithms, as far as they differ in numbers.

use super::WEIGHTS;
use std::ops::Range;

/// Which convolution. A tile has, down and across, four cells: what one step of the kernel takes and makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Stride 1, [`transform::Stride1`](super::transform::Stride1).
    Stride1,
    /// Stride 2, [`transform::Stride2`](super::transform::Stride2).
    Stride2,
    /// The gradient of the input of stride 2, [`transform::Stride2Transposed`](super::transform::Stride2Transposed).
    Stride2Transposed,
}

/// Cells of a tile, down and across.
pub(super) const CELLS: usize = 4;

impl Scheme {
    /// Inputs from one cell to the next.
    pub fn input_step(self) -> usize {
        if self == Scheme::Stride2 { 2 } else { 1 }
    }

    /// Outputs of a cell.
    pub fn output_step(self) -> usize {
        if self == Scheme::Stride2Transposed { 2 } else { 1 }
    }

    /// Frequencies, down and across.
    pub fn frequencies(self) -> usize {
        if self == Scheme::Stride1 { 6 } else { 9 }
    }

    /// The frequencies that are multiplied with a transformed weight: of stride 2, the last with four.
    #[inline(always)]
    pub fn of_weight(self, weight: usize) -> Range<usize> {
        if weight + 1 < WEIGHTS { weight..weight + 1 } else { weight..self.frequencies() }
    }

    /// Whether a frequency enters only the last cell of a tile: the point at infinity, and the last product of a middle tap.
    pub fn enters_last_cell_only(self, frequency: usize) -> bool {
        match self {
            Scheme::Stride1 => frequency == 5,
            Scheme::Stride2 | Scheme::Stride2Transposed => frequency == 4 || frequency == 8,
        }
    }
}
