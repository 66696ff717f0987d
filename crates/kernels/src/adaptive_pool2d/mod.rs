//! Adaptive pooling to a given output size, as `torch.nn.functional.adaptive_avg_pool2d` and
//! `adaptive_max_pool2d`, on channels-last activations. An output of 1 x 1 is global pooling.

mod average;
mod maximum;
#[cfg(test)]
mod tests;

pub use average::{avg_backward, avg_forward};
pub use maximum::{max_backward, max_forward};

use std::ops::Range;

use crate::GeometryError;

/// Sizes of an adaptive 2-D pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Images in the batch; may be 0.
    pub batch: usize,
    /// Height of the input.
    pub height: usize,
    /// Width of the input.
    pub width: usize,
    /// Channels of input and output.
    pub channels: usize,
    /// (height, width) of the output; either may exceed the input's, windows then overlap.
    pub output: [usize; 2],
}

impl Geometry {
    /// Checks the sizes as PyTorch does.
    ///
    /// # Errors
    /// When the input has no height or width, or more than 2^32 positions an image.
    pub fn validate(&self) -> Result<(), GeometryError> {
        if self.height == 0 || self.width == 0 {
            return Err(GeometryError::new(
                "adaptive_pool2d",
                format!(
                    "the input must have positive height and width, found {} x {}",
                    self.height, self.width
                ),
            ));
        }
        if self.height.saturating_mul(self.width) > u32::MAX as usize {
            return Err(GeometryError::new(
                "adaptive_pool2d",
                "the input has more than 2^32 positions an image",
            ));
        }
        Ok(())
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.height * self.width * self.channels
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.output[0] * self.output[1] * self.channels
    }

    /// Input rows (axis 0) or columns (axis 1) that output `index` covers:
    /// from `floor(index * in / out)` to `ceil((index + 1) * in / out)`.
    fn span(&self, axis: usize, index: usize) -> Range<usize> {
        let (input, output) = ([self.height, self.width][axis], self.output[axis]);
        index * input / output..((index + 1) * input).div_ceil(output)
    }

    #[track_caller]
    fn check(&self, input: usize, output: usize) {
        self.validate().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(input, self.input_len(), "adaptive_pool2d: length of the input side");
        assert_eq!(output, self.output_len(), "adaptive_pool2d: length of the output side");
    }
}
