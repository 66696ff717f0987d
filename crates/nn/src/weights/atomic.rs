//! Files that are there whole or not at all.

use crate::fail_point;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// Writes a file beside `path`, syncs it, renames it into place and syncs the folder: whatever happens meanwhile,
/// `path` is the old file or the new one.
///
/// # Errors
/// Those of `write` and of the system. `path` is unchanged then, and nothing is left beside it. (If only the last sync
/// fails, `path` is the new file already.)
pub fn write_atomically<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<FileBeside<'_>>) -> Result<(), E>,
) -> Result<(), E> {
    let folder = folder_of(path);
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(RANDOM);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    fail_point::reach("create")?;
    let mut beside = builder.tempfile_in(folder)?;
    let mut buffered = BufWriter::with_capacity(1 << 20, FileBeside(beside.as_file_mut()));
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    fail_point::reach("sync")?;
    beside.as_file().sync_all()?;
    fail_point::reach("rename")?;
    beside.persist(path).map_err(|e| e.error)?;
    fail_point::reach("sync folder")?;
    sync_folder(folder)?;
    fail_point::reach("end")?;
    Ok(())
}

const SUFFIX: &str = ".tmp";
/// Letters and digits that tell files beside the same target apart.
const RANDOM: usize = 6;

/// If a file of this name is what a killed process left of [`write_atomically`]: the name of its target.
pub fn target_of_leftover(name: &OsStr) -> Option<&str> {
    let stem = name.to_str()?.strip_prefix('.')?.strip_suffix(SUFFIX)?;
    let (target, random) = stem.rsplit_once('.')?;
    (random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(target)
}

/// Makes a change to the entries of a folder last. Not every system can open one; where that is so, does nothing.
///
/// # Errors
/// If the system can, but does not.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all().or_else(|e| if cfg!(unix) { Err(e) } else { Ok(()) }),
        Err(_) => Ok(()),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file that is written beside the target. Each write is a [fail point](crate::fail_point).
#[derive(Debug)]
pub struct FileBeside<'a>(&'a mut File);

impl Write for FileBeside<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(failure) = fail_point::due("write") {
            // As on a disk that fills up meanwhile.
            self.0.write_all(&bytes[..bytes.len() / 2])?;
            return Err(failure.happen());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for FileBeside<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_known_by_their_names() {
        let target = |name: &str| target_of_leftover(OsStr::new(name)).map(str::to_owned);
        assert_eq!(target(".last.safetensors.a1B2c3.tmp").as_deref(), Some("last.safetensors"));
        for other in ["last.safetensors", ".last.safetensors.tmp", "a.b.123456.tmp", ".x.12.4_6.tmp", ".tmp"]
        {
            assert_eq!(target(other), None, "{other}");
        }
    }
}
