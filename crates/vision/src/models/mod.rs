//! Model families, one a file, and the registry that finds them by name.
//!
//! To add a family: write its file, then add its rows to `REGISTRY`.

pub mod cifar_resnet;
pub mod cnn;
pub mod preact_resnet;
pub mod resnet;
mod weights_init;

pub use weights_init::WeightsInit;

use cresset_nn::{Dropout, Forward, Layer};
use cresset_tensor::trace::DryRunError;
use cresset_tensor::{Generator, Tensor, trace};

/// What a model is built for.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Channels of the images: 1 for grey, 3 for colour.
    pub in_channels: usize,
    /// Height and width of the images, in pixels. Only models without a global pooling depend on it.
    pub input_size: (usize, usize),
    /// Classes to tell apart.
    pub num_classes: usize,
    /// How weights start, where a family leaves a choice.
    pub init: WeightsInit,
    /// Probability with which the inputs of the last layer are dropped in training; 0 for none.
    pub dropout: f32,
}

impl ModelConfig {
    /// The dropout before the last layer, if there is one.
    fn dropout(&self) -> Option<Dropout> {
        (self.dropout > 0.0).then(|| Dropout::new(self.dropout))
    }
}

/// Drops features in training, if the model was built with [`ModelConfig::dropout`].
fn dropped(dropout: Option<&Dropout>, features: Tensor) -> Tensor {
    dropout.map(|dropout| dropout.forward(&features)).unwrap_or(features)
}

/// A model cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// There is no model of this name.
    #[error("there is no model {name:?}{}; `cresset models` lists them", .similar.map(|s| format!(": did you mean {s:?}?")).unwrap_or_default())]
    Unknown {
        /// The name asked for.
        name: String,
        /// A model whose name is close.
        similar: Option<&'static str>,
    },
    /// A number in the configuration makes no sense.
    #[error("model {model}: {what} must be at least 1")]
    Zero {
        /// The model.
        model: &'static str,
        /// Which number.
        what: &'static str,
    },
    /// The dropout is no probability, or leaves nothing.
    #[error("model {model}: dropout must be from 0 up to, but not including, 1, found {found}")]
    Dropout {
        /// The model.
        model: &'static str,
        /// The probability asked for.
        found: f32,
    },
    /// The images are too small, or have the wrong channels.
    #[error("model {model} does not work on {channels}x{height}x{width} images: {error}")]
    Input {
        /// The model.
        model: &'static str,
        /// Image channels.
        channels: usize,
        /// Image height in pixels.
        height: usize,
        /// Image width in pixels.
        width: usize,
        /// The first layer that does not fit.
        error: DryRunError,
    },
}

/// Builds a model, or says which layer does not fit the images.
type Build = fn(&ModelConfig, &mut Generator) -> Result<Box<dyn Layer>, DryRunError>;

/// A model that can be built by name.
#[derive(Debug)]
pub struct Entry {
    /// As given to `--model`: `resnet18`.
    pub name: &'static str,
    /// One line for lists.
    pub summary: &'static str,
    /// Channels, height and width of the images it was designed for.
    pub input: [usize; 3],
    /// Classes it was designed for.
    pub num_classes: usize,
    /// Learnable numbers it has for such images and so many classes.
    pub params: usize,
    build: Build,
}

impl Entry {
    /// The configuration the model was designed for.
    pub fn default_config(&self) -> ModelConfig {
        let [in_channels, height, width] = self.input;
        let init = WeightsInit::default();
        ModelConfig {
            in_channels,
            input_size: (height, width),
            num_classes: self.num_classes,
            init,
            dropout: 0.0,
        }
    }

