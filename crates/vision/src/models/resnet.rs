//! Residual networks (He et al. 2016a, arXiv:1512.03385), as torchvision builds them: the same keys, shapes and
//! parameter counts, the bottleneck's stride on its 3x3 convolution. Also the wide and the grouped variants, and
//! ResNet-18 for CIFAR images.

use super::weights_init::{WeightsInit, conv, grouped_conv};
use super::{ModelConfig, dropped};
use cresset_nn::{
    BatchNorm2d, Conv2d, Dropout, Field, Forward, Linear, MaxPool2d, MaxPool2dOptions, Module, conv_bn,
    conv_bn_add_relu, conv_bn_relu, few_images_at_a_time,
};
use cresset_tensor::{Generator, Tensor};

/// What a residual network is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct ResNetOptions {
    /// Blocks in each of the four stages.
    pub blocks: [usize; 4],
    /// The first convolution.
    pub stem: Stem,
    /// Groups of the bottleneck's 3x3 convolution (ResNeXt's cardinality).
    pub groups: usize,
    /// Channels of one group in the first stage.
    pub width_per_group: usize,
}

impl ResNetOptions {
    /// The paper's, with this many blocks a stage.
    pub fn new(blocks: [usize; 4]) -> Self {
        Self { blocks, stem: Stem::ImageNet, groups: 1, width_per_group: 64 }
    }
}

/// How the image enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stem {
    /// A 7x7 convolution of stride 2 and a 3x3 max pooling of stride 2: a quarter of the height and width.
    ImageNet,
    /// A 3x3 convolution: images of 32x32 keep their size.
    Cifar,
}

/// A residual block: [`BasicBlock`] or [`Bottleneck`].
pub trait Block: Module + Field + Forward + Clone + 'static {
    /// Channels out for each channel of `width`.
    const EXPANSION: usize;

    /// A block from `in_channels` to `width * EXPANSION` channels.
    fn new(
        in_channels: usize,
        width: usize,
        stride: usize,
        options: &ResNetOptions,
        rng: &mut Generator,
    ) -> Self;

    /// [`forward`](Forward::forward) of an input that nobody else needs, whose memory the output may take.
    fn forward_owned(&self, x: Tensor) -> Tensor;

    /// Applies the choices of initialization that concern blocks.
    fn init(&self, init: WeightsInit);

    /// All norms of the block.
    fn norms(&self) -> Vec<&BatchNorm2d>;
}

/// Brings the shortcut to the shape of the residual branch: a 1x1 convolution and a norm.
#[derive(Module, Clone, Debug)]
pub struct Downsample {
    #[module(name = "0")]
    conv: Conv2d,
    #[module(name = "1")]
    bn: BatchNorm2d,
}

impl Downsample {
    /// `None` where the shapes agree already and the shortcut is the identity.
    fn new(in_channels: usize, out_channels: usize, stride: usize, rng: &mut Generator) -> Option<Self> {
        (stride != 1 || in_channels != out_channels).then(|| Self {
            conv: conv(in_channels, out_channels, 1, stride, rng),
            bn: BatchNorm2d::new(out_channels),
        })
    }
}

/// The shortcut of a block, unless it is the identity. Asked for before the block's own convolutions: backward then adds its
/// gradient, which is zero in three pixels of four, to theirs, in place of theirs to it.
fn projected(downsample: Option<&Downsample>, x: &Tensor) -> Option<Tensor> {
    downsample.map(|d| conv_bn(&d.conv, &d.bn, x))
}

/// Two 3x3 convolutions: the block of ResNet-18 and -34.
#[derive(Module, Clone, Debug)]
pub struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    downsample: Option<Downsample>,
}

impl Block for BasicBlock {
    const EXPANSION: usize = 1;

    fn new(in_channels: usize, width: usize, stride: usize, _: &ResNetOptions, rng: &mut Generator) -> Self {
        Self {
            conv1: conv(in_channels, width, 3, stride, rng),
            bn1: BatchNorm2d::new(width),
            conv2: conv(width, width, 3, 1, rng),
            bn2: BatchNorm2d::new(width),
            downsample: Downsample::new(in_channels, width, stride, rng),
        }
    }

