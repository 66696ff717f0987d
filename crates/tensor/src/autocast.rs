//! Mixed precision, as `torch.autocast("cpu", dtype=torch.bfloat16)`.
//!
//! Convolutions and linear layers take bfloat16 operands and multiply and add in float32; convolutions give bfloat16.
//! ReLU, max pooling, additions, and the batch norms that are computed with a convolution keep the type that
//! reaches them; everything else (other norms, losses, statistics) computes in float32. Parameters stay float32, and so
//! do their gradients: the rounded copies of the weights live as long as an op needs them.
//!
//! bfloat16 has the exponents of float32, so gradients do not underflow and no loss is scaled.
//!
//! Two things are not as in PyTorch, both more exact: a linear layer gives float32, so that logits are not rounded
//! before the loss, and the gradient of a convolution's weight is never rounded to bfloat16.

use crate::array::DType;
use crate::tensor::Tensor;
use crate::trace;
use std::cell::Cell;

thread_local! {
    static ENABLED: Cell<bool> = const { Cell::new(false) };
}

/// Whether ops on this thread compute in mixed precision (see [`autocast`]).
pub fn is_autocast_enabled() -> bool {
    ENABLED.get()
}

/// Runs `f` with ops on this thread in mixed precision if `enabled`: the forward pass and the loss of a training step.
/// `backward` follows what forward did, inside or outside.
///
/// ```
/// use cresset_tensor::{DType, Tensor, autocast};
///
/// let (x, w) = (Tensor::ones([1, 2, 4, 4]), Tensor::full([3, 2, 1, 1], 0.3).requires_grad());
/// let y = autocast(true, || x.conv2d(&w, None, &Default::default()));
/// assert_eq!(y.dtype(), DType::BF16);
/// y.sum().backward();
/// assert_eq!(w.grad().unwrap().dtype(), DType::F32);
/// ```
pub fn autocast<R>(enabled: bool, f: impl FnOnce() -> R) -> R {
    /// Puts back what was before, also when `f` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ENABLED.set(self.0);
        }
    }
    let _restore = Restore(ENABLED.replace(enabled));
    f()
}

/// An operand of a product: rounded to bfloat16 in mixed precision.
#[track_caller]
pub(crate) fn operand(x: &Tensor) -> Tensor {
    if is_autocast_enabled() && !trace::is_active() { x.to_dtype(DType::BF16) } else { x.clone() }
}
