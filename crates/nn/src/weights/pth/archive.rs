//! The zip archive that `torch.save` writes: entries without compression, one after the other.
//!
//! A directory out of a hostile file may claim any number of entries of any size at any place. Here it is believed
//! only as far as the file goes: nothing is allocated on its word, and entries cannot overlap, because each may reach
//! only to where the next begins.

use crate::weights::Problem;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

/// A model's tensors are some hundreds or thousands.
const MAX_ENTRIES: u64 = 1 << 16;

/// Some hundred bytes an entry.
const MAX_DIRECTORY: u64 = 8 << 20;

const END: [u8; 4] = *b"PK\x05\x06";
const END_64_LOCATOR: [u8; 4] = *b"PK\x06\x07";
const END_64: [u8; 4] = *b"PK\x06\x06";
const DIRECTORY_ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";

/// An archive and where its entries are.
pub(super) struct Archive<R> {
    reader: R,
    entries: HashMap<String, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Where its local header is.
    start: u64,
    /// Where the next one begins: no byte belongs to two entries.
    limit: u64,
    size: u64,
    crc: u32,
    /// Neither compressed nor encrypted.
    stored: bool,
}

fn malformed<T>(what: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::malformed(format!("its zip archive is broken: {}", what.into())))
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory of an archive of `length` bytes.
    pub fn open(mut reader: R, length: u64) -> Result<Self, Problem> {
        let directory = Directory::find(&mut reader, length)?;
        let mut bytes = vec![0; directory.size as usize];
        reader.seek(SeekFrom::Start(directory.start))?;
        reader.read_exact(&mut bytes)?;
        let mut fields = Fields(&bytes);
        let mut entries = HashMap::new();
        for _ in 0..directory.entries {
            let (name, entry) = directory_entry(&mut fields)?;
            if entries.insert(name.clone(), entry).is_some() {
                return malformed(format!("it has two entries {name:?}"));
            }
        }
        let mut starts: Vec<u64> = entries.values().map(|entry| entry.start).collect();
        starts.push(directory.start);
        starts.sort_unstable();
        for entry in entries.values_mut() {
            let next = starts.partition_point(|&start| start <= entry.start);
            let Some(&limit) = starts.get(next) else {
                return malformed("an entry lies behind the directory");
            };
            entry.limit = limit;
        }
        if starts.windows(2).any(|pair| pair[0] == pair[1]) {
            return malformed("entries overlap");
        }
        Ok(Self { reader, entries })
    }

    /// The names of all entries.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// An entry, if it is there.
    pub fn entry(&mut self, name: &str) -> Result<Option<Content<'_, R>>, Problem> {
        let Some(&Entry { start, limit, size, crc, stored }) = self.entries.get(name) else {
            return Ok(None);
        };
        if !stored {
            return Err(Problem::Unsupported(
                "the archive is compressed or encrypted, which torch.save never does; save it again with torch.save"
                    .into(),
            ));
        }
        let mut header = [0; 30];
        self.reader.seek(SeekFrom::Start(start))?;
        self.reader.read_exact(&mut header)?;
        if header[..4] != LOCAL_HEADER {
            return malformed(format!("{name:?} is not where the directory says"));
        }
        let length = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
        // Both lengths are 16 bits, `start` lies in the file.
        let data = start + 30 + length(26) + length(28);
        if data.checked_add(size).is_none_or(|end| end > limit) {
            return malformed(format!("{name:?} claims {size} bytes, more than there are"));
        }
        self.reader.seek(SeekFrom::Start(data))?;
        let reader = (&mut self.reader).take(size);
        Ok(Some(Content { reader, size, crc, hasher: crc32fast::Hasher::new() }))
    }
}

/// What an entry holds. An error, if its checksum is wrong at the end.
pub(super) struct Content<'a, R> {
    reader: io::Take<&'a mut R>,
    size: u64,
    crc: u32,
    hasher: crc32fast::Hasher,
}

impl<R> Content<'_, R> {
    /// Bytes in it; all of them are in the file.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        if self.reader.limit() == 0 && self.hasher.clone().finalize() != self.crc {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is wrong"));
        }
        Ok(count)
    }
}

