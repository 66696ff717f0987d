//! The safetensors format: a JSON header, then the numbers.

use super::element::{self, Element, Elements};
use super::error::Problem;
use super::{Metadata, Weights};
use crate::StateDict;
use indexmap::{IndexMap, IndexSet};
use safetensors::tensor::{Dtype, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::io::{Read, Seek, SeekFrom, Write};

/// Headers are some hundred bytes a tensor; what claims more than this is no file of weights.
const MAX_HEADER: u64 = 16 << 20;

/// More than any model has.
const MAX_TENSORS: usize = 1 << 17;

/// The one name in a header that is no tensor's.
const METADATA: &str = "__metadata__";

/// What tensors may take beyond twice their file.
const ALLOWANCE: u64 = 32 << 20;

/// Reads a file of `length` bytes.
pub(super) fn read(mut reader: impl Read + Seek, length: u64) -> Result<Weights, Problem> {
    reader.seek(SeekFrom::Start(0))?;
    let mut size = [0; 8];
    reader.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size > length.saturating_sub(8) {
        return Err(Problem::malformed(format!(
            "the header claims {size} bytes, of a file of {length}; headers may have {MAX_HEADER}"
        )));
    }
    let mut header = vec![0; size as usize];
    reader.read_exact(&mut header)?;
    let Header { metadata, order, tensors: infos } = Header::parse(header)?;
    if infos.data_len() as u64 != length - 8 - size {
        return Err(Problem::malformed(format!(
            "the header describes {} bytes of numbers, the file has {}",
            infos.data_len(),
            length - 8 - size
        )));
    }

    let mut bytes = 0u64;
    let mut tensors = StateDict::with_capacity(order.len());
    for name in infos.offset_keys() {
        let info = infos.info(&name).expect("a key of this header");
        let Some(element) = element_of(info.dtype) else {
            return Err(Problem::Unsupported(format!(
                "tensor {name:?} is of type {}, which is not supported; convert it to F32",
                info.dtype
            )));
        };
        let shape = element::shape(&info.shape)?;
        bytes = bytes.saturating_add(shape.numel() as u64 * element.converted_size() as u64);
        if bytes > length.saturating_mul(2).saturating_add(ALLOWANCE) {
            return Err(Problem::Unsupported(format!(
                "tensor {name:?} is of type {}, which takes {} bytes a number here, too many for {} numbers; convert \
                 it to F32",
                info.dtype,
                element.converted_size(),
                shape.numel()
            )));
        }
        let elements = Elements::read(&mut reader, element, shape.numel())?;
        tensors.insert(name, elements.into_array(shape));
    }
    // Numbers are stored in whatever order suits their alignment; the order of the state dict is the header's.
    tensors.sort_by_cached_key(|name, _| order.get_index_of(name));
    Ok(Weights { tensors, metadata })
}

/// The JSON before the numbers.
struct Header {
    metadata: Metadata,
    /// The names of the tensors as they stand there.
    order: IndexSet<String>,
    /// Checked: they fill the data without gaps or overlaps and are as large as their shapes say.
    tensors: safetensors::tensor::Metadata,
}

impl Header {
    fn parse(json: Vec<u8>) -> Result<Self, Problem> {
        let invalid = |e: &dyn std::fmt::Display| {
            Problem::malformed(format!("the header is not what it should be: {e}"))
        };
        let Entries { metadata, mut tensors } = serde_json::from_slice(&json).map_err(|e| invalid(&e))?;
        drop(json);
        let order: IndexSet<String> = tensors.iter().map(|(name, _)| name.clone()).collect();
        if order.len() < tensors.len() {
            let mut names = HashSet::new();
            let twice = tensors.iter().find(|(name, _)| !names.insert(name)).map(|(name, _)| name);
            return Err(invalid(&format!("two tensors of the name {:?}", twice.map_or("", String::as_str))));
        }
        tensors.sort_by_key(|(_, info)| info.data_offsets);
        let tensors = safetensors::tensor::Metadata::new(None, tensors).map_err(|e| invalid(&e))?;
        Ok(Self { metadata, order, tensors })
    }
}

/// The entries of a header in their order, duplicates and all. (The library's own type keeps the last of several.)
struct Entries {
    metadata: Metadata,
    tensors: Vec<(String, TensorInfo)>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;

        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Entries { metadata: Metadata::new(), tensors: Vec::new() };
                while let Some(name) = map.next_key::<String>()? {
                    if entries.tensors.len() == MAX_TENSORS {
                        return Err(A::Error::custom(format!("more than {MAX_TENSORS} tensors")));
                    }
                    if name == METADATA {
                        entries.metadata = map.next_value()?;
                    } else {
                        entries.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(EntryVisitor)
    }
}

fn element_of(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        Dtype::U8 => Element::U8,
        Dtype::I8 => Element::I8,
        Dtype::I16 => Element::I16,
        Dtype::I32 => Element::I32,
        Dtype::I64 => Element::I64,
        Dtype::BOOL => Element::Bool,
        _ => return None,
    })
}

/// Writes tensors and metadata.
pub(super) fn write(
    tensors: &StateDict,
    metadata: &Metadata,
    writer: &mut impl Write,
) -> Result<(), Problem> {
    // Wide numbers first, so that all are aligned: PyTorch maps the file and looks at them in place.
    let mut stored: Vec<_> = tensors.iter().collect();
    stored.sort_by_key(|(_, array)| std::cmp::Reverse(Element::of(array.dtype()).size()));
    let mut offset = 0;
    let mut infos: IndexMap<&str, TensorInfo> = IndexMap::new();
    for (name, array) in &stored {
        let element = Element::of(array.dtype());
        let dtype = match element {
            Element::I64 => Dtype::I64,
            Element::Bool => Dtype::BOOL,
            _ => Dtype::F32,
        };
        let end = offset + array.numel() * element.size();
        infos.insert(name, TensorInfo { dtype, shape: array.shape().to_vec(), data_offsets: (offset, end) });
        offset = end;
    }

    let json = |e: serde_json::Error| Problem::Io(e.into());
    let mut entries = Vec::with_capacity(tensors.len() + 1);
    if !metadata.is_empty() {
        entries.push(format!("{METADATA:?}:{}", serde_json::to_string(metadata).map_err(json)?));
    }
    for name in tensors.keys() {
        if name == METADATA {
            return Err(Problem::Unsupported(format!("safetensors allow no tensor named {METADATA:?}")));
        }
        let info = serde_json::to_string(&infos[name.as_str()]).map_err(json)?;
        entries.push(format!("{}:{info}", serde_json::to_string(name).map_err(json)?));
    }
    let mut header = format!("{{{}}}", entries.join(","));
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));

    writer.write_all(&(header.len() as u64).to_le_bytes())?;
    writer.write_all(header.as_bytes())?;
    for (_, array) in &stored {
        element::write(array, writer)?;
    }
    Ok(())
}
