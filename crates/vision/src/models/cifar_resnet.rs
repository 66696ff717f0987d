//! The residual networks of the paper's section 4.2 (He et al. 2016a, arXiv:1512.03385) for CIFAR images, and their
//! plain twins without shortcuts: 6n+2 layers in three stages of 16, 32 and 64 channels. Shortcuts are option A:
//! no parameters, zeros for the channels that are missing.

use super::weights_init::conv;
use super::{ModelConfig, dropped};
use cresset_nn::{BatchNorm2d, Conv2d, Dropout, Forward, Linear, Module, conv_bn_add_relu, conv_bn_relu};
use cresset_tensor::{Generator, Tensor};

/// Two 3x3 convolutions, with or without a shortcut around them.
#[derive(Module, Clone, Debug)]
pub struct CifarBlock {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    stride: usize,
    shortcut: bool,
}

impl CifarBlock {
    fn new(in_channels: usize, width: usize, shortcut: bool, rng: &mut Generator) -> Self {
        // Only where the channels double does the image shrink.
        let stride = width / in_channels;
        Self {
            conv1: conv(in_channels, width, 3, stride, rng),
            bn1: BatchNorm2d::new(width),
            conv2: conv(width, width, 3, 1, rng),
            bn2: BatchNorm2d::new(width),
            stride,
            shortcut,
        }
    }
}

impl Forward for CifarBlock {
    fn forward(&self, x: &Tensor) -> Tensor {
        let y = conv_bn_relu(&self.conv1, &self.bn1, x);
        if !self.shortcut {
            return conv_bn_relu(&self.conv2, &self.bn2, &y);
        }
        let shortcut = if self.stride == 1 { x.clone() } else { option_a(x) };
        conv_bn_add_relu(&self.conv2, &self.bn2, &y, shortcut)
    }
}

/// Every second pixel, and as many channels of zeros behind as there are in front.
fn option_a(x: &Tensor) -> Tensor {
    let pixels = x.slice_step(2, .., 2).slice_step(3, .., 2);
    let zeros = Tensor::zeros(pixels.shape().clone());
    Tensor::cat(&[&pixels, &zeros], 1)
}

/// A network of 6n+2 layers. Shapes in comments are on (batch, 3, 32, 32).
#[derive(Module, Clone, Debug)]
pub struct CifarResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    layer1: Vec<CifarBlock>,
    layer2: Vec<CifarBlock>,
    layer3: Vec<CifarBlock>,
    dropout: Option<Dropout>,
    fc: Linear,
}

impl CifarResNet {
    /// A network of `depth` layers (20, 32, 44, 56, 110: n of the 6n are rounded down), with shortcuts or plain.
    pub fn new(depth: usize, shortcut: bool, config: &ModelConfig, rng: &mut Generator) -> Self {
        let n = depth.saturating_sub(2) / 6;
        let mut in_channels = 16;
        let mut stage = |width: usize, rng: &mut Generator| {
            let block = |_| CifarBlock::new(std::mem::replace(&mut in_channels, width), width, shortcut, rng);
            (0..n).map(block).collect::<Vec<_>>()
        };
        let net = CifarResNet {
            conv1: conv(config.in_channels, 16, 3, 1, rng),
            bn1: BatchNorm2d::new(16),
            layer1: stage(16, rng),
            layer2: stage(32, rng),
            layer3: stage(64, rng),
            dropout: config.dropout(),
            fc: Linear::new(64, config.num_classes, rng),
        };
        config.init.convolutions(&net, rng);
        for block in [&net.layer1, &net.layer2, &net.layer3].into_iter().flatten().filter(|b| b.shortcut) {
            config.init.last_norm(block.bn2.weight.as_ref());
        }
        net
    }
}

impl Forward for CifarResNet {
    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = conv_bn_relu(&self.conv1, &self.bn1, x); // (batch, 16, 32, 32)
        // (batch, 16, 32, 32), (batch, 32, 16, 16), (batch, 64, 8, 8)
        for block in [&self.layer1, &self.layer2, &self.layer3].into_iter().flatten() {
            x = block.forward(&x);
        }
        let x = x.adaptive_avg_pool2d([1, 1]).flatten(1); //    (batch, 64)
        let x = dropped(self.dropout.as_ref(), x);
        self.fc.forward(&x) //                                  (batch, classes)
    }
}
