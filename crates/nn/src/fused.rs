//! Modules that are computed together: convolution, batch norm, addition and ReLU as residual networks chain them.
//!
//! The modules keep their own names and parameters, so state dicts do not know of the fusion, and a model reads
//! as it would without: `conv_bn_relu(&self.conv1, &self.bn1, x)` is
//! `self.bn1.forward(&self.conv1.forward(x)).relu()`, to the last rounding.

use crate::{BatchNorm2d, Conv2d, Forward};
use cresset_tensor::Tensor;

/// Convolution, then batch norm.
#[track_caller]
pub fn conv_bn(conv: &Conv2d, bn: &BatchNorm2d, x: &Tensor) -> Tensor {
    bn.forward(&conv.forward(x))
}

/// Convolution, then batch norm, then ReLU.
#[track_caller]
pub fn conv_bn_relu(conv: &Conv2d, bn: &BatchNorm2d, x: &Tensor) -> Tensor {
    conv_bn(conv, bn, x).relu()
}

/// Convolution, then batch norm, then a shortcut is added, then ReLU: the end of a residual block.
#[track_caller]
pub fn conv_bn_add_relu(conv: &Conv2d, bn: &BatchNorm2d, x: &Tensor, shortcut: &Tensor) -> Tensor {
    conv_bn(conv, bn, x).add(shortcut).relu()
}

/// Batch norm, then ReLU: the start of a pre-activation block.
#[track_caller]
pub fn bn_relu(bn: &BatchNorm2d, x: &Tensor) -> Tensor {
    bn.forward(x).relu()
}
