//! A checksum over everything in a checkpoint, so that a flipped bit is noticed and not trained on.

use crc32fast::Hasher;
use cresset_nn::StateDict;
use cresset_nn::weights::Metadata;
use cresset_tensor::{Array, DType};

/// The metadata key that holds the checksum, and is not part of it.
pub(super) const KEY: &str = "cresset.checksum";

/// CRC-32 over names, types, shapes and values of all tensors in their order, then over the metadata, in hexadecimal.
pub(super) fn checksum(tensors: &StateDict, metadata: &Metadata) -> String {
    let mut hasher = Hasher::new();
    for (name, array) in tensors {
        text(&mut hasher, name);
        text(&mut hasher, array.dtype().name());
        array.shape().iter().for_each(|&size| hasher.update(&(size as u64).to_le_bytes()));
        values(&mut hasher, array);
    }
    for (key, value) in metadata.iter().filter(|(key, _)| *key != KEY) {
        text(&mut hasher, key);
        text(&mut hasher, value);
    }
    format!("{:08x}", hasher.finalize())
}

/// The length comes first: "ab" + "c" is not "a" + "bc".
fn text(hasher: &mut Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// The values in row-major order, little-endian, whatever the machine and the layout in memory.
fn values(hasher: &mut Hasher, array: &Array) {
    match array.dtype() {
        DType::F32 => numbers(hasher, &array.to_vec(), |v| v.to_le_bytes()),
        DType::I64 => numbers(hasher, &array.to_vec_i64(), |v| v.to_le_bytes()),
        DType::Bool => numbers(hasher, &array.to_vec_bool(), |v| [u8::from(v)]),
    }
}

fn numbers<T: Copy, const N: usize>(hasher: &mut Hasher, values: &[T], bytes: impl Fn(T) -> [u8; N]) {
    let mut buffer = Vec::with_capacity(4096 * N);
    for chunk in values.chunks(4096) {
        buffer.clear();
        chunk.iter().for_each(|&value| buffer.extend_from_slice(&bytes(value)));
        hasher.update(&buffer);
    }
}
