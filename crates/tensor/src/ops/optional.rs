//! Optional inputs of ops: a bias, the weight of a normalization, a residual.
//!
//! An op has a fixed number of inputs; one that was not given is an empty tensor of shape (0,).

use crate::array::Array;
use crate::error::ShapeError;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The tensor, or what stands for none.
pub(crate) fn or_absent(t: Option<&Tensor>) -> Tensor {
    t.cloned().unwrap_or_else(|| Tensor::constant(Array::empty([0])))
}

/// Whether an input of this shape was given.
pub(crate) fn is_given(shape: &Shape) -> bool {
    *shape != [0]
}

/// The array, if it was given.
pub(crate) fn given(a: &Array) -> Option<&Array> {
    is_given(a.shape()).then_some(a)
}

/// Checks that an optional input holds one number for each of `channels` channels.
pub(crate) fn one_a_channel(
    op: &'static str,
    name: &str,
    shape: &Shape,
    channels: usize,
    x: &Shape,
) -> Result<(), ShapeError> {
    if is_given(shape) && *shape != [channels] {
        return Err(ShapeError::new(
            op,
            format!("{name} has shape {shape}, expected ({channels},) for input shape {x}"),
        ));
    }
    Ok(())
}
