//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 pictures of 32x32 in colour.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::datasets::archive::read_tar_gz;
use crate::datasets::download::{Checksums, Fetch, RemoteFile};
use crate::datasets::pickle::{self, Value};
use crate::datasets::{InMemory, Split};
use crate::{Result, VisionError};

/// One of the two datasets, in the binary or the python form, as a `.tar.gz` or unpacked.
#[derive(Debug)]
pub struct Cifar {
    /// The name that `--data` takes.
    pub name: &'static str,
    classes: usize,
    /// The bytes of labels before the pixels of each binary record; the last is the one that counts.
    label_bytes: usize,
    binary: Form,
    python: Form,
    /// The python dictionary's key of the labels, and of the names of the classes.
    keys: [&'static str; 2],
}

/// How one form is distributed.
#[derive(Debug)]
struct Form {
    folder: &'static str,
    archive: &'static str,
    checksums: Checksums,
    train: &'static [&'static str],
    test: &'static [&'static str],
    names: &'static str,
}

const MIRRORS: &[&str] = &["https://www.cs.toronto.edu/~kriz/"];
const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE * 3;

/// Ten classes.
pub static CIFAR10: Cifar = Cifar {
    name: "cifar10",
    classes: 10,
    label_bytes: 1,
    binary: Form {
        folder: "cifar-10-batches-bin",
        archive: "cifar-10-binary.tar.gz",
        checksums: Checksums { file: "c32a1d4ab5d03f1284b67883e8d87530", content: None },
        train: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        test: &["test_batch.bin"],
        names: "batches.meta.txt",
    },
    python: Form {
        folder: "cifar-10-batches-py",
        archive: "cifar-10-python.tar.gz",
        checksums: Checksums { file: "c58f30108f718f92721af3b95e74349a", content: None },
        train: &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
        test: &["test_batch"],
        names: "batches.meta",
    },
    keys: ["labels", "label_names"],
};

/// A hundred classes (the fine labels).
pub static CIFAR100: Cifar = Cifar {
    name: "cifar100",
    classes: 100,
    label_bytes: 2,
    binary: Form {
        folder: "cifar-100-binary",
        archive: "cifar-100-binary.tar.gz",
        checksums: Checksums { file: "03b5dce01913d631647c71ecec9e9cb8", content: None },
        train: &["train.bin"],
        test: &["test.bin"],
        names: "fine_label_names.txt",
    },
    python: Form {
        folder: "cifar-100-python",
        archive: "cifar-100-python.tar.gz",
        checksums: Checksums { file: "eb9058c3a382ffc7106e4002c42a8d85", content: None },
        train: &["train"],
        test: &["test"],
        names: "meta",
    },
    keys: ["fine_labels", "fine_label_names"],
};

impl Cifar {
    /// Loads one split from `dir`, which holds the archive as distributed (binary or python) or its folder
    /// unpacked. If neither is there, the binary archive is downloaded and verified, if `fetch` allows it.
    ///
    /// # Errors
    /// If nothing is there and it cannot be fetched, or a file is damaged.
    pub fn load(&self, dir: &Path, split: Split, fetch: &Fetch<'_>) -> Result<InMemory> {
        for (form, is_python) in [(&self.binary, false), (&self.python, true)] {
            let folder = dir.join(form.folder);
            if folder.is_dir() {
                return self.assemble(&folder, form, is_python, split, &|name| {
                    std::fs::read(folder.join(name))
                        .map_err(|e| VisionError::io("read", folder.join(name), e))
                });
            }
            let archive = dir.join(form.archive);
            if archive.is_file() {
                return self.read_archive(&archive, form, is_python, split);
            }
        }
        let remote =
            RemoteFile { name: self.binary.archive, mirrors: MIRRORS, checksums: self.binary.checksums };
        let archive = fetch.file(&remote, dir).map_err(|error| VisionError::MissingFiles {
            dataset: self.name.into(),
            dir: dir.into(),
            files: vec![format!("{} or {}", self.binary.archive, self.python.archive)],
            reason: error.to_string(),
        })?;
        self.read_archive(&archive, &self.binary, false, split)
    }

    /// Whether `dir` holds this dataset in any form.
    pub fn is_in(&self, dir: &Path) -> bool {
        let forms = [&self.binary, &self.python];
        forms.iter().any(|form| dir.join(form.folder).is_dir() || dir.join(form.archive).is_file())
    }

