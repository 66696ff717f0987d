//! Files that are there whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a file beside `path`, syncs it, and renames it into place: whatever happens meanwhile, `path` is the old
/// file or the new one.
///
/// # Errors
/// Those of `write` and of the system. `path` is unchanged then, and nothing is left beside it.
pub fn write_atomically<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
) -> Result<(), E> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut beside = builder.tempfile_in(folder)?;
    let mut buffered = BufWriter::with_capacity(1 << 20, beside.as_file_mut());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    beside.as_file().sync_all()?;
    beside.persist(path).map_err(|e| e.error)?;
    // The rename itself lasts only once the folder is on disk; not every system can open one.
    if let Ok(folder) = File::open(folder) {
        folder.sync_all().or_else(|e| if cfg!(unix) { Err(e) } else { Ok(()) })?;
    }
    Ok(())
}
