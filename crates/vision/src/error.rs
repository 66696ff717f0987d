//! What can go wrong between a file and a batch.

use std::path::{Path, PathBuf};

/// `Result` with [`VisionError`].
pub type Result<T, E = VisionError> = std::result::Result<T, E>;

/// An error from datasets, image files, transforms or the loader.
///
/// Every message is one line that names the file or the option, says what was found and what was expected,
/// and how to go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisionError {
    /// The operating system refused to read, write or list something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "write", "list".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },

    /// A file that is there does not hold what its name or place promises.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// Found, expected, and the way out.
        reason: String,
    },

    /// Files of a dataset are not there and could not be fetched.
    #[error("{dataset}: {reason}; put {} into {}", files.join(", "), dir.display())]
    MissingFiles {
        /// The dataset, as its flag calls it.
        dataset: String,
        /// The folder that was searched.
        dir: PathBuf,
        /// The names that would be accepted.
        files: Vec<String>,
        /// Why they are needed: nothing found, or what stopped the download.
        reason: String,
    },

    /// A download failed or brought the wrong bytes.
    #[error("cannot download {url}: {reason}")]
    Download {
        /// Where from.
        url: String,
        /// What happened.
        reason: String,
    },

    /// An image that cannot be decoded.
    #[error("{}: not a readable image: {reason}", path.display())]
    Decode {
        /// The file, or the name of the source when it is not a file.
        path: PathBuf,
        /// The decoder's words.
        reason: String,
    },

    /// A folder of images that is not laid out as class folders.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Which rule it breaks, and how to mend it.
        reason: String,
    },

    /// An option outside its range.
    #[error("{option} is {found}, allowed: {allowed}")]
    Option {
        /// The option's name.
        option: String,
        /// Its value.
        found: String,
        /// What it may be.
        allowed: String,
    },

    /// An image whose shape or range does not fit a transform or a batch.
    #[error("{op}: {found}; {expected}")]
    Shape {
        /// The transform, or "batch".
        op: String,
        /// The shape that arrived.
        found: String,
        /// The shape that would do, and how to get it.
        expected: String,
    },

    /// A sample number beyond the end of a dataset.
    #[error("sample {index} of a dataset of {len}")]
    Index {
        /// The number asked for.
        index: usize,
        /// How many there are.
        len: usize,
    },

    /// A name that no dataset has.
    #[error("unknown dataset {name:?}: choose one of {known}, or give a folder of class folders")]
    UnknownDataset {
        /// The name given.
        name: String,
        /// The names that exist.
        known: String,
    },

    /// A sample failed on its way through the transforms; names the sample.
    #[error("{sample}: {source}")]
    Sample {
        /// The dataset's description of the sample: its path where it has one.
        sample: String,
        /// What failed.
        source: Box<VisionError>,
    },

    /// Code of a dataset or transform panicked while a batch was being made.
    #[error("a panic while loading batch {batch}: {message}")]
    Panic {
        /// Position of the batch in its epoch.
        batch: usize,
        /// The panic's message.
        message: String,
    },
}

impl VisionError {
    /// Wraps an I/O error with what was being done to which path.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.as_ref().to_path_buf(), source }
    }

    pub(crate) fn bad_file(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::BadFile { path: path.as_ref().to_path_buf(), reason: reason.into() }
    }

    pub(crate) fn option(option: &str, found: impl std::fmt::Display, allowed: &str) -> Self {
        Self::Option { option: option.into(), found: found.to_string(), allowed: allowed.into() }
    }

    pub(crate) fn shape(op: &str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Shape { op: op.into(), found: found.into(), expected: expected.into() }
    }
}
