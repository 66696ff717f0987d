//! Numbers as files hold them, and their conversion to the three types that arrays have.

use super::error::Problem;
use cresset_tensor::{Array, DType, Shape};
use half::{bf16, f16};
use std::io::{self, Read, Write};

/// An element type in a file. Floats of any width become float32, integers int64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Element {
    F16,
    Bf16,
    F32,
    F64,
    U8,
    I8,
    I16,
    I32,
    I64,
    Bool,
}

impl Element {
    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Element::U8 | Element::I8 | Element::Bool => 1,
            Element::F16 | Element::Bf16 | Element::I16 => 2,
            Element::F32 | Element::I32 => 4,
            Element::F64 | Element::I64 => 8,
        }
    }

    /// Bytes of one as an array has it.
    pub fn converted_size(self) -> usize {
        match self {
            Element::F16 | Element::Bf16 | Element::F32 | Element::F64 => 4,
            Element::U8 | Element::I8 | Element::I16 | Element::I32 | Element::I64 => 8,
            Element::Bool => 1,
        }
    }

    /// What an array of this type is written as.
    pub fn of(dtype: DType) -> Self {
        match dtype {
            DType::F32 => Element::F32,
            DType::BF16 => Element::Bf16,
            DType::I64 => Element::I64,
            DType::Bool => Element::Bool,
        }
    }
}

/// A shape out of a file, unless its strides would overflow (a size of 0 can hide that from the element count).
pub(super) fn shape(sizes: &[usize]) -> Result<Shape, Problem> {
    let run = sizes.iter().try_fold(1, |n: usize, &size| n.checked_mul(size.max(1)));
    match run.filter(|&run| run <= isize::MAX as usize) {
        Some(_) => Ok(Shape::new(sizes)),
        None => Err(Problem::malformed(format!("shape {} is too large", Shape::new(sizes)))),
    }
}

/// Numbers out of a file.
pub(super) enum Elements {
    F32(Vec<f32>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
}

impl Elements {
    /// Reads and converts `count` little-endian numbers. The caller has made sure that so many are there, rather than
    /// believe a header: memory for all of them is taken at once.
    pub fn read(reader: &mut impl Read, element: Element, count: usize) -> io::Result<Self> {
        let r = reader;
        Ok(match element {
            Element::F16 => Self::F32(read_as(r, count, |b| f16::from_le_bytes(b).to_f32())?),
            Element::Bf16 => Self::F32(read_as(r, count, |b| bf16::from_le_bytes(b).to_f32())?),
            Element::F32 => Self::F32(read_as(r, count, f32::from_le_bytes)?),
            Element::F64 => Self::F32(read_as(r, count, |b| f64::from_le_bytes(b) as f32)?),
            Element::U8 => Self::I64(read_as(r, count, |b| u8::from_le_bytes(b).into())?),
            Element::I8 => Self::I64(read_as(r, count, |b| i8::from_le_bytes(b).into())?),
            Element::I16 => Self::I64(read_as(r, count, |b| i16::from_le_bytes(b).into())?),
            Element::I32 => Self::I64(read_as(r, count, |b| i32::from_le_bytes(b).into())?),
            Element::I64 => Self::I64(read_as(r, count, i64::from_le_bytes)?),
            Element::Bool => Self::Bool(read_as(r, count, |b| u8::from_le_bytes(b) != 0)?),
        })
    }

    /// All of them, in row-major order of `shape`.
    pub fn into_array(self, shape: Shape) -> Array {
        match self {
            Self::F32(v) => Array::from_vec(v, shape),
            Self::I64(v) => Array::from_i64(v, shape),
            Self::Bool(v) => Array::from_bools(v, shape),
        }
    }

    /// Those at `places`, which are in range and as many as `shape` has elements.
    pub fn pick(&self, places: impl Iterator<Item = usize>, shape: Shape) -> Array {
        match self {
            Self::F32(v) => Array::from_vec(places.map(|i| v[i]).collect(), shape),
            Self::I64(v) => Array::from_i64(places.map(|i| v[i]).collect(), shape),
            Self::Bool(v) => Array::from_bools(places.map(|i| v[i]).collect(), shape),
        }
    }
}

fn read_as<const SIZE: usize, T>(
    reader: &mut impl Read,
    count: usize,
    convert: impl Fn([u8; SIZE]) -> T,
) -> io::Result<Vec<T>> {
    const AT_ONCE: usize = 1 << 16;
    let mut values = Vec::with_capacity(count);
    let mut bytes = vec![0; count.min(AT_ONCE) * SIZE];
    while values.len() < count {
        let bytes = &mut bytes[..(count - values.len()).min(AT_ONCE) * SIZE];
        reader.read_exact(bytes)?;
        values.extend(bytes.as_chunks::<SIZE>().0.iter().map(|&b| convert(b)));
    }
    Ok(values)
}

/// Writes an array's numbers little-endian in row-major order.
pub(super) fn write(array: &Array, writer: &mut impl Write) -> io::Result<()> {
    match array.dtype() {
        DType::F32 => write_as(writer, array.contiguous().memory(), |v| v.to_le_bytes()),
        DType::BF16 => write_as(writer, array.contiguous().memory_of::<bf16>(), |v| v.to_le_bytes()),
        DType::I64 => write_as(writer, &array.to_vec_i64(), |v| v.to_le_bytes()),
        DType::Bool => write_as(writer, &array.to_vec_bool(), |v| [u8::from(v)]),
    }
}

fn write_as<const SIZE: usize, T: Copy>(
    writer: &mut impl Write,
    values: &[T],
    convert: impl Fn(T) -> [u8; SIZE],
) -> io::Result<()> {
    for block in values.chunks(1 << 16) {
        let bytes: Vec<[u8; SIZE]> = block.iter().map(|&v| convert(v)).collect();
        writer.write_all(bytes.as_flattened())?;
    }
    Ok(())
}
