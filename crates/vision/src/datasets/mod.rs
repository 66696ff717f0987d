//! Where samples come from.
//!
//! To add a dataset, implement [`Dataset`] for it, or build an [`InMemory`] one when it fits there.

mod archive;
mod cached;
pub mod cifar;
pub mod digits;
pub mod download;
pub mod idx;
mod image_archive;
pub mod image_folder;
mod in_memory;
pub mod mnist;
mod open;
mod pickle;
mod stats;
mod subset;

pub use cached::Cached;
pub use image_archive::ImageArchive;
pub use image_folder::ImageFolder;
pub use in_memory::InMemory;
pub use open::{DataOptions, NAMES, Splits, open};
pub use stats::{ChannelStats, stats};
pub use subset::{Subset, train_val_split};

use crate::image::Image;
use crate::{Result, VisionError};

/// A picture and the number of its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The picture, before any transform.
    pub image: Image,
    /// An index into [`Dataset::classes`].
    pub label: i64,
}

/// A numbered collection of labelled pictures, shared by all workers.
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there is no sample at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the classes; a label is an index into them.
    fn classes(&self) -> &[String];

    /// Reads, and where needed decodes, one sample.
    ///
    /// # Errors
    /// If `index` is not below [`Dataset::len`], or the sample cannot be read or decoded.
    fn sample(&self, index: usize) -> Result<Sample>;

    /// The label of one sample, without decoding its picture.
    ///
    /// # Errors
    /// If `index` is not below [`Dataset::len`].
    fn label(&self, index: usize) -> Result<i64>;

    /// The height and width of every picture, where all are known to have the same.
    fn image_size(&self) -> Option<(usize, usize)> {
        None
    }

    /// Whether a sample is only copied from memory. Then worker threads cost more than they save.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Says that a sample is about to be asked for, to a dataset that can have it brought nearer meanwhile.
    fn prefetch(&self, _index: usize) {}

    /// What to call a sample in messages: its path where it has one.
    fn describe(&self, index: usize) -> String {
        format!("sample {index}")
    }
}

/// Which part of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// What the model learns from.
    Train,
    /// What it is judged by.
    Test,
}

pub(crate) fn check_index(index: usize, len: usize) -> Result<()> {
    if index < len { Ok(()) } else { Err(VisionError::Index { index, len }) }
}
