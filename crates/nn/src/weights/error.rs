//! What is wrong with a file of weights.

use std::io;
use std::path::{Path, PathBuf};

/// A file of weights that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct WeightsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: Problem,
}

/// What can be wrong with a file of weights.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The system refuses: not found, no permission, disk full.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Neither safetensors nor a PyTorch file.
    #[error("not a file of weights: {0}")]
    NotWeights(String),
    /// It begins like one, but is damaged or was made to do harm.
    #[error("damaged: {0}")]
    Malformed(String),
    /// A pickle that asks for a Python class or function other than those of tensors. Nothing of it is run.
    #[error(
        "refused: its pickle asks for `{0}`, which is no part of a state dict; save model.state_dict() alone, with \
         torch.save(model.state_dict(), path)"
    )]
    ForeignClass(String),
    /// Sound, but of a kind that is not read or written.
    #[error("{0}")]
    Unsupported(String),
}

impl Problem {
    pub(super) fn at(self, path: &Path) -> WeightsError {
        WeightsError { path: path.to_owned(), problem: self }
    }

    pub(super) fn malformed(what: impl Into<String>) -> Self {
        Problem::Malformed(what.into())
    }
}
