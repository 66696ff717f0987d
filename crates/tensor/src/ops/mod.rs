//! The operations, one idea a file: what it computes and its gradient.

mod activation;
mod adaptive_pool2d;
mod amax;
mod avg_pool2d;
mod batch_norm;
mod bce_with_logits;
mod binary;
mod cast;
mod cat;
mod clamp;
mod compare;
mod contiguous;
mod conv2d;
mod conv2d_batch_norm;
mod conv2d_fused;
mod conv2d_max_pool;
mod conv2d_prepared;
mod cross_entropy;
mod dropout;
mod expand;
mod gather;
mod images;
mod index_select;
mod labels;
mod linear;
mod logic;
mod matmul;
mod max;
mod max_pool2d;
mod maximum;
mod narrow;
mod nll_loss;
mod normalization;
mod number;
mod one_hot;
mod operators;
mod optional;
mod permute;
mod pooled;
mod pow;
mod reduction;
mod regression_loss;
mod relu;
mod reshape;
mod softmax;
mod sum;
mod unary;
mod var;
#[path = "where.rs"]
mod where_;

pub use avg_pool2d::AvgPool2dOptions;
pub use batch_norm::{
    BatchStats, batch_norm_add_relu_eval, batch_norm_add_relu_train, batch_norm_eval, batch_norm_train,
};
pub use bce_with_logits::{BceWithLogitsOptions, bce_with_logits};
pub use conv2d::{Conv2dOptions, Padding};
pub use conv2d_batch_norm::Conv2dBatchNorm;
pub use conv2d_fused::conv2d_fused;
pub use conv2d_max_pool::conv2d_relu_max_pool;
pub use conv2d_prepared::PreparedConv2d;
pub use cross_entropy::{CrossEntropyOptions, Targets, cross_entropy};
pub use images::IntoPair;
pub use max_pool2d::MaxPool2dOptions;
pub use nll_loss::{NllLossOptions, nll_loss};
pub use reduction::Reduction;
pub use regression_loss::{l1_loss, mse_loss};
