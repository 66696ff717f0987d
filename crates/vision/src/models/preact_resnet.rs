//! Pre-activation residual networks (He et al. 2016b, arXiv:1603.05027): norm and ReLU come before each convolution,
//! so that nothing but additions lies on the path of the shortcuts; one last norm before the pooling.

use super::weights_init::{WeightsInit, conv};
use super::{ModelConfig, dropped};
use cresset_nn::{
    BatchNorm2d, Conv2d, Dropout, Field, Forward, Linear, MaxPool2d, MaxPool2dOptions, Module, bn_relu,
};
use cresset_tensor::{Generator, Tensor};

/// A block: [`PreActBasicBlock`] or [`PreActBottleneck`].
pub trait PreActBlock: Module + Field + Forward + Clone + 'static {
    /// Channels out for each channel of `width`.
    const EXPANSION: usize;

    /// A block from `in_channels` to `width * EXPANSION` channels.
    fn new(in_channels: usize, width: usize, stride: usize, rng: &mut Generator) -> Self;

    /// Applies the choices of initialization that concern blocks.
    fn init(&self, init: WeightsInit);
}

/// The projection of the shortcut, where shapes differ.
fn downsample(in_channels: usize, out_channels: usize, stride: usize, rng: &mut Generator) -> Option<Conv2d> {
    (stride != 1 || in_channels != out_channels).then(|| conv(in_channels, out_channels, 1, stride, rng))
}

/// Two 3x3 convolutions.
#[derive(Module, Clone, Debug)]
pub struct PreActBasicBlock {
    bn1: BatchNorm2d,
    conv1: Conv2d,
    bn2: BatchNorm2d,
    conv2: Conv2d,
    downsample: Option<Conv2d>,
}

impl PreActBlock for PreActBasicBlock {
    const EXPANSION: usize = 1;

    fn new(in_channels: usize, width: usize, stride: usize, rng: &mut Generator) -> Self {
        Self {
            bn1: BatchNorm2d::new(in_channels),
            conv1: conv(in_channels, width, 3, stride, rng),
            bn2: BatchNorm2d::new(width),
            conv2: conv(width, width, 3, 1, rng),
            downsample: downsample(in_channels, width, stride, rng),
        }
    }

    fn init(&self, init: WeightsInit) {
        init.last_norm(self.bn2.weight.as_ref());
    }
}

impl Forward for PreActBasicBlock {
    fn forward(&self, x: &Tensor) -> Tensor {
        let active = bn_relu(&self.bn1, x);
        // A projection sees the activated input, the identity the raw one (figure 4e of the paper).
        let shortcut = self.downsample.as_ref().map_or_else(|| x.clone(), |d| d.forward(&active));
        let y = self.conv1.forward(&active);
        let y = self.conv2.forward(&bn_relu(&self.bn2, &y));
        &y + &shortcut
    }
}

/// A 1x1 convolution to fewer channels, a 3x3 there, a 1x1 back.
#[derive(Module, Clone, Debug)]
pub struct PreActBottleneck {
    bn1: BatchNorm2d,
    conv1: Conv2d,
    bn2: BatchNorm2d,
    conv2: Conv2d,
    bn3: BatchNorm2d,
    conv3: Conv2d,
    downsample: Option<Conv2d>,
}

impl PreActBlock for PreActBottleneck {
    const EXPANSION: usize = 4;

    fn new(in_channels: usize, width: usize, stride: usize, rng: &mut Generator) -> Self {
        let out_channels = width * Self::EXPANSION;
        Self {
            bn1: BatchNorm2d::new(in_channels),
            conv1: conv(in_channels, width, 1, 1, rng),
            bn2: BatchNorm2d::new(width),
            conv2: conv(width, width, 3, stride, rng),
            bn3: BatchNorm2d::new(width),
            conv3: conv(width, out_channels, 1, 1, rng),
            downsample: downsample(in_channels, out_channels, stride, rng),
        }
    }

    fn init(&self, init: WeightsInit) {
        init.last_norm(self.bn3.weight.as_ref());
    }
}

