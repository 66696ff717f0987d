//! Parameter updates of the optimizers, one pass over memory each, with the formulas of `torch.optim`.
//!
//! Scalars are double precision and rounded once for each element-wise operation, as PyTorch does.

mod adam;
mod average;
mod sgd;
#[cfg(test)]
mod tests;

pub use adam::{Adam, adam};
pub use average::lerp;
pub use sgd::{Sgd, sgd};