    fn read_archive(&self, archive: &Path, form: &Form, is_python: bool, split: Split) -> Result<InMemory> {
        let files = form.files(split);
        let entries = read_tar_gz(archive, &|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| files.contains(&name) || name == form.names)
        })?;
        let entries = RefCell::new(entries);
        self.assemble(archive, form, is_python, split, &|name| {
            let mut entries = entries.borrow_mut();
            let found = entries.iter().position(|entry| entry.path.file_name().is_some_and(|n| n == name));
            let missing =
                || VisionError::bad_file(archive, format!("there is no {name} in it; fetch it again"));
            found.map(|at| entries.swap_remove(at).bytes).ok_or_else(missing)
        })
    }

    fn assemble(
        &self,
        source: &Path,
        form: &Form,
        is_python: bool,
        split: Split,
        read: &dyn Fn(&str) -> Result<Vec<u8>>,
    ) -> Result<InMemory> {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for name in form.files(split) {
            let bytes = read(name)?;
            let path = source.join(name);
            self.batch(&bytes, is_python, &path, &mut pixels, &mut labels)?;
        }
        let names = read(form.names)?;
        let classes = self.class_names(&names, is_python, &source.join(form.names))?;
        InMemory::new(self.name, classes, [SIDE, SIDE, 3], pixels, labels, source)
    }

    /// Adds the pictures, in (height, width, channel) order, and labels of one file of either form. `path` names it in
    /// messages.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn batch(
        &self,
        bytes: &[u8],
        is_python: bool,
        path: &Path,
        pixels: &mut Vec<u8>,
        labels: &mut Vec<i64>,
    ) -> Result<()> {
        // Pixels are nearly all of it.
        pixels.reserve_exact(bytes.len());
        if is_python {
            self.python_batch(bytes, path, pixels, labels)
        } else {
            self.binary_batch(bytes, path, pixels, labels)
        }
    }

    fn binary_batch(
        &self,
        bytes: &[u8],
        path: &Path,
        pixels: &mut Vec<u8>,
        labels: &mut Vec<i64>,
    ) -> Result<()> {
        let record = self.label_bytes + PIXELS;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let reason = format!(
                "found {} bytes, expected a multiple of {record} (a record of {}); fetch it again",
                bytes.len(),
                self.name
            );
            return Err(VisionError::bad_file(path, reason));
        }
        for record in bytes.chunks_exact(record) {
            labels.push(record[self.label_bytes - 1].into());
            interleave(&record[self.label_bytes..], pixels);
        }
        Ok(())
    }

    fn python_batch(
        &self,
        bytes: &[u8],
        path: &Path,
        pixels: &mut Vec<u8>,
        labels: &mut Vec<i64>,
    ) -> Result<()> {
        let wrong =
            |reason: String| VisionError::bad_file(path, format!("not a batch of {}: {reason}", self.name));
        let (heap, root) = pickle::read(bytes).map_err(wrong)?;
        let key = self.keys[0];
        let found = heap.get(root, key).and_then(|value| heap.items(value));
        let found = found.ok_or_else(|| wrong(format!("it has no list {key:?}")))?;
        let data = heap.get(root, "data").and_then(|value| pickle::array(&heap, value));
        let (shape, data) = data.ok_or_else(|| wrong("it has no array \"data\"".into()))?;
        if shape != [found.len(), PIXELS] {
            return Err(wrong(format!("{} labels for pixels of shape {shape:?}", found.len())));
        }
        for label in found {
            let Value::Int(label) = label else { return Err(wrong("a label is no number".into())) };
            labels.push(*label);
        }
        data.chunks_exact(PIXELS).for_each(|planes| interleave(planes, pixels));
        Ok(())
    }

    /// The names of the classes out of the file that has them, of either form.
    ///
    /// # Errors
    /// If it is damaged, or names another number of classes.
    pub fn class_names(&self, bytes: &[u8], is_python: bool, path: &Path) -> Result<Vec<String>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let names: Vec<String> = if is_python {
            let wrong = |reason: String| VisionError::bad_file(path, format!("no list of classes: {reason}"));
            let (heap, root) = pickle::read(bytes).map_err(wrong)?;
            let items = heap.get(root, self.keys[1]).and_then(|value| heap.items(value)).unwrap_or_default();
            let name = |value: &Value<'_>| if let Value::Str(name) = value { Some(text(name)) } else { None };
            items.iter().filter_map(name).collect()
        } else {
            bytes.split(|&byte| byte == b'\n').map(text).filter(|name| !name.is_empty()).collect()
        };
        if names.len() != self.classes {
            let reason = format!("names {} classes, expected {}", names.len(), self.classes);
            return Err(VisionError::bad_file(path, reason));
        }
        Ok(names)
    }
}

impl Form {
    fn files(&self, split: Split) -> &'static [&'static str] {
        match split {
            Split::Train => self.train,
            Split::Test => self.test,
        }
    }
}

/// Three planes (red, green, blue) to (height, width, channel) order.
fn interleave(planes: &[u8], out: &mut Vec<u8>) {
    let (red, rest) = planes.split_at(SIDE * SIDE);
    let (green, blue) = rest.split_at(SIDE * SIDE);
    out.extend(red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]));
}

/// Whether a path names one of the archives of CIFAR as distributed.
pub(crate) fn archive_of(path: &Path) -> Option<(&'static Cifar, PathBuf)> {
    let name = path.file_name()?.to_str()?;
    let known =
        [&CIFAR10, &CIFAR100].into_iter().find(|c| [c.binary.archive, c.python.archive].contains(&name))?;
    Some((known, path.parent()?.to_path_buf()))
}