    fn forward_owned(&self, x: Tensor) -> Tensor {
        let shortcut = projected(self.downsample.as_ref(), &x);
        let y = conv_bn_relu(&self.conv1, &self.bn1, &x);
        conv_bn_add_relu(&self.conv2, &self.bn2, &y, shortcut.unwrap_or(x))
    }

    fn init(&self, init: WeightsInit) {
        init.last_norm(self.bn2.weight.as_ref());
    }

    fn norms(&self) -> Vec<&BatchNorm2d> {
        [&self.bn1, &self.bn2].into_iter().chain(self.downsample.iter().map(|d| &d.bn)).collect()
    }
}

impl Forward for BasicBlock {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.forward_owned(x.clone())
    }
}

/// A 1x1 convolution to fewer channels, a 3x3 there, a 1x1 back: the block of ResNet-50, -101 and -152.
#[derive(Module, Clone, Debug)]
pub struct Bottleneck {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    conv3: Conv2d,
    bn3: BatchNorm2d,
    downsample: Option<Downsample>,
}

impl Block for Bottleneck {
    const EXPANSION: usize = 4;

    fn new(
        in_channels: usize,
        width: usize,
        stride: usize,
        options: &ResNetOptions,
        rng: &mut Generator,
    ) -> Self {
        let inner = width * options.width_per_group / 64 * options.groups;
        let out_channels = width * Self::EXPANSION;
        Self {
            conv1: conv(in_channels, inner, 1, 1, rng),
            bn1: BatchNorm2d::new(inner),
            conv2: grouped_conv(inner, inner, 3, stride, options.groups, rng),
            bn2: BatchNorm2d::new(inner),
            conv3: conv(inner, out_channels, 1, 1, rng),
            bn3: BatchNorm2d::new(out_channels),
            downsample: Downsample::new(in_channels, out_channels, stride, rng),
        }
    }

    fn forward_owned(&self, x: Tensor) -> Tensor {
        let shortcut = projected(self.downsample.as_ref(), &x);
        let y = conv_bn_relu(&self.conv1, &self.bn1, &x);
        let y = conv_bn_relu(&self.conv2, &self.bn2, &y);
        conv_bn_add_relu(&self.conv3, &self.bn3, &y, shortcut.unwrap_or(x))
    }

    fn init(&self, init: WeightsInit) {
        init.last_norm(self.bn3.weight.as_ref());
    }

    fn norms(&self) -> Vec<&BatchNorm2d> {
        [&self.bn1, &self.bn2, &self.bn3].into_iter().chain(self.downsample.iter().map(|d| &d.bn)).collect()
    }
}

impl Forward for Bottleneck {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.forward_owned(x.clone())
    }
}

/// A residual network of one kind of block. Shapes in comments are of ResNet-18 on (batch, 3, 224, 224).
#[derive(Module, Clone, Debug)]
pub struct ResNet<B: Block> {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    maxpool: Option<MaxPool2d>,
    layer1: Vec<B>,
    layer2: Vec<B>,
    layer3: Vec<B>,
    layer4: Vec<B>,
    dropout: Option<Dropout>,
    fc: Linear,
}

impl<B: Block> ResNet<B> {
    /// Builds the network.
    pub fn new(options: &ResNetOptions, config: &ModelConfig, rng: &mut Generator) -> Self {
        let (conv1, maxpool) = match options.stem {
            Stem::ImageNet => {
                let pool = MaxPool2d::new(MaxPool2dOptions::new(3).stride(2).padding(1));
                (conv(config.in_channels, 64, 7, 2, rng), Some(pool))
            }
            Stem::Cifar => (conv(config.in_channels, 64, 3, 1, rng), None),
        };
        let mut in_channels = 64;
        let mut stage = |i: usize, rng: &mut Generator| {
            let (width, stride) = (64 << i, if i == 0 { 1 } else { 2 });
            let block = |b: usize| {
                let stride = if b == 0 { stride } else { 1 };
                let block = B::new(in_channels, width, stride, options, rng);
                in_channels = width * B::EXPANSION;
                block
            };
            (0..options.blocks[i]).map(block).collect()
        };
        let net = ResNet {
            conv1,
            bn1: BatchNorm2d::new(64),
            maxpool,
            layer1: stage(0, rng),
            layer2: stage(1, rng),
            layer3: stage(2, rng),
            layer4: stage(3, rng),
            dropout: config.dropout(),
            fc: Linear::new(512 * B::EXPANSION, config.num_classes, rng),
        };
        config.init.convolutions(&net, rng);
        net.stages().into_iter().flatten().for_each(|block| block.init(config.init));
        net
    }