    /// Builds the model and makes sure by a dry run that it works on images of the configured size.
    ///
    /// # Errors
    /// [`ModelError::Zero`], [`ModelError::Dropout`] and [`ModelError::Input`].
    pub fn build(&self, config: &ModelConfig, rng: &mut Generator) -> Result<Box<dyn Layer>, ModelError> {
        let (height, width) = config.input_size;
        let counts = [
            ("the number of image channels", config.in_channels),
            ("the image height", height),
            ("the image width", width),
            ("the number of classes", config.num_classes),
        ];
        if let Some(&(what, _)) = counts.iter().find(|(_, n)| *n == 0) {
            return Err(ModelError::Zero { model: self.name, what });
        }
        if !(0.0..1.0).contains(&config.dropout) {
            return Err(ModelError::Dropout { model: self.name, found: config.dropout });
        }
        let misfit = |error| ModelError::Input {
            model: self.name,
            channels: config.in_channels,
            height,
            width,
            error,
        };
        let model = (self.build)(config, rng).map_err(misfit)?;
        check_input(&*model, [config.in_channels, height, width]).map_err(misfit)?;
        Ok(model)
    }
}

/// Whether a model works on images of this shape (C, H, W); if not, the first layer that does not fit.
///
/// # Errors
/// The layer and what does not fit.
pub fn check_input(model: &dyn Layer, [c, h, w]: [usize; 3]) -> Result<(), DryRunError> {
    model.walk_names();
    trace::dry_run([1, c, h, w], |x| model.forward(x)).map(drop)
}

/// Visiting a model lets its layers know their names.
trait WalkNames {
    fn walk_names(&self);
}
impl WalkNames for dyn Layer + '_ {
    fn walk_names(&self) {
        use cresset_nn::ModuleExt;
        self.walk(&mut |_, _| {}, &mut |_, _| {}, &mut |_, _| {});
    }
}

/// 224x224 colour images, PyTorch's defaults.
fn imagenet_config(num_classes: usize) -> ModelConfig {
    let init = WeightsInit::default();
    ModelConfig { in_channels: 3, input_size: (224, 224), num_classes, init, dropout: 0.0 }
}

/// Finds a model by name.
///
/// # Errors
/// [`ModelError::Unknown`], with the closest name.
pub fn find(name: &str) -> Result<&'static Entry, ModelError> {
    REGISTRY.iter().find(|e| e.name == name).ok_or_else(|| ModelError::Unknown {
        name: name.to_owned(),
        similar: REGISTRY
            .iter()
            .map(|e| (strsim::levenshtein(name, e.name), e.name))
            .min()
            .filter(|(distance, _)| *distance <= 3)
            .map(|(_, name)| name),
    })
}

/// All models, in the order of lists.
pub fn list() -> &'static [Entry] {
    REGISTRY
}

/// Builds a model by name: [`find`] and [`Entry::build`].
///
/// # Errors
/// As those.
pub fn create(name: &str, config: &ModelConfig, rng: &mut Generator) -> Result<Box<dyn Layer>, ModelError> {
    find(name)?.build(config, rng)
}

/// A row of the registry whose builder cannot fail before the dry run.
macro_rules! entry {
    ($name:literal, $summary:literal, $input:expr, $classes:literal, $params:literal, $build:expr) => {
        Entry {
            name: $name,
            summary: $summary,
            input: $input,
            num_classes: $classes,
            params: $params,
            build: |config, rng| Ok(Box::new($build(config, rng))),
        }
    };
}

const MNIST: [usize; 3] = [1, 28, 28];
const CIFAR: [usize; 3] = [3, 32, 32];
const IMAGENET: [usize; 3] = [3, 224, 224];

