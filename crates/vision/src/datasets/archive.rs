//! `.tar.gz` files, read into memory with limits.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::{Result, VisionError};

/// One file of an archive.
pub(crate) struct Entry {
    /// Its path inside the archive.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The most that an archive may hold unpacked; CIFAR-10 holds 186 MB.
const MAX_BYTES: u64 = 2 << 30;

/// What files out of an archive may take beyond twice its size. Pictures hardly get smaller in one: what does is
/// blank, or a trap.
const ALLOWANCE: u64 = 48 << 20;

/// The most entries.
const MAX_ENTRIES: usize = 4_000_000;

/// Reads the regular files of a `.tar.gz` for which `wanted` is true. Nothing is written anywhere.
pub(crate) fn read_tar_gz(path: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<Entry>> {
    let io = |e| VisionError::io("read", path, e);
    let file = File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    parse_tar_gz(BufReader::with_capacity(1 << 16, file), len, path, wanted)
}

/// Reads an archive of `len` bytes, from disk or memory. `path` names it in messages.
pub(crate) fn parse_tar_gz(
    source: impl BufRead,
    len: u64,
    path: &Path,
    wanted: &dyn Fn(&Path) -> bool,
) -> Result<Vec<Entry>> {
    let broken = |e: std::io::Error| VisionError::bad_file(path, format!("not a readable .tar.gz ({e})"));
    let limit = len.saturating_mul(2).saturating_add(ALLOWANCE).min(MAX_BYTES);
    // What is not wanted passes through as well, and takes time.
    let mut archive = tar::Archive::new(MultiGzDecoder::new(source).take(limit.saturating_mul(4)));
    let mut entries = Vec::new();
    let mut total = 0u64;
    for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
        let entry = entry.map_err(broken)?;
        if count >= MAX_ENTRIES {
            let reason = format!("more than {MAX_ENTRIES} entries; unpack it and give the folder");
            return Err(VisionError::bad_file(path, reason));
        }
        let name = entry.path().map_err(broken)?.into_owned();
        if !entry.header().entry_type().is_file() || !wanted(&name) {
            continue;
        }
        if name.components().any(|part| part == Component::ParentDir) {
            return Err(VisionError::bad_file(path, format!("holds {name:?}, which leads out of it")));
        }
        let size = entry.size();
        total = total.saturating_add(size);
        if total > limit {
            let reason =
                format!("holds more than {limit} bytes, of {len} packed; unpack it and give the folder");
            return Err(VisionError::bad_file(path, reason));
        }
        // The size is a claim until that many bytes have come.
        let mut bytes = Vec::with_capacity(size.min(1 << 20) as usize);
        entry.take(size).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != size {
            let reason = format!("truncated: {} has {} bytes of {size}", name.display(), bytes.len());
            return Err(VisionError::bad_file(path, reason));
        }
        bytes.shrink_to_fit();
        entries.push(Entry { path: name, bytes });
    }
    Ok(entries)
}
