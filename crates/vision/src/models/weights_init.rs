//! How the weights of the residual families start.

use cresset_nn::{Conv2d, Module, ModuleExt, Param, init};
use cresset_tensor::Generator;

/// The choices of initialization, the same for every residual family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WeightsInit {
    /// Start the last norm of every residual branch at zero, so that each block starts as the identity (Goyal et
    /// al. 2017, arXiv:1706.02677): torchvision's `zero_init_residual`.
    pub zero_init_residual: bool,
}

impl WeightsInit {
    /// Convolutions from He et al. (2015, arXiv:1502.01852) with fan-out, as torchvision; norms are at identity and
    /// linear layers at PyTorch's default from their construction.
    pub(super) fn convolutions(self, model: &(impl Module + ?Sized), rng: &mut Generator) {
        for (_, param) in model.named_parameters() {
            if param.shape().rank() == 4 {
                init::kaiming_normal(&param, init::Fan::Out, init::Nonlinearity::Relu, rng);
            }
        }
    }

    /// The scale of the last norm of a residual branch.
    pub(super) fn last_norm(self, weight: Option<&Param>) {
        if let Some(weight) = weight.filter(|_| self.zero_init_residual) {
            init::zeros(weight);
        }
    }
}

/// A convolution without bias, padded so that a stride of 1 keeps the size.
pub(super) fn conv(
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    stride: usize,
    rng: &mut Generator,
) -> Conv2d {
    grouped_conv(in_channels, out_channels, kernel, stride, 1, rng)
}

/// Like [`conv`], in groups.
pub(super) fn grouped_conv(
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
    rng: &mut Generator,
) -> Conv2d {
    Conv2d::builder(in_channels, out_channels, kernel)
        .stride(stride)
        .padding(kernel / 2)
        .groups(groups)
        .bias(false)
        .build(rng)
}
