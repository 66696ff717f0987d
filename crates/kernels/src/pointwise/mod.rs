//! Element-wise operations: arithmetic, activation functions and their gradients.
//!
//! All of them are vectorized, and run on all threads when there is enough to do. Slices of different lengths
//! panic.

mod activation;
mod arithmetic;
mod map;
pub(crate) mod math;
mod relu;
#[cfg(test)]
mod tests;

pub use activation::{
    Gelu, gelu, gelu_backward, leaky_relu, leaky_relu_backward, sigmoid, sigmoid_backward, silu,
    silu_backward, tanh, tanh_backward,
};
pub use arithmetic::{
    add, add_assign, axpy, bias_add, bias_add_in_place, convert, copy, fill, mul, mul_assign,
    round_to_bfloat16, scale, scale_in_place, sub,
};
pub(crate) use map::{map, map2, update, update2};
pub(crate) use relu::{gate, positive_part};
pub use relu::{relu, relu_backward, relu_backward_in_place, relu_in_place};
