//! 2-D max pooling, as `torch.nn.functional.max_pool2d`, on channels-last activations.
//!
//! The forward pass can record where each maximum was found: as the number of the tap inside the window
//! (row-major, `kh * kernel_width + kw`), two bytes an output element, which is all that backward needs.

mod backward;
mod forward;
#[cfg(test)]
mod tests;

pub use backward::backward;
pub use forward::forward;

use crate::{GeometryError, window::Window};

/// Sizes of a 2-D max pooling. Pairs are (height, width).
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
    /// Implicit negative infinity on both sides; at most half of the kernel.
    pub padding: [usize; 2],
    /// Step between the elements of one window.
    pub dilation: [usize; 2],
    /// Whether a last window that hangs over the end counts, as PyTorch's `ceil_mode`.
    pub ceil_mode: bool,
}

impl Geometry {
    /// Checks the sizes as PyTorch does and returns the output's (height, width).
    ///
    /// # Errors
    /// When a kernel, stride or dilation is 0, when the padding exceeds half of the kernel, when the window
    /// does not fit into the padded input, or when the window has more than 65536 elements.
    pub fn validate(&self) -> Result<[usize; 2], GeometryError> {
        let rows = self.window(0).count(self.ceil_mode, "max_pool2d", "height")?;
        let columns = self.window(1).count(self.ceil_mode, "max_pool2d", "width")?;
        if self.kernel[0].saturating_mul(self.kernel[1]) > 1 << 16 {
            return Err(GeometryError::new(
                "max_pool2d",
                format!(
                    "a window of {} x {} has more than 65536 elements; use adaptive_max_pool2d for windows this large",
                    self.kernel[0], self.kernel[1]
                ),
            ));
        }
        Ok([rows, columns])
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
            dilation: self.dilation[axis],
        }
    }
}
