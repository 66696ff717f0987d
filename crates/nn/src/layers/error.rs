//! What is wrong with a layer's settings.

/// Settings with which a layer cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{layer}: {message}")]
pub struct LayerError {
    /// The layer's type: `Conv2d`.
    pub layer: &'static str,
    /// What was found, and what would be right.
    pub message: String,
}

impl LayerError {
    pub(super) fn new(layer: &'static str, message: impl Into<String>) -> Self {
        Self { layer, message: message.into() }
    }

    /// Refuses settings that must be at least 1.
    pub(super) fn check_positive(layer: &'static str, settings: &[(&str, usize)]) -> Result<(), Self> {
        match settings.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(Self::new(layer, format!("{name} must be at least 1, found 0"))),
            None => Ok(()),
        }
    }
}

/// The layer, or a panic at the caller's line: for settings written down in code.
#[track_caller]
pub(super) fn or_panic<T>(made: Result<T, LayerError>) -> T {
    match made {
        Ok(layer) => layer,
        Err(e) => panic!("{e}"),
    }
}
