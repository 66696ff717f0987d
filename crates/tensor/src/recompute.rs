//! Outputs that are computed again for backward rather than kept.
//!
//! Most of what training holds in memory are activations that wait for backward. A normalization keeps its input
//! anyway, and its output is one cheap pass away: the convolution behind it, which needs that output for its weight
//! gradient, asks for it again instead of keeping a second copy (Chen et al. 2016, arXiv:1604.06174; for
//! normalizations Pleiss et al. 2017, arXiv:1707.06990). The same code on the same numbers gives the same bits, so
//! nothing but memory changes.

use crate::array::Array;
use crate::graph::{Node, Origin};
use crate::tensor::Tensor;
use std::fmt;
use std::sync::Arc;

/// What an op keeps for backward, if its output can be had from it: see [`Op::recompute`](crate::op::Op::recompute).
pub trait Recompute {
    /// The output of the op, bit for bit as before.
    fn output(&self) -> Array;
}

/// The op that can compute a tensor again.
///
/// It is there until backward visits it, which is after everything that was computed from its output.
#[derive(Clone)]
pub struct Source(Arc<Node>);

impl Source {
    /// The op that `t` came from, if it can compute it again.
    pub fn of(t: &Tensor) -> Option<Self> {
        match t.origin() {
            Origin::Node(node) if node.can_recompute() => Some(Self(node.clone())),
            _ => None,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.0.name).finish()
    }
}

/// An input that backward will need.
#[derive(Clone)]
pub enum Input {
    /// Held until then.
    Kept(Array),
    /// Computed again then.
    Recomputed(Source),
}

impl Input {
    /// `array`, or where it came from if it can be computed again.
    pub fn new(array: Array, source: Option<&Source>) -> Self {
        source.map_or(Input::Kept(array), |source| Input::Recomputed(source.clone()))
    }

    /// The numbers.
    ///
    /// # Panics
    /// If they have to be computed again and an earlier backward has freed what is needed.
    #[track_caller]
    pub fn array(&self) -> Array {
        match self {
            Input::Kept(array) => array.clone(),
            Input::Recomputed(Source(node)) => node.output(),
        }
    }
}
