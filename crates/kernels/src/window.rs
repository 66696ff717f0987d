//! Sliding windows along one axis: the arithmetic that the pooling kernels share.

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

    /// The part of window `index` that lies on the input.
    pub fn part(&self, index: usize) -> Part {
        let origin = index * self.stride;
        let first = self.padding.saturating_sub(origin).div_ceil(self.dilation);
        let end = (self.input + self.padding).saturating_sub(origin).div_ceil(self.dilation).min(self.kernel);
        let start = (origin + first * self.dilation).saturating_sub(self.padding);
        Part { tap: first, taps: end.saturating_sub(first), start }
    }

    /// The parts of all of `count` windows.
    pub fn parts(&self, count: usize) -> Vec<Part> {
        (0..count).map(|index| self.part(index)).collect()
    }
}

/// The taps of a window that fall on the input: consecutive ones, though a dilated window may have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Number of the first of them.
    pub tap: usize,
    /// How many there are.
    pub taps: usize,
    /// Where the first falls.
    pub start: usize,
}

/// For each element of an axis the windows that cover it, each with the tap that falls there.
///
/// A gradient that goes from windows to elements is gathered by element: then no two threads add to the same
/// one.
#[derive(Clone, Debug)]
pub(crate) struct Covers {
    pairs: Vec<(usize, usize)>,
    /// Where the pairs of each element begin, and the end of the last.
    starts: Vec<usize>,
}

impl Covers {
    /// Those of `count` windows.
    pub fn new(window: Window, count: usize) -> Self {
        let Window { input, kernel, stride, padding, dilation } = window;
        let (mut pairs, mut starts) = (vec![], vec![0]);
        for at in padding..input + padding {
            let first = (at + 1).saturating_sub((kernel - 1) * dilation + 1).div_ceil(stride);
            for index in first..count.min(at / stride + 1) {
                let distance = at - index * stride;
                if distance.is_multiple_of(dilation) {
                    pairs.push((index, distance / dilation));
                }
            }
            starts.push(pairs.len());
        }
        Self { pairs, starts }
    }

    /// (window, tap) of all windows that cover element `at`, in the order of the windows.
    pub fn of(&self, at: usize) -> &[(usize, usize)] {
        &self.pairs[self.starts[at]..self.starts[at + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = (Window, usize)> {
        let sizes = (1..9).flat_map(|input| (1..5).map(move |kernel| (input, kernel)));
        let steps = (1..4).flat_map(|stride| (1..4).map(move |dilation| (stride, dilation)));
        let windows = sizes.flat_map(move |(input, kernel)| {
            let steps = steps.clone();
            (0..=kernel / 2).flat_map(move |padding| {
                let window = move |(stride, dilation)| Window { input, kernel, stride, padding, dilation };
                steps.clone().map(window)
            })
        });
        windows.flat_map(|w| {
            [false, true].into_iter().filter_map(move |ceil| Some((w, w.count(ceil, "test", "width").ok()?)))
        })
    }

    /// Where a tap falls, by definition.
    fn place(w: &Window, index: usize, tap: usize) -> Option<usize> {
        let at = (index * w.stride + tap * w.dilation) as isize - w.padding as isize;
        (at >= 0 && at < w.input as isize).then_some(at as usize)
    }

    #[test]
    fn taps_are_those_inside_the_input() {
        for (w, count) in all() {
            for i in 0..count {
                let inside = (0..w.kernel).filter_map(|t| Some((t, place(&w, i, t)?)));
                let part = w.part(i);
                let taps = (0..part.taps).map(|t| (part.tap + t, part.start + t * w.dilation));
                assert!(taps.eq(inside), "{w:?} window {i}");
            }
        }
    }

    #[test]
    fn covers_are_the_windows_over_an_element() {
        for (w, count) in all() {
            let covers = Covers::new(w, count);
            for at in 0..w.input {
                let pairs = (0..count).flat_map(|i| (0..w.kernel).map(move |t| (i, t)));
                let expected: Vec<_> = pairs.filter(|&(i, t)| place(&w, i, t) == Some(at)).collect();
                assert_eq!(covers.of(at), expected, "{w:?} element {at}");
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
