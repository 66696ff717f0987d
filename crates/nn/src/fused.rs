//! Modules that are computed together: convolution, batch norm, addition and ReLU as residual networks chain them.
//!
//! The modules keep their own names and parameters, so state dicts do not know of the fusion, and a model reads
//! as it would without: `conv_bn_relu(&self.conv1, &self.bn1, x)` computes
//! `self.bn1.forward(&self.conv1.forward(x)).relu()`, up to rounding, in fewer passes over memory. In training the
//! statistics are taken while the convolution's output is in cache; in evaluation the norm disappears into the
//! convolution's weights. Evaluation without gradients also packs the weights once and keeps them, as long as no
//! parameter or running statistic changes.

use crate::{BatchNorm2d, Buffer, Conv2d, Forward, Linear, MaxPool2dOptions, Param};
use cresset_kernels::conv2d::choose::Algorithm;
use cresset_tensor::ops::{self, Conv2dBatchNorm, PreparedConv2d};
use cresset_tensor::{Tensor, is_grad_enabled, scope, trace};

/// Convolution, then ReLU.
#[track_caller]
pub fn conv_relu(conv: &Conv2d, x: &Tensor) -> Tensor {
    if trace::is_active() {
        return conv.forward(x).relu();
    }
    let _scope = scope::Enter::new(conv.layer_name());
    let bias = conv.bias.as_ref().map(Param::tensor);
    if !is_grad_enabled() {
        let prepared = conv.prepared().get(versions(conv, None), algorithm(conv, x), || {
            let bias = bias.as_ref().map(Tensor::array);
            PreparedConv2d::new(&conv.weight.array(), bias, conv.options(), x.shape())
        });
        return prepared.forward(x, None, true);
    }
    conv.prepared().clear();
    ops::conv2d_fused(x, &conv.weight.tensor(), bias.as_ref(), None, true, conv.options())
}

/// Fully connected, then ReLU.
#[track_caller]
pub fn linear_relu(linear: &Linear, x: &Tensor) -> Tensor {
    if trace::is_active() {
        return linear.forward(x).relu();
    }
    let _scope = scope::Enter::new(linear.layer_name());
    let bias = linear.bias.as_ref().map(Param::tensor);
    ops::linear_relu(x, &linear.weight.tensor(), bias.as_ref())
}

/// Numbers of a feature map that fit into a processor's nearer caches.
const CACHED: usize = 128 * 1024;

/// Convolution, then ReLU, then max pooling.
///
/// Where [`ops::conv2d_relu_max_pool`] has a kernel the feature map before the pooling is never written. Elsewhere,
/// without gradients, a few images at a time, so that it stays in cache and is never there for the whole batch.
#[track_caller]
pub fn conv_relu_max_pool(conv: &Conv2d, x: &Tensor, pool: impl Into<MaxPool2dOptions>) -> Tensor {
    let pool = pool.into();
    if !trace::is_active() {
        let _scope = scope::Enter::new(conv.layer_name());
        let bias = conv.bias.as_ref().map(Param::tensor);
        let weight = conv.weight.tensor();
        if let Some(y) = ops::conv2d_relu_max_pool(x, &weight, bias.as_ref(), conv.options(), &pool) {
            return y;
        }
    }
    let run = |x: &Tensor| conv_relu(conv, x).max_pool2d(pool);
    let image = conv.out_channels() * x.shape().iter().skip(2).product::<usize>();
    let images = (CACHED / image.max(1)).max(1);
    if is_grad_enabled() || trace::is_active() || x.rank() != 4 || x.size(0) <= images {
        return run(x);
    }
    let parts: Vec<Tensor> = (0..x.size(0))
        .step_by(images)
        .map(|start| run(&x.narrow(0, start, images.min(x.size(0) - start))))
        .collect();
    Tensor::cat(&parts, 0)
}

/// Convolution, then batch norm.
#[track_caller]
pub fn conv_bn(conv: &Conv2d, bn: &BatchNorm2d, x: &Tensor) -> Tensor {
    fused(conv, bn, x, None, false)
}

