//! The IDX format of MNIST and its kin, gzipped or not.
//!
//! Two zero bytes, a type (8 for bytes), the number of dimensions, each dimension as a big-endian `u32`, then
//! the data. The sizes in the header are somebody's claim: nothing is allocated on their word alone.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{Result, VisionError};

/// An array of bytes of any number of dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxArray {
    /// The size of each dimension.
    pub dims: Vec<usize>,
    /// The elements, the last dimension fastest.
    pub data: Vec<u8>,
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What an array may take beyond twice its gzipped file. MNIST's 9.9 MB hold 47 MB; a bomb holds a thousand times its
/// size.
const ALLOWANCE: u64 = 48 << 20;

/// Nothing in this format comes near: MNIST is 47 MB, all of EMNIST 550 MB.
const MAX_BYTES: u64 = 1 << 32;

/// Reads a file that holds bytes in `rank` dimensions: 3 for images, 1 for labels.
///
/// # Errors
/// If the file cannot be read, is no IDX file of that rank, is truncated, or goes on after its data.
pub fn read_file(path: &Path, rank: usize) -> Result<IdxArray> {
    let file = File::open(path).map_err(|e| VisionError::io("read", path, e))?;
    let len = file.metadata().map_err(|e| VisionError::io("read", path, e))?.len();
    read(BufReader::with_capacity(1 << 16, file), len, rank, path)
}

/// Reads an array out of memory. `name` stands for the path in messages.
///
/// # Errors
/// As [`read_file`].
pub fn read_bytes(bytes: &[u8], rank: usize, name: &Path) -> Result<IdxArray> {
    read(std::io::Cursor::new(bytes), bytes.len() as u64, rank, name)
}

fn read(mut source: impl std::io::BufRead + Seek, len: u64, rank: usize, path: &Path) -> Result<IdxArray> {
    let mut magic = [0u8; 2];
    let gzipped = source.read_exact(&mut magic).is_ok() && magic == GZIP_MAGIC;
    source.rewind().map_err(|e| VisionError::io("read", path, e))?;
    if gzipped {
        read_plain(MultiGzDecoder::new(source), len.saturating_mul(2).saturating_add(ALLOWANCE), rank, path)
    } else {
        read_plain(source, len, rank, path)
    }
}

/// `limit`: what the source can hold at most.
fn read_plain(mut source: impl Read, limit: u64, rank: usize, path: &Path) -> Result<IdxArray> {
    let dims = read_header(&mut source, rank, path)?;
    let truncated = |found: String, expected: u64| {
        VisionError::bad_file(
            path,
            format!(
                "truncated IDX file: the header says {} = {expected} bytes, found {found}; fetch it again",
                join(&dims)
            ),
        )
    };
    let expected = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64)).filter(|&n| n <= MAX_BYTES);
    let Some(expected) = expected else {
        return Err(VisionError::bad_file(
            path,
            format!("the IDX header claims {} bytes, more than the allowed 4 GiB", join(&dims)),
        ));
    };
    if expected > limit {
        return Err(truncated(format!("at most {limit} (if it is gzipped, unpack it first)"), expected));
    }
    let mut data = Vec::with_capacity(expected as usize);
    // One byte beyond the data tells whether the file ends where it should.
    let read = source.take(expected + 1).read_to_end(&mut data);
    match read {
        Err(e) if e.kind() != ErrorKind::UnexpectedEof => {
            Err(VisionError::bad_file(path, format!("cannot be decompressed or read ({e}); fetch it again")))
        }
        _ if (data.len() as u64) < expected => Err(truncated(data.len().to_string(), expected)),
        Err(e) => {
            Err(VisionError::bad_file(path, format!("the gzip stream is cut short ({e}); fetch it again")))
        }
        Ok(_) if data.len() as u64 > expected => Err(VisionError::bad_file(
            path,
            format!(
                "the IDX header says {} = {expected} bytes, but the file goes on after them",
                join(&dims)
            ),
        )),
        Ok(_) => Ok(IdxArray { dims, data }),
    }
}

fn read_header(source: &mut impl Read, rank: usize, path: &Path) -> Result<Vec<usize>> {
    let mut magic = [0u8; 4];
    let short = |e: std::io::Error| {
        VisionError::bad_file(path, format!("not an IDX file: it ends inside the header ({e})"))
    };
    source.read_exact(&mut magic).map_err(short)?;
    let [zero0, zero1, kind, found_rank] = magic;
    if (zero0, zero1) != (0, 0) {
        let hex = magic.map(|byte| format!("{byte:02x}")).join(" ");
        return Err(VisionError::bad_file(
            path,
            format!("not an IDX file: it begins with {hex}, expected 00 00 08 {rank:02x}"),
        ));
    }
    if kind != 8 {
        return Err(VisionError::bad_file(
            path,
            format!("an IDX file with elements of type 0x{kind:02x}, expected 0x08 (bytes)"),
        ));
    }
    if usize::from(found_rank) != rank {
        let is = |rank| match rank {
            1 => "labels",
            3 => "images",
            _ => "something else",
        };
        return Err(VisionError::bad_file(
            path,
            format!(
                "an IDX file of {found_rank} dimensions ({}), expected {rank} ({}); are the files swapped?",
                is(usize::from(found_rank)),
                is(rank)
            ),
        ));
    }
    let mut dims = Vec::with_capacity(rank);
    for _ in 0..rank {
        let mut dim = [0u8; 4];
        source.read_exact(&mut dim).map_err(short)?;
        dims.push(u32::from_be_bytes(dim) as usize);
    }
    Ok(dims)
}

fn join(dims: &[usize]) -> String {
    dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}