    /// Numbers of the largest feature map of one image: the first convolution's, or the first stage's.
    fn largest_map(&self, x: &Tensor) -> usize {
        let pixels: usize = x.shape().iter().skip(2).product();
        let stem = 64 * pixels / self.conv1.options().stride.iter().product::<usize>();
        let stage = 64 * B::EXPANSION * pixels / if self.maxpool.is_some() { 16 } else { 1 };
        stem.max(stage)
    }

    fn stages(&self) -> [&Vec<B>; 4] {
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
    }
}

impl<B: Block> Forward for ResNet<B> {
    fn forward(&self, x: &Tensor) -> Tensor {
        let run = |blocks: &[B], x: Tensor| blocks.iter().fold(x, |x, block| block.forward_owned(x));
        let norms = [&self.layer1, &self.layer2].into_iter().flatten().flat_map(B::norms).chain([&self.bn1]);
        let x = few_images_at_a_time(x, self.largest_map(x), norms, |x| {
            let mut x = conv_bn_relu(&self.conv1, &self.bn1, x); // (batch, 64, 112, 112)
            if let Some(pool) = &self.maxpool {
                x = pool.forward(&x); //                            (batch, 64, 56, 56)
            }
            run(&self.layer2, run(&self.layer1, x)) //              (batch, 128, 28, 28)
        });
        let x = run(&self.layer4, run(&self.layer3, x)); //         (batch, 512, 7, 7)
        let x = x.adaptive_avg_pool2d([1, 1]).flatten(1); //    (batch, 512)
        let x = dropped(self.dropout.as_ref(), x);
        self.fc.forward(&x) //                                  (batch, classes)
    }
}

/// The family's members: a factory with torchvision's defaults (3 channels), and one for any configuration.
macro_rules! members {
    ($($(#[$doc:meta])* $name:ident, $with:ident: $block:ty, $options:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// For 3-channel images, with torchvision's initialization.
        pub fn $name(num_classes: usize, rng: &mut Generator) -> ResNet<$block> {
            $with(&super::imagenet_config(num_classes), rng)
        }

        pub(super) fn $with(config: &ModelConfig, rng: &mut Generator) -> ResNet<$block> {
            ResNet::new(&$options, config, rng)
        }
    )*};
}

members! {
    /// ResNet-18: 11,689,512 parameters for 1000 classes.
    resnet18, resnet18_with: BasicBlock, ResNetOptions::new([2, 2, 2, 2]);
    /// ResNet-34: 21,797,672 parameters for 1000 classes.
    resnet34, resnet34_with: BasicBlock, ResNetOptions::new([3, 4, 6, 3]);
    /// ResNet-50: 25,557,032 parameters for 1000 classes.
    resnet50, resnet50_with: Bottleneck, ResNetOptions::new([3, 4, 6, 3]);
    /// ResNet-101: 44,549,160 parameters for 1000 classes.
    resnet101, resnet101_with: Bottleneck, ResNetOptions::new([3, 4, 23, 3]);
    /// ResNet-152: 60,192,808 parameters for 1000 classes.
    resnet152, resnet152_with: Bottleneck, ResNetOptions::new([3, 8, 36, 3]);
    /// Wide ResNet-50-2 (Zagoruyko and Komodakis 2016, arXiv:1605.07146): 68,883,240 parameters for 1000 classes.
    wide_resnet50_2, wide_resnet50_2_with: Bottleneck,
        ResNetOptions { width_per_group: 128, ..ResNetOptions::new([3, 4, 6, 3]) };
    /// ResNeXt-50 32x4d (Xie et al. 2017, arXiv:1611.05431): 25,028,904 parameters for 1000 classes.
    resnext50_32x4d, resnext50_32x4d_with: Bottleneck,
        ResNetOptions { groups: 32, width_per_group: 4, ..ResNetOptions::new([3, 4, 6, 3]) };
    /// ResNet-18 with a 3x3 stem and no max pooling, for CIFAR's 32x32 images.
    cifar_resnet18, cifar_resnet18_with: BasicBlock,
        ResNetOptions { stem: Stem::Cifar, ..ResNetOptions::new([2, 2, 2, 2]) };
}
