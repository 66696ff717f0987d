use crate::GeometryError;

/// Sizes of a two-dimensional convolution (cross-correlation, as in PyTorch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2dGeometry {
    /// Images, N.
    pub batch: usize,
    /// Input channels, C.
    pub in_channels: usize,
    /// Input height, H.
    pub in_height: usize,
    /// Input width, W.
    pub in_width: usize,
    /// Output channels, O.
    pub out_channels: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Step of the kernel, down and across.
    pub stride: [usize; 2],
    /// Zeros around the input: `[[top, bottom], [left, right]]`.
    pub padding: [[usize; 2]; 2],
    /// Distance between the kernel's taps, down and across.
    pub dilation: [usize; 2],
    /// Independent groups of channels; `in_channels` of them make a depthwise convolution.
    pub groups: usize,
}

impl Conv2dGeometry {
    /// A convolution of (batch, channels, height, width) inputs with stride 1, no padding, no dilation and one
    /// group; change the public fields for others.
    pub fn new(input: [usize; 4], out_channels: usize, kernel: [usize; 2]) -> Self {
        let [batch, in_channels, in_height, in_width] = input;
        Self {
            batch,
            in_channels,
            in_height,
            in_width,
            out_channels,
            kernel,
            stride: [1, 1],
            padding: [[0, 0], [0, 0]],
            dilation: [1, 1],
            groups: 1,
        }
    }

    /// The same with this step down and across.
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// The same with this many zeros on each side.
    pub fn with_padding(self, padding: usize) -> Self {
        Self { padding: [[padding; 2]; 2], ..self }
    }

    /// The same with this many groups.
    pub fn with_groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Checks that the sizes fit each other and the address space.
    pub fn validate(&self) -> Result<(), GeometryError> {
        let error = |reason: String| Err(GeometryError::new("conv2d", reason));
        for (name, value) in [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("groups", self.groups),
            ("kernel height", self.kernel[0]),
            ("kernel width", self.kernel[1]),
            ("stride down", self.stride[0]),
            ("stride across", self.stride[1]),
            ("dilation down", self.dilation[0]),
            ("dilation across", self.dilation[1]),
        ] {
            if value == 0 {
                return error(format!("{name} must be at least 1"));
            }
        }
        for (name, channels) in [("in_channels", self.in_channels), ("out_channels", self.out_channels)] {
            if !channels.is_multiple_of(self.groups) {
                return error(format!("{name} ({channels}) must be a multiple of groups ({})", self.groups));
            }
        }
        let sizes = [("height", self.in_height), ("width", self.in_width)];
        for (axis, (name, size)) in sizes.into_iter().enumerate() {
            let [before, after] = self.padding[axis];
            let padded = size.checked_add(before).and_then(|s| s.checked_add(after));
            let extent =
                (self.kernel[axis] - 1).checked_mul(self.dilation[axis]).and_then(|e| e.checked_add(1));
            let (Some(padded), Some(extent)) = (padded, extent) else {
                return error(format!("the padded input {name} or the kernel {name} overflows"));
            };
            if extent > padded {
                return error(format!(
                    "the kernel's {name} {} with dilation {} covers {extent}, more than the input's {name} {size} \
                     with padding {before} + {after}",
                    self.kernel[axis], self.dilation[axis]
                ));
            }
        }
        let elements = |sizes: &[usize]| {
            let product = sizes.iter().try_fold(size_of::<f32>(), |n, &size| n.checked_mul(size));
            product.is_some_and(|bytes| bytes <= isize::MAX as usize)
        };
        let (i, o) = (self.in_channels, self.out_channels);
        let padded =
            [0, 1].map(|a| self.padding[a][0] + self.padding[a][1] + [self.in_height, self.in_width][a]);
        let fits = elements(&[self.batch, padded[0], padded[1], i])
            && elements(&[self.batch, self.out_height(), self.out_width(), o])
            && elements(&[o, self.kernel[0], self.kernel[1], i / self.groups]);
        if !fits {
            return error(format!("{self:?} needs arrays larger than the address space"));
        }
        Ok(())
    }

