//! 2-D average pooling, as `torch.nn.functional.avg_pool2d`, on channels-last activations.

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::window::Window;
use crate::{GeometryError, window_mean::WindowMean};

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
    /// When a kernel or stride is 0, when the padding exceeds half of the kernel, or when the window does not
    /// fit into the padded input.
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

    /// The windows, and one over the number of elements that each counts.
    fn means(&self) -> WindowMean {
        let [rows, columns] = self.output_size();
        let span = |axis: usize, index: usize| -> Range<usize> {
            let part = self.window(axis).part(index);
            part.start..part.start + part.taps
        };
        let counted = |axis: usize, index: usize| {
            let Window { input, kernel, stride, padding, .. } = self.window(axis);
            if self.count_include_pad {
                kernel.min(input + 2 * padding - index * stride)
            } else {
                span(axis, index).len()
            }
        };
        let windows = (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c)));
        WindowMean {
            size: [self.height, self.width],
            channels: self.channels,
            vertical: (0..rows).map(|r| span(0, r)).collect(),
            horizontal: (0..columns).map(|c| span(1, c)).collect(),
            factors: windows.map(|(r, c)| 1.0 / (counted(0, r) * counted(1, c)) as f32).collect(),
        }
    }
}

/// Average pooling of `x` (batch, height, width, channels) into `y` (batch, rows, columns, channels).
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn forward(g: &Geometry, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), g.input_len(), "avg_pool2d: length of x");
    assert_eq!(y.len(), g.output_len(), "avg_pool2d: length of y");
    g.means().forward(x, y);
}

/// Gradient of average pooling: `dx` from `dy`, which each window spreads evenly.
///
/// # Panics
/// When the geometry is not valid or a slice has the wrong length.
#[track_caller]
pub fn backward(g: &Geometry, dy: &[f32], dx: &mut [f32]) {
    assert_eq!(dx.len(), g.input_len(), "avg_pool2d: length of dx");
    assert_eq!(dy.len(), g.output_len(), "avg_pool2d: length of dy");
    g.means().backward(dy, dx);
}
