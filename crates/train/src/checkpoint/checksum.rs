//! A checksum over everything in a checkpoint, so that a flipped bit is noticed and not trained on.

use super::bytes::{self, Sink};
use crc32fast::Hasher;
use cresset_nn::StateDict;
use cresset_nn::weights::Metadata;

/// The metadata key that holds the checksum, and is not part of it.
pub(super) const KEY: &str = "cresset.checksum";

/// CRC-32 over names, types, shapes and values of all tensors in their order, then over the metadata, in hexadecimal.
pub(super) fn checksum(tensors: &StateDict, metadata: &Metadata) -> String {
    let mut hasher = Hasher::new();
    bytes::tensors(&mut hasher, tensors);
    for (key, value) in metadata.iter().filter(|(key, _)| *key != KEY) {
        bytes::text(&mut hasher, key);
        bytes::text(&mut hasher, value);
    }
    format!("{:08x}", hasher.finalize())
}

impl Sink for Hasher {
    fn add(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}
