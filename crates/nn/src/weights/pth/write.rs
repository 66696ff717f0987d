//! Writing a state dict as `torch.save` does, so that `torch.load(path, weights_only=True)` reads it.

use super::METADATA;
use crate::StateDict;
use crate::weights::{Metadata, Problem, element};
use cresset_tensor::{Array, DType};
use std::io::{Seek, Write};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// PyTorch maps storages into memory at such boundaries.
const ALIGNMENT: u16 = 64;

/// Entries from here on need the large form of zip headers.
const LARGE: u64 = u32::MAX as u64;

pub(in crate::weights) fn write(
    tensors: &StateDict,
    metadata: &Metadata,
    writer: &mut (impl Write + Seek),
) -> Result<(), Problem> {
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(ALIGNMENT);
    let mut zip = ZipWriter::new(writer);
    let small = |zip: &mut ZipWriter<_>, name: &str, bytes: &[u8]| -> Result<(), Problem> {
        zip.start_file(format!("archive/{name}"), options).map_err(zip_problem)?;
        Ok(zip.write_all(bytes)?)
    };
    small(&mut zip, "data.pkl", &pickle(tensors))?;
    small(&mut zip, "byteorder", b"little")?;
    for (key, array) in tensors.values().enumerate() {
        let bytes = array.numel() as u64 * element::Element::of(array.dtype()).size() as u64;
        zip.start_file(format!("archive/data/{key}"), options.large_file(bytes >= LARGE))
            .map_err(zip_problem)?;
        element::write(array, &mut zip)?;
    }
    small(&mut zip, "version", b"3\n")?;
    if !metadata.is_empty() {
        small(&mut zip, METADATA, &serde_json::to_vec(metadata).map_err(std::io::Error::from)?)?;
    }
    zip.finish().map_err(zip_problem)?;
    Ok(())
}

fn zip_problem(e: ZipError) -> Problem {
    match e {
        ZipError::Io(e) => Problem::Io(e),
        e => Problem::Unsupported(e.to_string()),
    }
}

/// The pickle, protocol 2, of an OrderedDict of tensors; the storage of the n-th is entry `data/n`.
fn pickle(tensors: &StateDict) -> Vec<u8> {
    let mut p = Pickle(vec![0x80, 2]);
    p.empty_ordered_dict();
    p.byte(b'(');
    for (key, (name, array)) in tensors.iter().enumerate() {
        p.string(name);
        p.tensor(key, array);
    }
    p.byte(b'u');
    p.byte(b'.');
    p.0
}

struct Pickle(Vec<u8>);

impl Pickle {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn class(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").into_bytes());
    }

    fn string(&mut self, s: &str) {
        self.byte(b'X');
        self.0.extend((s.len() as u32).to_le_bytes());
        self.0.extend(s.as_bytes());
    }

    fn int(&mut self, n: usize) {
        match i32::try_from(n) {
            Ok(n) => {
                self.byte(b'J');
                self.0.extend(n.to_le_bytes());
            }
            Err(_) => {
                self.0.extend([0x8a, 8]);
                self.0.extend((n as i64).to_le_bytes());
            }
        }
    }

    fn ints(&mut self, values: &[usize]) {
        self.byte(b'(');
        values.iter().for_each(|&n| self.int(n));
        self.byte(b't');
    }

    fn empty_ordered_dict(&mut self) {
        self.class("collections", "OrderedDict");
        self.0.extend(b")R");
    }

    /// `_rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`
    fn tensor(&mut self, key: usize, array: &Array) {
        self.class("torch._utils", "_rebuild_tensor_v2");
        self.byte(b'(');
        self.storage(key, array);
        self.int(0);
        self.ints(array.shape());
        let mut strides = vec![1; array.rank()];
        for d in (1..array.rank()).rev() {
            strides[d - 1] = strides[d] * array.shape()[d].max(1);
        }
        self.ints(&strides);
        self.byte(0x89);
        self.empty_ordered_dict();
        self.0.extend(b"tR");
    }

    /// The persistent id ("storage", class, key, "cpu", number of elements).
    fn storage(&mut self, key: usize, array: &Array) {
        self.byte(b'(');
        self.string("storage");
        self.class(
            "torch",
            match array.dtype() {
                DType::F32 => "FloatStorage",
                DType::BF16 => "BFloat16Storage",
                DType::I64 => "LongStorage",
                DType::Bool => "BoolStorage",
            },
        );
        self.string(&key.to_string());
        self.string("cpu");
        self.int(array.numel());
        self.0.extend(b"tQ");
    }
}
