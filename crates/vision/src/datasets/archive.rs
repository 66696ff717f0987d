//! `.tar.gz` files, read into memory with limits.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

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

/// The most files, and the most bytes of the tar stream that are no file's content.
const MAX_ENTRIES: usize = 4_000_000;

/// Reads the regular files of a `.tar.gz` for which `wanted` is true. Nothing is written anywhere, so that paths
/// with `..` can do no harm.
pub(crate) fn read_tar_gz(path: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<Entry>> {
    let broken = |e: std::io::Error| VisionError::bad_file(path, format!("not a readable .tar.gz ({e})"));
    let file = File::open(path).map_err(|e| VisionError::io("read", path, e))?;
    let gzip = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file));
    let mut archive = tar::Archive::new(gzip.take(2 * MAX_BYTES));
    let mut entries = Vec::new();
    let mut total = 0;
    for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
        let entry = entry.map_err(broken)?;
        if count >= MAX_ENTRIES {
            return Err(VisionError::bad_file(
                path,
                "more than 4,000,000 entries; unpack it and give the folder",
            ));
        }
        let name = entry.path().map_err(broken)?.into_owned();
        if !entry.header().entry_type().is_file() || !wanted(&name) {
            continue;
        }
        let size = entry.size();
        total += size;
        if total > MAX_BYTES {
            return Err(VisionError::bad_file(path, "holds more than 2 GiB; unpack it and give the folder"));
        }
        // The size is a claim until that many bytes have come.
        let mut bytes = Vec::with_capacity(size.min(1 << 20) as usize);
        entry.take(size).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != size {
            let reason = format!("truncated: {} has {} bytes of {size}", name.display(), bytes.len());
            return Err(VisionError::bad_file(path, reason));
        }
        entries.push(Entry { path: name, bytes });
    }
    Ok(entries)
}