/// What the end of an archive says of its directory.
struct Directory {
    start: u64,
    size: u64,
    entries: u64,
}

impl Directory {
    fn find(reader: &mut (impl Read + Seek), length: u64) -> Result<Self, Problem> {
        let mut at = |position: Option<u64>, bytes: &mut [u8]| -> Result<(), Problem> {
            let Some(position) = position else { return malformed("it is cut short") };
            reader.seek(SeekFrom::Start(position))?;
            reader.read_exact(bytes).or_else(|_| malformed("it is cut short"))
        };
        let end_start = length.checked_sub(22);
        let mut end = [0; 22];
        at(end_start, &mut end)?;
        if end[..4] != END || end[20..] != [0, 0] {
            return malformed("its end is missing; was it copied whole?");
        }
        let mut fields = Fields(&end[8..]);
        let (_, entries, size, start) = (fields.u16()?, fields.u16()?, fields.u32()?, fields.u32()?);
        let mut directory = Self { start: start.into(), size: size.into(), entries: entries.into() };
        let mut directory_end = end_start;

        // Large archives have a second end before the first; PyTorch writes it always.
        let mut locator = [0; 20];
        let locator_start = end_start.and_then(|start| start.checked_sub(20));
        if locator_start.is_some() {
            at(locator_start, &mut locator)?;
        }
        if locator[..4] == END_64_LOCATOR {
            let start = Some(Fields(&locator[8..]).u64()?);
            let mut end = [0; 56];
            at(start, &mut end)?;
            if end[..4] != END_64 {
                return malformed("its second end is missing");
            }
            let mut fields = Fields(&end[32..]);
            directory = Self { entries: fields.u64()?, size: fields.u64()?, start: fields.u64()? };
            directory_end = start;
        }

        let Self { start, size, entries } = directory;
        if entries > MAX_ENTRIES || size > MAX_DIRECTORY {
            return malformed(format!(
                "it claims {entries} entries, described in {size} bytes; a model's has up to {MAX_ENTRIES}, in \
                 {MAX_DIRECTORY}"
            ));
        }
        if directory_end.is_none_or(|end| start.checked_add(size).is_none_or(|after| after > end)) {
            return malformed("its directory is not where its end says");
        }
        Ok(directory)
    }
}

fn directory_entry(fields: &mut Fields<'_>) -> Result<(String, Entry), Problem> {
    if fields.take(4)? != DIRECTORY_ENTRY {
        return malformed("its directory is damaged");
    }
    fields.take(4)?; // versions
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.take(4)?; // time and date
    let (crc, packed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
    fields.take(8)?; // disk and attributes
    let start = fields.u32()?;
    let name = String::from_utf8_lossy(fields.take(name.into())?).into_owned();
    let extra = fields.take(extra.into())?;
    fields.take(comment.into())?;
    let [size, packed, start] = wide([size, packed, start], extra)?;
    // The first flag says encrypted.
    let stored = method == 0 && flags & 1 == 0;
    if stored && size != packed {
        return malformed(format!("{name:?} has {packed} bytes for {size}"));
    }
    Ok((name, Entry { start, limit: 0, size, crc, stored }))
}

/// Numbers that are too large for 32 bits are in the extra field of type 1, those and only those, in this order.
fn wide(numbers: [u32; 3], extra: &[u8]) -> Result<[u64; 3], Problem> {
    let mut fields = Fields(extra);
    let mut found = Fields(&[]);
    while fields.0.len() >= 4 {
        let (kind, length) = (fields.u16()?, fields.u16()?);
        let content = fields.take(length.into())?;
        if kind == 1 {
            found = Fields(content);
        }
    }
    let mut widened = numbers.map(u64::from);
    for number in &mut widened {
        if *number == u64::from(u32::MAX) {
            *number = found.u64()?;
        }
    }
    Ok(widened)
}

/// Little-endian numbers one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let Some((taken, rest)) = self.0.split_at_checked(length) else {
            return malformed("its directory is cut short");
        };
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        Ok(self.take(N)?.try_into().expect("took N bytes"))
    }

    fn u16(&mut self) -> Result<u16, Problem> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Problem> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Problem> {
        Ok(u64::from_le_bytes(self.array()?))
    }
}
