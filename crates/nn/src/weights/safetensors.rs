//! The safetensors format: a JSON header, then the numbers.

use super::element::{self, Element, Elements};
use super::error::Problem;
use super::{Metadata, Weights};
use crate::StateDict;
use indexmap::IndexMap;
use safetensors::tensor::{Dtype, TensorInfo};
use serde::de::IgnoredAny;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};

/// Headers are some hundred bytes a tensor; what claims more than this is no file of weights.
const MAX_HEADER: u64 = 16 << 20;

/// Reads a file of `length` bytes.
pub(super) fn read(file: &File, length: u64) -> Result<Weights, Problem> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    reader.seek(SeekFrom::Start(0))?;
    let mut size = [0; 8];
    reader.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size > length - 8 {
        return Err(Problem::malformed(format!(
            "the header claims {size} bytes, of a file of {length}; headers may have {MAX_HEADER}"
        )));
    }
    let mut header = vec![0; size as usize];
    reader.read_exact(&mut header)?;
    let invalid =
        |e: serde_json::Error| Problem::malformed(format!("the header is not what it should be: {e}"));
    // Checks that the tensors fill the data without gaps or overlaps and are as large as their shapes say.
    let parsed: safetensors::tensor::Metadata = serde_json::from_slice(&header).map_err(invalid)?;
    if parsed.data_len() as u64 != length - 8 - size {
        return Err(Problem::malformed(format!(
            "the header describes {} bytes of numbers, the file has {}",
            parsed.data_len(),
            length - 8 - size
        )));
    }

    let mut tensors = IndexMap::new();
    for name in parsed.offset_keys() {
        let info = parsed.info(&name).expect("a key of this header");
        let Some(element) = element_of(info.dtype) else {
            return Err(Problem::Unsupported(format!(
                "tensor {name:?} is of type {}, which is not supported; convert it to F32",
                info.dtype
            )));
        };
        let shape = element::shape(&info.shape)?;
        let elements = Elements::read(&mut reader, element, shape.numel())?;
        tensors.insert(name, elements.into_array(shape));
    }
    // Numbers are stored in whatever order suits their alignment; the order of the state dict is the header's.
    let order: IndexMap<String, IgnoredAny> = serde_json::from_slice(&header).map_err(invalid)?;
    tensors.sort_by_cached_key(|name, _| order.get_index_of(name));
    let metadata = parsed.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok(Weights { tensors, metadata })
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
        entries.push(format!("\"__metadata__\":{}", serde_json::to_string(metadata).map_err(json)?));
    }
    for name in tensors.keys() {
        if name == "__metadata__" {
            return Err(Problem::Unsupported("safetensors allow no tensor named \"__metadata__\"".into()));
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
