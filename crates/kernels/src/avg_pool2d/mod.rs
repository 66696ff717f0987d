//! 2-D average pooling, as `torch.nn.functional.avg_pool2d`, on channels-last activations.

mod backward;
mod forward;

pub use backward::backward;
pub use forward::forward;

use crate::{GeometryError, window::Window};

/// Sizes of a 2-D average pooling. Pairs are (height, width).
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
    /// Size of the window.
    pub kernel: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Implicit zeros on both sides; at most half of the kernel.
    pub padding: [usize; 2],
    /// Whether a last window that hangs over the end counts, as PyTorch's `ceil_mode`.
    pub ceil_mode: bool,
    /// Whether padding counts in the divisor, as PyTorch's `count_include_pad` (its default is true). What a
    /// window of `ceil_mode` covers beyond the padding never counts.
    pub count_include_pad: bool,
}

impl Geometry {
    /// Checks the sizes as PyTorch does and returns the output's (height, width).
    ///
    /// # Errors
    /// When a kernel or stride is 0, when the padding exceeds half of the kernel, or when the window does not fit
    /// into the padded input.
    pub fn validate(&self) -> Result<[usize; 2], GeometryError> {
        Ok([
            self.window(0).count(self.ceil_mode, "avg_pool2d", "height")?,
            self.window(1).count(self.ceil_mode, "avg_pool2d", "width")?,
        ])
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.height * self.width * self.channels
    }

    /// Elements of the output.
    ///
    /// # Panics
    /// When the geometry is not valid.
    #[track_caller]
    pub fn output_len(&self) -> usize {
        let [rows, columns] = self.output_size();
        self.batch * rows * columns * self.channels
    }

    /// (height, width) of the output.
    ///
    /// # Panics
    /// When the geometry is not valid.
    #[track_caller]
    pub fn output_size(&self) -> [usize; 2] {
        self.validate().unwrap_or_else(|e| panic!("{e}"))
    }

    /// The window along the height (0) or the width (1).
    fn window(&self, axis: usize) -> Window {
        Window {
            input: [self.height, self.width][axis],
            kernel: self.kernel[axis],
            stride: self.stride[axis],
            padding: self.padding[axis],
            dilation: 1,
        }
    }

    /// One over the number of elements that the window of output (row, column) averages.
    fn reciprocal(&self, row: usize, column: usize) -> f32 {
        let extent = |axis: usize, index: usize| {
            let w = self.window(axis);
            if self.count_include_pad {
                w.kernel.min(w.input + 2 * w.padding - index * w.stride)
            } else {
                w.taps(index).len()
            }
        };
        1.0 / (extent(0, row) * extent(1, column)) as f32
    }
}
