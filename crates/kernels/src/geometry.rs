//! What is wrong with a geometry.

use std::borrow::Cow;
use thiserror::Error;

/// Sizes that an operation cannot work with.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{op}: {reason}")]
pub struct GeometryError {
    /// The operation, by the name of its module.
    pub op: &'static str,
    /// What was found, and what would be right.
    pub reason: Cow<'static, str>,
}

impl GeometryError {
    /// An error of `op`.
    pub fn new(op: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { op, reason: reason.into() }
    }
}
