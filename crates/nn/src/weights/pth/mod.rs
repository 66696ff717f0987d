//! PyTorch's `.pth`: a zip archive of a pickle (`data.pkl`), which describes the tensors, and one uncompressed
//! entry for the numbers of each storage (`data/0`, `data/1`, …).

mod heap;
mod pickle;
mod state_dict;
mod storage;
mod write;

pub(super) use write::write;

use super::{Metadata, Problem, Weights};
use crate::StateDict;
use std::fs::File;
use std::io::{BufReader, Read};
use storage::Storages;
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config, ZipFile};
use zip::result::ZipError;

type Archive<'a> = ZipArchive<BufReader<&'a File>>;

/// The description of a model's tensors takes some hundred bytes each; what is larger is something else.
const MAX_PICKLE: u64 = 8 << 20;

/// Where files written here keep their metadata; PyTorch ignores it.
const METADATA: &str = "cresset_metadata.json";

/// Reads a file of `length` bytes.
pub(super) fn read(file: &File, length: u64) -> Result<Weights, Problem> {
    // Said, not detected: detection stumbles over the zip64 records that PyTorch writes even into small files.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let reader = BufReader::with_capacity(1 << 18, file);
    let mut archive = ZipArchive::with_config(config, reader).map_err(zip_problem)?;
    let root = root(&archive)?;
    // Else a small file could contain the same numbers a thousand times over.
    if archive.has_overlapping_files().map_err(zip_problem)? {
        return Err(Problem::malformed("entries of the archive overlap"));
    }
    check_byte_order(&mut archive, &root)?;
    let pickle = small_entry(&mut archive, &format!("{root}data.pkl"))?
        .ok_or_else(|| Problem::malformed("the archive has no data.pkl"))?;
    let (heap, value) = pickle::load(&pickle)?;
    let found = state_dict::find(&heap, value)?;

    let mut storages = Storages::new(&heap, &found, length)?;
    let mut tensors = StateDict::with_capacity(found.len());
    for (name, tensor) in found {
        let array = storages.tensor(&mut archive, &root, tensor).map_err(|e| e.of_tensor(&name))?;
        tensors.insert(name, array);
    }
    Ok(Weights { tensors, metadata: metadata(&mut archive, &root)? })
}

/// The folder that holds everything, with a slash at its end.
fn root(archive: &Archive) -> Result<String, Problem> {
    let mut names = Vec::new();
    for name in archive.file_names() {
        names.push(name.map_err(zip_problem)?.into_owned());
    }
    let with = |tail: &str| names.iter().find_map(|name| name.strip_suffix(tail)).map(str::to_owned);
    if let Some(root) = with("constants.pkl")
        && names.iter().any(|name| name.starts_with(&format!("{root}code/")))
    {
        return Err(Problem::Unsupported(
            "a TorchScript program, not weights; save its weights in Python: \
             torch.save(torch.jit.load(path).state_dict(), path)"
                .into(),
        ));
    }
    with("data.pkl").filter(|root| root.is_empty() || root.ends_with('/')).ok_or_else(|| {
        Problem::NotWeights("it is a zip archive without the data.pkl that torch.save writes".into())
    })
}

fn check_byte_order(archive: &mut Archive, root: &str) -> Result<(), Problem> {
    match small_entry(archive, &format!("{root}byteorder"))?.as_deref() {
        None | Some(b"little") => Ok(()),
        Some(_) => Err(Problem::Unsupported("it was written on a big-endian machine".into())),
    }
}

fn metadata(archive: &mut Archive, root: &str) -> Result<Metadata, Problem> {
    match small_entry(archive, &format!("{root}{METADATA}"))? {
        Some(json) => serde_json::from_slice(&json)
            .map_err(|e| Problem::malformed(format!("{METADATA} is not what it should be: {e}"))),
        None => Ok(Metadata::new()),
    }
}

/// The bytes of an entry that is not tensor data, if it is there.
fn small_entry(archive: &mut Archive, name: &str) -> Result<Option<Vec<u8>>, Problem> {
    let Some(entry) = entry(archive, name)? else { return Ok(None) };
    if entry.size() > MAX_PICKLE {
        return Err(Problem::malformed(format!("{name} claims {} bytes", entry.size())));
    }
    let mut bytes = Vec::new();
    entry.take(MAX_PICKLE).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// An entry of the archive, if it is there.
fn entry<'a, 'b>(
    archive: &'a mut Archive<'b>,
    name: &str,
) -> Result<Option<ZipFile<'a, BufReader<&'b File>>>, Problem> {
    match archive.by_name(name) {
        Ok(entry) => Ok(Some(entry)),
        Err(ZipError::FileNotFound) => Ok(None),
        Err(e) => Err(zip_problem(e)),
    }
}

fn zip_problem(e: ZipError) -> Problem {
    match e {
        ZipError::Io(e) => Problem::Io(e),
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => Problem::Unsupported(
            "the archive is compressed or encrypted, which torch.save never does; save it again with torch.save".into(),
        ),
        e => Problem::malformed(e.to_string()),
    }
}

impl Problem {
    /// Says of which tensor something is wrong.
    fn of_tensor(self, name: &str) -> Self {
        match self {
            Problem::Malformed(what) => Problem::Malformed(format!("tensor {name:?}: {what}")),
            Problem::Unsupported(what) => Problem::Unsupported(format!("tensor {name:?}: {what}")),
            Problem::Io(e) => Problem::Malformed(format!("tensor {name:?}: {e}")),
            other => other,
        }
    }
}
