//! 2-D convolution, as `torch.nn.Conv2d`.

use super::error::{LayerError, or_panic};
use crate::prepared::PreparedCache;
use crate::{Forward, Module, ModuleExt, Param, init};
use cresset_tensor::ops::{Conv2dOptions, IntoPair, Padding};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Array, Generator, Tensor, trace};

/// Slides learned filters over images: (N, C_in, H, W) to (N, C_out, H', W').
#[derive(Module, Clone, Debug)]
pub struct Conv2d {
    name: LayerName,
    /// (C_out, C_in / groups, kernel height, kernel width)
    pub weight: Param,
    /// (C_out)
    pub bias: Option<Param>,
    #[module(skip)]
    options: Conv2dOptions,
    #[module(skip)]
    prepared: PreparedCache,
}

impl Conv2d {
    /// A convolution with bias, stride 1, no padding, initialized as PyTorch's: uniform in ±1/√fan_in.
    /// `kernel_size` is `3` or `[height, width]`.
    ///
    /// # Panics
    /// If a size is 0.
    #[track_caller]
    pub fn new(
        in_channels: usize,
        out_channels: usize,
        kernel_size: impl IntoPair,
        rng: &mut Generator,
    ) -> Self {
        Self::builder(in_channels, out_channels, kernel_size).build(rng)
    }

    /// Starts from [`new`](Self::new)'s settings.
    pub fn builder(in_channels: usize, out_channels: usize, kernel_size: impl IntoPair) -> Conv2dBuilder {
        Conv2dBuilder {
            in_channels,
            out_channels,
            kernel_size: kernel_size.into_pair(),
            options: Conv2dOptions::default(),
            bias: true,
        }
    }

    /// The layer's place in its model, for code that computes the layer otherwise.
    pub fn layer_name(&self) -> &LayerName {
        &self.name
    }

    /// Where weights packed for inference are kept.
    pub(crate) fn prepared(&self) -> &PreparedCache {
        &self.prepared
    }

    /// Channels of the input.
    pub fn in_channels(&self) -> usize {
        self.weight.shape()[1] * self.options.groups
    }

    /// Channels of the output.
    pub fn out_channels(&self) -> usize {
        self.weight.shape()[0]
    }

    /// (height, width) of the filters.
    pub fn kernel_size(&self) -> [usize; 2] {
        let shape = self.weight.shape();
        [shape[2], shape[3]]
    }

    /// Stride, padding, dilation and groups: what the op is called with.
    pub fn options(&self) -> &Conv2dOptions {
        &self.options
    }
}

impl Forward for Conv2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        let layer = trace::enter(&self.name, self.kind(), x);
        let bias = self.bias.as_ref().map(Param::tensor);
        let y = x.conv2d(&self.weight.tensor(), bias.as_ref(), &self.options);
        layer.leave(y, || self.num_parameters())
    }
}

/// Settings of a [`Conv2d`]. Pairs are `3` for both or `[height, width]`.
#[derive(Clone, Copy, Debug)]
#[must_use = "call build()"]
pub struct Conv2dBuilder {
    in_channels: usize,
    out_channels: usize,
    kernel_size: [usize; 2],
    options: Conv2dOptions,
    bias: bool,
}

impl Conv2dBuilder {
    /// Step between places of the filter.
    pub fn stride(self, stride: impl IntoPair) -> Self {
        Self { options: self.options.stride(stride), ..self }
    }

    /// Zeros around the image: `1`, `[1, 2]` or [`Padding::Same`].
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { options: self.options.padding(padding), ..self }
    }

    /// Step between the elements of a filter.
    pub fn dilation(self, dilation: impl IntoPair) -> Self {
        Self { options: self.options.dilation(dilation), ..self }
    }

    /// In how many groups the channels are convolved apart from each other; `in_channels` makes it depthwise.
    pub fn groups(self, groups: usize) -> Self {
        Self { options: self.options.groups(groups), ..self }
    }

    /// Whether to add a bias; a batch norm right after makes it useless.
    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Makes the layer.
    ///
    /// # Panics
    /// Where [`try_build`](Self::try_build) gives an error.
    #[track_caller]
    pub fn build(self, rng: &mut Generator) -> Conv2d {
        or_panic(self.try_build(rng))
    }

    /// Makes the layer.
    ///
    /// # Errors
    /// If a size is 0, if `groups` does not divide both numbers of channels, or if the padding is
    /// [`Same`](Padding::Same) with a stride.
    pub fn try_build(self, rng: &mut Generator) -> Result<Conv2d, LayerError> {
        self.check()?;
        let Self { in_channels, out_channels, kernel_size: [height, width], options, bias } = self;
        let weight = Param::new(Array::empty([out_channels, in_channels / options.groups, height, width]));
        let bias = bias.then(|| Param::new(Array::empty([out_channels])));
        init::layer_default(&weight, bias.as_ref(), rng);
        Ok(Conv2d { name: LayerName::default(), weight, bias, options, prepared: PreparedCache::default() })
    }

    fn check(&self) -> Result<(), LayerError> {
        let Conv2dOptions { stride, padding, dilation, groups } = self.options;
        LayerError::check_positive(
            "Conv2d",
            &[
                ("in_channels", self.in_channels),
                ("out_channels", self.out_channels),
                ("kernel height", self.kernel_size[0]),
                ("kernel width", self.kernel_size[1]),
                ("stride", stride[0].min(stride[1])),
                ("dilation", dilation[0].min(dilation[1])),
                ("groups", groups),
            ],
        )?;
        let refuse = |message: String| Err(LayerError::new("Conv2d", message));
        for (name, channels) in [("in_channels", self.in_channels), ("out_channels", self.out_channels)] {
            if channels % groups != 0 {
                return refuse(format!("groups = {groups} does not divide {name} = {channels}"));
            }
        }
        if padding == Padding::Same && stride != [1, 1] {
            return refuse(format!("padding \"same\" needs stride 1, found {stride:?}"));
        }
        Ok(())
    }
}