#[rustfmt::skip]
static REGISTRY: &[Entry] = &[
    Entry {
        name: "cnn",
        summary: "two convolutions and two linear layers, for handwriting",
        input: MNIST,
        num_classes: 10,
        params: 103_018,
        build: |config, rng| Ok(Box::new(cnn::Cnn::new(config, rng)?)),
    },
    entry!("resnet18", "ResNet-18 (He et al. 2016a), torchvision's", IMAGENET, 1000, 11_689_512, resnet::resnet18_with),
    entry!("resnet34", "ResNet-34", IMAGENET, 1000, 21_797_672, resnet::resnet34_with),
    entry!("resnet50", "ResNet-50, stride on the 3x3 (v1.5)", IMAGENET, 1000, 25_557_032, resnet::resnet50_with),
    entry!("resnet101", "ResNet-101", IMAGENET, 1000, 44_549_160, resnet::resnet101_with),
    entry!("resnet152", "ResNet-152", IMAGENET, 1000, 60_192_808, resnet::resnet152_with),
    entry!("wide_resnet50_2", "ResNet-50, twice as wide inside (Zagoruyko 2016)", IMAGENET, 1000, 68_883_240, resnet::wide_resnet50_2_with),
    entry!("resnext50_32x4d", "ResNeXt-50, 32 groups of 4 (Xie et al. 2017)", IMAGENET, 1000, 25_028_904, resnet::resnext50_32x4d_with),
    entry!("preact_resnet18", "pre-activation ResNet-18 (He et al. 2016b)", IMAGENET, 1000, 11_687_720, preact_resnet::preact_resnet18_with),
    entry!("preact_resnet34", "pre-activation ResNet-34", IMAGENET, 1000, 21_795_880, preact_resnet::preact_resnet34_with),
    entry!("preact_resnet50", "pre-activation ResNet-50", IMAGENET, 1000, 25_549_352, preact_resnet::preact_resnet50_with),
    entry!("preact_resnet101", "pre-activation ResNet-101", IMAGENET, 1000, 44_541_480, preact_resnet::preact_resnet101_with),
    entry!("preact_resnet152", "pre-activation ResNet-152", IMAGENET, 1000, 60_185_128, preact_resnet::preact_resnet152_with),
    entry!("cifar_resnet18", "ResNet-18 with a 3x3 stem and no max pool", CIFAR, 10, 11_173_962, resnet::cifar_resnet18_with),
    entry!("cifar_resnet20", "the paper's CIFAR ResNet, 6n+2 layers, option A shortcuts", CIFAR, 10, 269_722, |c: &_, r: &mut _| cifar_resnet::CifarResNet::new(20, true, c, r)),
    entry!("cifar_resnet32", "likewise, 32 layers", CIFAR, 10, 464_154, |c: &_, r: &mut _| cifar_resnet::CifarResNet::new(32, true, c, r)),
    entry!("cifar_resnet44", "likewise, 44 layers", CIFAR, 10, 658_586, |c: &_, r: &mut _| cifar_resnet::CifarResNet::new(44, true, c, r)),
    entry!("cifar_resnet56", "likewise, 56 layers", CIFAR, 10, 853_018, |c: &_, r: &mut _| cifar_resnet::CifarResNet::new(56, true, c, r)),
    entry!("cifar_resnet110", "likewise, 110 layers", CIFAR, 10, 1_727_962, |c: &_, r: &mut _| cifar_resnet::CifarResNet::new(110, true, c, r)),
    entry!("cifar_plain20", "cifar_resnet20 without shortcuts, the paper's comparison", CIFAR, 10, 269_722, |c: &_, r: &mut _| cifar_resnet::CifarResNet::new(20, false, c, r)),
    entry!("cifar_plain32", "likewise, 32 layers", CIFAR, 10, 464_154, |c: &_, r: &mut _| cifar_resnet::CifarResNet::new(32, false, c, r)),
    entry!("cifar_plain44", "likewise, 44 layers", CIFAR, 10, 658_586, |c: &_, r: &mut _| cifar_resnet::CifarResNet::new(44, false, c, r)),
    entry!("cifar_plain56", "likewise, 56 layers", CIFAR, 10, 853_018, |c: &_, r: &mut _| cifar_resnet::CifarResNet::new(56, false, c, r)),
    entry!("cifar_plain110", "likewise, 110 layers", CIFAR, 10, 1_727_962, |c: &_, r: &mut _| cifar_resnet::CifarResNet::new(110, false, c, r)),
];
