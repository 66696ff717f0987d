//! Tensors and texts as bytes, the same on every machine, for a sum over them.

use cresset_nn::StateDict;
use cresset_tensor::{Array, DType};

/// Something that adds up bytes.
pub(super) trait Sink {
    fn add(&mut self, bytes: &[u8]);
}

/// Names, types, shapes and values of all tensors in their order.
pub(super) fn tensors(sink: &mut impl Sink, tensors: &StateDict) {
    for (name, array) in tensors {
        text(sink, name);
        text(sink, array.dtype().name());
        array.shape().iter().for_each(|&size| sink.add(&(size as u64).to_le_bytes()));
        values(sink, array);
    }
}

/// The length comes first: "ab" + "c" is not "a" + "bc".
pub(super) fn text(sink: &mut impl Sink, text: &str) {
    sink.add(&(text.len() as u64).to_le_bytes());
    sink.add(text.as_bytes());
}

/// The values in row-major order, little-endian, whatever the machine and the layout in memory.
fn values(sink: &mut impl Sink, array: &Array) {
    match array.dtype() {
        DType::F32 | DType::BF16 => numbers(sink, &array.to_vec(), |v| v.to_le_bytes()),
        DType::I64 => numbers(sink, &array.to_vec_i64(), |v| v.to_le_bytes()),
        DType::Bool => numbers(sink, &array.to_vec_bool(), |v| [u8::from(v)]),
    }
}

fn numbers<T: Copy, const N: usize>(sink: &mut impl Sink, values: &[T], bytes: impl Fn(T) -> [u8; N]) {
    let mut buffer = Vec::with_capacity(4096 * N);
    for chunk in values.chunks(4096) {
        buffer.clear();
        chunk.iter().for_each(|&value| buffer.extend_from_slice(&bytes(value)));
        sink.add(&buffer);
    }
}
