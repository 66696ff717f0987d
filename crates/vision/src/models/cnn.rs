//! The small CNN: two convolutions and two linear layers, the one every tutorial starts with.

use super::{ModelConfig, dropped};
use cresset_nn::{Conv2d, Dropout, Forward, Linear, Module, ModuleExt, conv_relu_max_pool, linear_relu};
use cresset_tensor::trace::{self, DryRunError};
use cresset_tensor::{Generator, Tensor};

/// 103,018 parameters on 28x28 grey images and 10 classes.
#[derive(Module, Clone, Debug)]
pub struct Cnn {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    dropout: Option<Dropout>,
    fc2: Linear,
}

impl Cnn {
    /// Builds the model with PyTorch's default initialization. The first linear layer is sized by a dry run.
    ///
    /// # Errors
    /// If the images are too small for the two poolings.
    pub fn new(config: &ModelConfig, rng: &mut Generator) -> Result<Self, DryRunError> {
        let mut cnn = Cnn {
            conv1: Conv2d::builder(config.in_channels, 8, 3).padding(1).build(rng),
            conv2: Conv2d::builder(8, 16, 3).padding(1).build(rng),
            fc1: Linear::new(1, 1, rng),
            dropout: config.dropout(),
            fc2: Linear::new(128, config.num_classes, rng),
        };
        cnn.named_parameters(); // lets the layers know their names, for the error
        let (height, width) = config.input_size;
        let features = trace::dry_run([1, config.in_channels, height, width], |x| cnn.features(x))?;
        cnn.fc1 = Linear::new(features.output[1], 128, rng);
        Ok(cnn)
    }

    /// The flattened feature maps, (batch, 784) on 28x28 images.
    fn features(&self, x: &Tensor) -> Tensor {
        let mut x = conv_relu_max_pool(&self.conv1, x, 2); // (batch, 8, 14, 14)
        x = conv_relu_max_pool(&self.conv2, &x, 2); //        (batch, 16, 7, 7)
        x.flatten(1)
    }
}

impl Forward for Cnn {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.features(x);
        let x = linear_relu(&self.fc1, &x); // (batch, 128)
        let x = dropped(self.dropout.as_ref(), x);
        self.fc2.forward(&x) //                 (batch, classes)
    }
}
