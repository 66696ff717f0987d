//! The ops of networks: gradients against differences over awkward shapes, fused ops against composed ones, and
//! what is said when something does not fit. Values are compared with PyTorch's in the golden tests.

mod activations;
mod batch_norm;
mod conv2d;
mod dropout;
mod fused;
mod losses;
mod matmul;
mod messages;
mod pooling;
mod softmax;
mod support;