/// Convolution, then batch norm, then ReLU.
#[track_caller]
pub fn conv_bn_relu(conv: &Conv2d, bn: &BatchNorm2d, x: &Tensor) -> Tensor {
    fused(conv, bn, x, None, true)
}

/// Convolution, then batch norm, then a shortcut is added, then ReLU: the end of a residual block. In evaluation the result
/// takes the shortcut's place in memory if nobody else holds it.
#[track_caller]
pub fn conv_bn_add_relu(conv: &Conv2d, bn: &BatchNorm2d, x: &Tensor, shortcut: Tensor) -> Tensor {
    fused(conv, bn, x, Some(shortcut), true)
}

#[track_caller]
fn fused(conv: &Conv2d, bn: &BatchNorm2d, x: &Tensor, shortcut: Option<Tensor>, relu: bool) -> Tensor {
    if trace::is_active() {
        // A summary shows the modules one by one.
        let y = bn.forward(&conv.forward(x));
        let y = shortcut.map_or_else(|| y.clone(), |s| y.add(&s));
        return if relu { y.relu() } else { y };
    }
    bn.check_mode();
    let _scope = scope::Enter::new(conv.layer_name());
    let tensor = |p: &Option<Param>| p.as_ref().map(Param::tensor);
    let (bias, norm_weight, norm_bias) = (tensor(&conv.bias), tensor(&bn.weight), tensor(&bn.bias));
    let fused = Conv2dBatchNorm {
        weight: &conv.weight.tensor(),
        bias: bias.as_ref(),
        conv: *conv.options(),
        norm_weight: norm_weight.as_ref(),
        norm_bias: norm_bias.as_ref(),
        eps: bn.eps(),
        residual: shortcut.as_ref(),
        relu,
    };
    match (&bn.running_mean, &bn.running_var) {
        (Some(mean), Some(var)) if !bn.uses_batch_statistics() => {
            if is_grad_enabled() {
                return fused.eval(x, &mean.get(), &var.get());
            }
            let prepared = conv.prepared().get(versions(conv, Some(bn)), algorithm(conv, x), || {
                let (weight, bias) = fused.folded(&mean.get(), &var.get());
                PreparedConv2d::new(weight.array(), Some(bias.array()), conv.options(), x.shape())
            });
            prepared.forward(x, shortcut, relu)
        }
        _ => {
            conv.prepared().clear();
            let (y, stats) = fused.train(x);
            bn.track(&stats);
            y
        }
    }
}

/// The algorithm that a prepared convolution is packed for.
#[track_caller]
fn algorithm(conv: &Conv2d, x: &Tensor) -> Algorithm {
    PreparedConv2d::algorithm_for(conv.weight.array().shape(), conv.options(), x.shape())
}

/// What a prepared convolution depends on: every value that is folded into it.
fn versions(conv: &Conv2d, bn: Option<&BatchNorm2d>) -> Vec<u64> {
    let mut versions = vec![conv.weight.version()];
    versions.extend(conv.bias.as_ref().map(Param::version));
    if let Some(bn) = bn {
        versions.extend([&bn.weight, &bn.bias].into_iter().flatten().map(Param::version));
        versions.extend([&bn.running_mean, &bn.running_var].into_iter().flatten().map(Buffer::version));
    }
    versions
}

/// Batch norm, then ReLU: the start of a pre-activation block.
#[track_caller]
pub fn bn_relu(bn: &BatchNorm2d, x: &Tensor) -> Tensor {
    if trace::is_active() {
        return bn.forward(x).relu();
    }
    bn.check_mode();
    let _scope = scope::Enter::new(bn.layer_name());
    let (weight, bias) = (bn.weight.as_ref().map(Param::tensor), bn.bias.as_ref().map(Param::tensor));
    let (weight, bias) = (weight.as_ref(), bias.as_ref());
    match (&bn.running_mean, &bn.running_var) {
        (Some(mean), Some(var)) if !bn.uses_batch_statistics() => {
            ops::batch_norm_add_relu_eval(x, [&mean.get(), &var.get()], weight, bias, bn.eps(), None)
        }
        _ => {
            let (y, stats) = ops::batch_norm_add_relu_train(x, weight, bias, bn.eps(), None);
            bn.track(&stats);
            y
        }
    }
}
