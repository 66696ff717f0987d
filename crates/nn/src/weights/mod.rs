//! Files of weights: safetensors, and PyTorch's `.pth`, read and written without Python.
//!
//! ```
//! use cresset_nn::{Linear, ModuleExt, Strictness, weights};
//! use cresset_tensor::Generator;
//!
//! let model = Linear::new(3, 2, &mut Generator::new(0));
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("model.pth");
//! weights::save(&path, &model.state_dict(), &Default::default())?;
//! let weights = weights::load(&path)?;
//! model.load_state_dict(&weights.tensors, Strictness::Strict)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a file is, is decided by its content. Whatever it contains, nothing of it is executed, and memory stays
//! proportional to its size.

mod atomic;
mod element;
mod error;
pub mod pickle;
mod pth;
mod safetensors;

pub use atomic::{FileBeside, sync_folder, target_of_leftover, write_atomically};
pub use error::{Problem, WeightsError};

use crate::StateDict;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

/// What a file says about its weights beside the numbers: model name, classes, normalization, ….
pub type Metadata = BTreeMap<String, String>;

/// The contents of a file of weights.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// Parameters and buffers by path.
    pub tensors: StateDict,
    /// What else the file says; empty for files of PyTorch itself.
    pub metadata: Metadata,
}

/// Reads a `.safetensors` file, or a PyTorch `.pth` or `.pt` file.
///
/// Floats of other widths are converted to float32, and integers to int64. Of a PyTorch checkpoint that holds more
/// than a state dict, the state dict is taken from under `state_dict_ema`, `model_ema`, `state_dict` or `model`, the
/// first of these that is there; prefixes that wrappers put before every key (`module.`, `_orig_mod.`) are removed.
///
/// # Errors
/// If the file cannot be read, is none of these, is damaged, or asks for a Python class that is no part of a state
/// dict.
pub fn load(path: impl AsRef<Path>) -> Result<Weights, WeightsError> {
    let path = path.as_ref();
    read(path).map_err(|problem| problem.at(path))
}

/// As [`load`], for a file in memory. `name` stands for the path in messages.
///
/// # Errors
/// As [`load`].
pub fn load_bytes(bytes: &[u8], name: impl AsRef<Path>) -> Result<Weights, WeightsError> {
    parse(Cursor::new(bytes), bytes.len() as u64).map_err(|problem| problem.at(name.as_ref()))
}

fn read(path: &Path) -> Result<Weights, Problem> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Problem::NotWeights("it is a folder".into()));
    }
    parse(BufReader::with_capacity(1 << 18, file), metadata.len())
}

/// Reads `length` bytes: all formats, from disk and from memory.
fn parse(mut reader: impl Read + Seek, length: u64) -> Result<Weights, Problem> {
    let mut start = Vec::new();
    (&mut reader).take(512).read_to_end(&mut start)?;
    match Kind::of(&start) {
        Kind::Safetensors => safetensors::read(reader, length),
        Kind::Zip => pth::read(reader, length),
        Kind::LegacyPickle => Err(Problem::Unsupported(
            "a PyTorch file from before version 1.6; open it in Python and save it again: \
             torch.save(torch.load(path, weights_only=True), path)"
                .into(),
        )),
        Kind::Other(what) => Err(Problem::NotWeights(format!(
            "{what}; expected .safetensors, or .pth as torch.save writes it"
        ))),
    }
}

/// What the first bytes of a file say it is.
enum Kind {
    Safetensors,
    Zip,
    LegacyPickle,
    Other(&'static str),
}

impl Kind {
    fn of(start: &[u8]) -> Self {
        let at = |offset: usize, magic: &[u8]| start.get(offset..).is_some_and(|s| s.starts_with(magic));
        match start {
            [] => Kind::Other("it is empty"),
            [b'P', b'K', 3, 4, ..] => Kind::Zip,
            _ if at(8, b"{") => Kind::Safetensors,
            // torch.save until 1.5 wrote a bare pickle, before that a tar archive of pickles.
            [0x80, 1..=5, ..] => Kind::LegacyPickle,
            _ if at(257, b"ustar") => Kind::LegacyPickle,
            [0x1f, 0x8b, ..] => Kind::Other("it is compressed with gzip; unpack it first"),
            _ if at(1, b"HDF\r\n") => Kind::Other("it is an HDF5 (Keras) file"),
            [b'<', ..] => Kind::Other("it is a web page; did the download fail?"),
            _ if start.starts_with(b"version https://git-lfs") => {
                Kind::Other("it is a Git LFS pointer; fetch the file itself with `git lfs pull`")
            }
            _ => Kind::Other("its content is of no known kind"),
        }
    }
}

/// Writes tensors to a file whose name ends in `.safetensors`, `.pth` or `.pt`, whole or not at all.
///
/// `.pth` files are what `torch.save(model.state_dict(), path)` writes: `torch.load(path, weights_only=True)` and
/// `load_state_dict` take them. The metadata is kept in both kinds.
///
/// # Errors
/// If the name ends otherwise, or the system refuses.
pub fn save(path: impl AsRef<Path>, tensors: &StateDict, metadata: &Metadata) -> Result<(), WeightsError> {
    let path = path.as_ref();
    write(path, tensors, metadata).map_err(|problem| problem.at(path))
}

fn write(path: &Path, tensors: &StateDict, metadata: &Metadata) -> Result<(), Problem> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("safetensors") => write_atomically(path, |writer| safetensors::write(tensors, metadata, writer)),
        Some("pth" | "pt") => write_atomically(path, |writer| pth::write(tensors, metadata, writer)),
        _ => Err(Problem::Unsupported(
            "weights are written to a name that ends in .safetensors, .pth or .pt".into(),
        )),
    }
}