    /// Height of the output.
    pub fn out_height(&self) -> usize {
        self.out_size(0, self.in_height)
    }

    /// Width of the output.
    pub fn out_width(&self) -> usize {
        self.out_size(1, self.in_width)
    }

    fn out_size(&self, axis: usize, size: usize) -> usize {
        let padded = size + self.padding[axis][0] + self.padding[axis][1];
        (padded - self.dilation[axis] * (self.kernel[axis] - 1) - 1) / self.stride[axis] + 1
    }

    /// Multiply-adds of one pass, as a direct convolution does them, those with padding included.
    pub fn macs(&self) -> u64 {
        [self.out_len(), self.kernel[0], self.kernel[1], self.group_inputs()]
            .iter()
            .fold(1u64, |n, &size| n.saturating_mul(size as u64))
    }

    /// Input channels of a group.
    pub fn group_inputs(&self) -> usize {
        self.in_channels / self.groups
    }

    /// Output channels of a group.
    pub fn group_outputs(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Elements of the input.
    pub fn in_len(&self) -> usize {
        self.batch * self.in_height * self.in_width * self.in_channels
    }

    /// Elements of the output.
    pub fn out_len(&self) -> usize {
        self.batch * self.out_height() * self.out_width() * self.out_channels
    }

    /// Elements of the weight.
    pub fn weight_len(&self) -> usize {
        self.out_channels * self.kernel_len()
    }

    /// Elements of the weight of one output channel.
    pub(super) fn kernel_len(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.group_inputs()
    }

    /// Positions of the kernel, row by row.
    pub(super) fn taps(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [height, width] = self.kernel;
        (0..height * width).map(move |t| [t / width, t % width])
    }

    /// The input row (axis 0) or column (axis 1) that tap `tap` of output position 0 reads; may be negative.
    pub(super) fn tap_offset(&self, axis: usize, tap: usize) -> isize {
        (tap * self.dilation[axis]) as isize - self.padding[axis][0] as isize
    }

    #[track_caller]
    pub(super) fn check(&self, op: &str, x: usize, w: usize, y: usize) {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        for (name, found, expected) in
            [("input", x, self.in_len()), ("weight", w, self.weight_len()), ("output", y, self.out_len())]
        {
            assert!(found == expected, "{op}: the {name} has {found} elements, {self:?} has {expected}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Conv2dGeometry as G;

    #[test]
    fn sizes_follow_pytorch() {
        let g = G::new([16, 3, 224, 224], 64, [7, 7]).with_stride(2).with_padding(3);
        assert_eq!(g.validate(), Ok(()));
        assert_eq!((g.out_height(), g.out_width(), g.macs()), (112, 112, 16 * 118_013_952));
        let g = G { dilation: [2, 1], padding: [[1, 0], [0, 2]], ..G::new([1, 2, 7, 5], 4, [3, 2]) };
        assert_eq!((g.out_height(), g.out_width()), (4, 6));
    }

    #[test]
    fn errors_name_what_does_not_fit() {
        let g = G::new([1, 6, 5, 5], 4, [3, 3]);
        let message = |g: G| g.validate().unwrap_err().to_string();
        assert_eq!(message(g.with_groups(4)), "conv2d: in_channels (6) must be a multiple of groups (4)");
        assert_eq!(message(g.with_stride(0)), "conv2d: stride down must be at least 1");
        assert_eq!(
            message(G { dilation: [3, 1], ..g }),
            "conv2d: the kernel's height 3 with dilation 3 covers 7, more than the input's height 5 with padding 0 + 0"
        );
        assert!(message(g.with_padding(usize::MAX)).contains("overflows"));
        assert!(message(G { batch: usize::MAX / 8, ..g }).contains("larger than the address space"));
    }
}
