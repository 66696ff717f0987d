//! Sliding windows along one axis: the arithmetic that the pooling kernels share.

use std::ops::Range;

use crate::GeometryError;

/// One spatial axis of a pooling operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Elements of the input along the axis.
    pub input: usize,
    /// Taps of the window.
    pub kernel: usize,
    /// Distance between the first taps of neighbouring windows.
    pub stride: usize,
    /// Virtual elements before and after the input.
    pub padding: usize,
    /// Distance between neighbouring taps of one window.
    pub dilation: usize,
}

impl Window {
    /// Number of windows, by PyTorch's rule (`pooling_output_shape`).
    ///
    /// With `ceil_mode` the last window may hang over the end, but it must start inside the input
    /// or its left padding.
    pub fn count(&self, ceil_mode: bool, op: &'static str, axis: &str) -> Result<usize, GeometryError> {
        let Self { input, kernel, stride, padding, dilation } = *self;
        let refuse = |reason: String| Err(GeometryError::new(op, reason));
        if input == 0 {
            return refuse(format!("the input has no elements along its {axis}"));
        }
        for (name, value) in [("kernel size", kernel), ("stride", stride), ("dilation", dilation)] {
            if value == 0 {
                return refuse(format!("{name} along the {axis} must be at least 1, found 0"));
            }
        }
        if padding > kernel / 2 {
            return refuse(format!(
                "padding along the {axis} must be at most half of the kernel size: found padding {padding} \
                 with kernel size {kernel}"
            ));
        }
        let too_large = || GeometryError::new(op, format!("sizes along the {axis} overflow: {self:?}"));
        let extent =
            (kernel - 1).checked_mul(dilation).and_then(|e| e.checked_add(1)).ok_or_else(too_large)?;
        let padded = input.checked_add(2 * padding).ok_or_else(too_large)?;
        let slack = if ceil_mode { stride - 1 } else { 0 };
        let available = padded.checked_add(slack).ok_or_else(too_large)?;
        if available < extent {
            return refuse(format!(
                "the window does not fit: {axis} {input} with padding {padding} holds {padded} elements, \
                 kernel size {kernel} with dilation {dilation} spans {extent}"
            ));
        }
        let mut count = (available - extent) / stride + 1;
        if ceil_mode && (count - 1) * stride >= input + padding {
            count -= 1;
        }
        Ok(count)
    }

    /// The taps of window `index` that fall on the input, as a range of tap numbers.
    pub fn taps(&self, index: usize) -> Range<usize> {
        let origin = index * self.stride;
        let first = self.padding.saturating_sub(origin).div_ceil(self.dilation);
        let end = (self.input + self.padding).saturating_sub(origin).div_ceil(self.dilation).min(self.kernel);
        first.min(end)..end
    }

    /// Where tap `tap` of window `index` falls; meaningful for the taps that [`Self::taps`] names.
    pub fn position(&self, index: usize, tap: usize) -> usize {
        index * self.stride + tap * self.dilation - self.padding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_are_those_inside_the_input() {
        for input in 1..9 {
            for kernel in 1..5 {
                for stride in 1..4 {
                    for padding in 0..=kernel / 2 {
                        for dilation in 1..4 {
                            let w = Window { input, kernel, stride, padding, dilation };
                            for ceil in [false, true] {
                                let Ok(count) = w.count(ceil, "test", "width") else { continue };
                                for i in 0..count {
                                    let inside = |t: &usize| {
                                        let at = (i * stride + t * dilation) as isize - padding as isize;
                                        at >= 0 && at < input as isize
                                    };
                                    let expected: Vec<usize> = (0..kernel).filter(inside).collect();
                                    assert_eq!(w.taps(i).collect::<Vec<_>>(), expected, "{w:?} window {i}");
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn ceil_mode_drops_windows_that_start_in_the_right_padding() {
        let w = Window { input: 5, kernel: 2, stride: 3, padding: 1, dilation: 1 };
        assert_eq!(w.count(true, "test", "width").unwrap(), 2);
        let w = Window { input: 4, kernel: 3, stride: 2, padding: 0, dilation: 1 };
        assert_eq!(w.count(false, "test", "width").unwrap(), 1);
        assert_eq!(w.count(true, "test", "width").unwrap(), 2);
    }
}