impl Forward for PreActBottleneck {
    fn forward(&self, x: &Tensor) -> Tensor {
        let active = bn_relu(&self.bn1, x);
        let shortcut = self.downsample.as_ref().map_or_else(|| x.clone(), |d| d.forward(&active));
        let y = self.conv1.forward(&active);
        let y = self.conv2.forward(&bn_relu(&self.bn2, &y));
        let y = self.conv3.forward(&bn_relu(&self.bn3, &y));
        &y + &shortcut
    }
}

/// A pre-activation network of one kind of block. Shapes in comments are of the 18-layer one on
/// (batch, 3, 224, 224).
#[derive(Module, Clone, Debug)]
pub struct PreActResNet<B: PreActBlock> {
    conv1: Conv2d,
    maxpool: MaxPool2d,
    layer1: Vec<B>,
    layer2: Vec<B>,
    layer3: Vec<B>,
    layer4: Vec<B>,
    norm: BatchNorm2d,
    dropout: Option<Dropout>,
    fc: Linear,
}

impl<B: PreActBlock> PreActResNet<B> {
    /// Builds the network with this many blocks in each of the four stages.
    pub fn new(blocks: [usize; 4], config: &ModelConfig, rng: &mut Generator) -> Self {
        let mut in_channels = 64;
        let mut stage = |i: usize, rng: &mut Generator| {
            let (width, stride) = (64 << i, if i == 0 { 1 } else { 2 });
            let block = |b: usize| {
                let block = B::new(in_channels, width, if b == 0 { stride } else { 1 }, rng);
                in_channels = width * B::EXPANSION;
                block
            };
            (0..blocks[i]).map(block).collect()
        };
        let out_channels = 512 * B::EXPANSION;
        let net = PreActResNet {
            conv1: conv(config.in_channels, 64, 7, 2, rng),
            maxpool: MaxPool2d::new(MaxPool2dOptions::new(3).stride(2).padding(1)),
            layer1: stage(0, rng),
            layer2: stage(1, rng),
            layer3: stage(2, rng),
            layer4: stage(3, rng),
            norm: BatchNorm2d::new(out_channels),
            dropout: config.dropout(),
            fc: Linear::new(out_channels, config.num_classes, rng),
        };
        config.init.convolutions(&net, rng);
        net.stages().into_iter().flatten().for_each(|block| block.init(config.init));
        net
    }

    fn stages(&self) -> [&Vec<B>; 4] {
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
    }
}

impl<B: PreActBlock> Forward for PreActResNet<B> {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.conv1.forward(x); //                       (batch, 64, 112, 112)
        let mut x = self.maxpool.forward(&x); //                (batch, 64, 56, 56)
        // (batch, 64, 56, 56), (batch, 128, 28, 28), (batch, 256, 14, 14), (batch, 512, 7, 7)
        for block in self.stages().into_iter().flatten() {
            x = block.forward(&x);
        }
        let x = bn_relu(&self.norm, &x).adaptive_avg_pool2d([1, 1]).flatten(1); // (batch, 512)
        let x = dropped(self.dropout.as_ref(), x);
        self.fc.forward(&x) //                                  (batch, classes)
    }
}

/// The family's members: a factory for 3-channel images, and one for any configuration.
macro_rules! members {
    ($($(#[$doc:meta])* $name:ident, $with:ident: $block:ty, $blocks:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(num_classes: usize, rng: &mut Generator) -> PreActResNet<$block> {
            $with(&super::imagenet_config(num_classes), rng)
        }

        pub(super) fn $with(config: &ModelConfig, rng: &mut Generator) -> PreActResNet<$block> {
            PreActResNet::new($blocks, config, rng)
        }
    )*};
}

members! {
    /// The pre-activation ResNet-18, for 3-channel images.
    preact_resnet18, preact_resnet18_with: PreActBasicBlock, [2, 2, 2, 2];
    /// The pre-activation ResNet-34, for 3-channel images.
    preact_resnet34, preact_resnet34_with: PreActBasicBlock, [3, 4, 6, 3];
    /// The pre-activation ResNet-50, for 3-channel images.
    preact_resnet50, preact_resnet50_with: PreActBottleneck, [3, 4, 6, 3];
    /// The pre-activation ResNet-101, for 3-channel images.
    preact_resnet101, preact_resnet101_with: PreActBottleneck, [3, 4, 23, 3];
    /// The pre-activation ResNet-152, for 3-channel images.
    preact_resnet152, preact_resnet152_with: PreActBottleneck, [3, 8, 36, 3];
}
