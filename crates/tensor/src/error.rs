//! What goes wrong when shapes do not fit.

/// An operation was given shapes it cannot work on.
///
/// Code that calls an op with wrong shapes has a bug, so [`apply`](crate::op::apply) panics with this message
/// at the caller's line; a [dry run](crate::trace::dry_run) returns it instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{op}: {message}")]
pub struct ShapeError {
    /// The operation, by its public name: `matmul`.
    pub op: &'static str,
    /// What was found, what was expected, and the way out.
    pub message: String,
}

impl ShapeError {
    /// An error of operation `op`.
    pub fn new(op: &'static str, message: impl Into<String>) -> Self {
        Self { op, message: message.into() }
    }
}
