//! Makes the archives of `torch.save` instruction by instruction, also such as it would never make.

use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A pickle under construction, protocol 2.
#[derive(Clone)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend(bytes.as_ref());
        self
    }

    pub fn class(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n"))
    }

    pub fn str(self, s: &str) -> Self {
        self.raw("X").raw((s.len() as u32).to_le_bytes()).raw(s)
    }

    pub fn int(self, n: i64) -> Self {
        self.raw([0x8a, 8]).raw(n.to_le_bytes())
    }

    pub fn ints(self, values: &[i64]) -> Self {
        values.iter().fold(self.raw("("), |p, &n| p.int(n)).raw("t")
    }

    /// `torch.<class>` number `key`, of `count` elements.
    pub fn storage(self, class: &str, key: &str, count: i64) -> Self {
        self.raw("(").str("storage").class("torch", class).str(key).str("cuda:0").int(count).raw("tQ")
    }

    /// A tensor over storage `key` of `count` float32 elements.
    pub fn tensor(self, key: &str, count: i64, offset: i64, sizes: &[i64], strides: &[i64]) -> Self {
        self.tensor_of("FloatStorage", key, count, offset, sizes, strides)
    }

    pub fn tensor_of(
        self,
        class: &str,
        key: &str,
        count: i64,
        offset: i64,
        sizes: &[i64],
        strides: &[i64],
    ) -> Self {
        self.class("torch._utils", "_rebuild_tensor_v2")
            .raw("(")
            .storage(class, key, count)
            .int(offset)
            .ints(sizes)
            .ints(strides)
            .raw([0x89])
            .class("collections", "OrderedDict")
            .raw(")RtR")
    }

    /// A dict from what `items` appends: key, value, key, value….
    pub fn dict(self, items: impl FnOnce(Self) -> Self) -> Self {
        items(self.raw("}(")).raw("u")
    }

    /// The archive of this pickle and of storages of float32 numbers.
    pub fn archive(self, storages: &[(&str, &[f32])]) -> Vec<u8> {
        let bytes: Vec<(String, Vec<u8>)> = storages
            .iter()
            .map(|(key, v)| (format!("data/{key}"), v.iter().flat_map(|v| v.to_le_bytes()).collect()))
            .collect();
        let entries: Vec<(&str, &[u8])> = bytes.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect();
        self.archive_of(&entries)
    }

    pub fn archive_of(self, entries: &[(&str, &[u8])]) -> Vec<u8> {
        let pickle = self.raw(".").0;
        let all: Vec<_> = [("data.pkl", pickle.as_slice()), ("version", b"3\n")]
            .into_iter()
            .chain(entries.iter().copied())
            .map(|(name, bytes)| (format!("model/{name}"), bytes))
            .collect();
        archive(&all)
    }
}

/// A zip archive of these entries.
pub fn archive(entries: &[(String, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
