//! PyTorch's `.pth`: a zip archive of a pickle (`data.pkl`), which describes the tensors, and one uncompressed
//! entry for the numbers of each storage (`data/0`, `data/1`, …).

mod archive;
mod state_dict;
mod storage;
mod tensors;
mod write;

pub(super) use write::write;

use super::pickle::{self, PickleError};
use super::{Metadata, Problem, Weights};
use crate::StateDict;
use archive::Archive;
use std::io::{Read, Seek};
use storage::Storages;
use tensors::Torch;

/// The description of a model's tensors takes some hundred bytes each; what is larger is something else.
const MAX_PICKLE: u64 = 8 << 20;

/// Where files written here keep their metadata; PyTorch ignores it.
const METADATA: &str = "cresset_metadata.json";

/// Reads a file of `length` bytes.
pub(super) fn read(reader: impl Read + Seek, length: u64) -> Result<Weights, Problem> {
    let mut archive = Archive::open(reader, length)?;
    let root = root(&archive)?;
    check_byte_order(&mut archive, &root)?;
    let pickle = small_entry(&mut archive, &format!("{root}data.pkl"))?
        .ok_or_else(|| Problem::malformed("the archive has no data.pkl"))?;
    let (heap, value) = pickle::load::<Torch>(&pickle).map_err(pickle_problem)?;
    let found = state_dict::find(&heap, value)?;

    let mut storages = Storages::new(&found, length)?;
    let mut tensors = StateDict::with_capacity(found.len());
    for (name, tensor) in found {
        let array = storages.tensor(&mut archive, &root, tensor).map_err(|e| e.of_tensor(&name))?;
        tensors.insert(name, array);
    }
    Ok(Weights { tensors, metadata: metadata(&mut archive, &root)? })
}

/// The folder that holds everything, with a slash at its end.
fn root<R: Read + Seek>(archive: &Archive<R>) -> Result<String, Problem> {
    let mut names: Vec<&str> = archive.names().collect();
    names.sort_unstable();
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

fn check_byte_order<R: Read + Seek>(archive: &mut Archive<R>, root: &str) -> Result<(), Problem> {
    match small_entry(archive, &format!("{root}byteorder"))?.as_deref() {
        None | Some(b"little") => Ok(()),
        Some(_) => Err(Problem::Unsupported("it was written on a big-endian machine".into())),
    }
}

fn metadata<R: Read + Seek>(archive: &mut Archive<R>, root: &str) -> Result<Metadata, Problem> {
    match small_entry(archive, &format!("{root}{METADATA}"))? {
        Some(json) => serde_json::from_slice(&json)
            .map_err(|e| Problem::malformed(format!("{METADATA} is not what it should be: {e}"))),
        None => Ok(Metadata::new()),
    }
}

/// The bytes of an entry that is not tensor data, if it is there.
fn small_entry<R: Read + Seek>(archive: &mut Archive<R>, name: &str) -> Result<Option<Vec<u8>>, Problem> {
    let Some(mut entry) = archive.entry(name)? else { return Ok(None) };
    if entry.size() > MAX_PICKLE {
        return Err(Problem::malformed(format!("{name} claims {} bytes", entry.size())));
    }
    let mut bytes = vec![0; entry.size() as usize];
    entry.read_exact(&mut bytes).map_err(|e| Problem::malformed(format!("{name}: {e}")))?;
    Ok(Some(bytes))
}

fn pickle_problem(error: PickleError) -> Problem {
    match error {
        PickleError::ForeignGlobal(name) => Problem::ForeignClass(name),
        PickleError::ForeignInstruction(code) => Problem::Unsupported(format!(
            "its pickle has the instruction {:?} (0x{code:02x}), which no state dict needs; save model.state_dict() \
             alone, with torch.save(model.state_dict(), path)",
            char::from(code)
        )),
        PickleError::Broken(what) => Problem::malformed(format!("its pickle is broken: {what}")),
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
