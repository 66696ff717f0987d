//! What a pickle can make here: plain data and descriptions of tensors.
//!
//! Values are small and copied freely; what they refer to lives in a [`Heap`] by index. A pickle may share and
//! nest things as deeply as it likes, or into a circle, without references to follow or drop.

use crate::weights::element::Element;

/// A pickled value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// `None`, and what state dicts hold beside tensors without meaning for a model.
    None,
    Bool,
    Int(i64),
    Float,
    /// Index into [`Heap::strings`].
    Str(usize),
    /// Index into [`Heap::tuples`].
    Tuple(usize),
    /// The elements of a list are never needed.
    List,
    /// Index into [`Heap::dicts`].
    Dict(usize),
    Class(Class),
    /// Index into [`Heap::storages`].
    Storage(usize),
    /// Index into [`Heap::tensors`].
    Tensor(usize),
}

/// The few Python classes and functions that a state dict asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Class {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// `None` for numbers that no array holds: complex ones.
    Storage(Option<Element>),
}

impl Class {
    pub fn named(module: &str, name: &str) -> Option<Self> {
        let element = match (module, name) {
            ("collections", "OrderedDict") => return Some(Class::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => return Some(Class::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => return Some(Class::RebuildParameter),
            ("torch", "HalfStorage") => Element::F16,
            ("torch", "BFloat16Storage") => Element::Bf16,
            ("torch", "FloatStorage") => Element::F32,
            ("torch", "DoubleStorage") => Element::F64,
            ("torch", "ByteStorage") => Element::U8,
            ("torch", "CharStorage") => Element::I8,
            ("torch", "ShortStorage") => Element::I16,
            ("torch", "IntStorage") => Element::I32,
            ("torch", "LongStorage") => Element::I64,
            ("torch", "BoolStorage") => Element::Bool,
            ("torch", "ComplexFloatStorage" | "ComplexDoubleStorage") => return Some(Class::Storage(None)),
            _ => return None,
        };
        Some(Class::Storage(Some(element)))
    }
}

/// A run of numbers in the archive, which tensors look into.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// The entry's name below `data/`: index into [`Heap::strings`], because a hostile pickle may name it often.
    pub key: usize,
    /// `None` for complex numbers.
    pub element: Option<Element>,
    /// Numbers in it.
    pub count: usize,
}

/// A tensor: a storage seen through sizes and strides, all within its bounds.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// Index into [`Heap::storages`].
    pub storage: usize,
    pub offset: usize,
    pub sizes: Vec<usize>,
    pub strides: Vec<usize>,
}

impl Tensor {
    /// The number of elements, if that is a number at all.
    pub fn count(&self) -> Option<usize> {
        self.sizes.iter().try_fold(1, |n: usize, &size| n.checked_mul(size))
    }

    /// Whether every element lies in a storage of `count` numbers.
    pub fn fits(&self, count: usize) -> bool {
        let last = self.sizes.iter().zip(&self.strides).try_fold(self.offset, |at, (&size, &stride)| {
            at.checked_add(size.checked_sub(1)?.checked_mul(stride)?)
        });
        self.count() == Some(0) || last.is_some_and(|last| last < count)
    }

    /// Whether this is `count` numbers of the storage from its start, in row-major order.
    pub fn is_whole(&self, count: usize) -> bool {
        let mut run = 1;
        let contiguous = self.sizes.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
            let joins = size == 1 || stride == run;
            run *= size.max(1);
            joins
        });
        self.offset == 0 && contiguous && self.count() == Some(count)
    }

    /// The places of the elements in the storage, in row-major order.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        let count = self.count().unwrap_or(0);
        (0..count).map(|mut index| {
            let mut place = self.offset;
            for (&size, &stride) in self.sizes.iter().zip(&self.strides).rev() {
                place += index % size * stride;
                index /= size;
            }
            place
        })
    }
}

/// What values refer to.
#[derive(Debug, Default)]
pub(super) struct Heap {
    pub strings: Vec<String>,
    pub tuples: Vec<Vec<Value>>,
    pub dicts: Vec<Vec<(Value, Value)>>,
    pub storages: Vec<Storage>,
    pub tensors: Vec<Tensor>,
}

impl Heap {
    pub fn string(&mut self, s: String) -> Value {
        self.strings.push(s);
        Value::Str(self.strings.len() - 1)
    }

    pub fn tuple(&mut self, items: Vec<Value>) -> Value {
        self.tuples.push(items);
        Value::Tuple(self.tuples.len() - 1)
    }

    pub fn dict(&mut self) -> Value {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() - 1)
    }

    pub fn str(&self, value: Value) -> Option<&str> {
        match value {
            Value::Str(at) => Some(&self.strings[at]),
            _ => None,
        }
    }

    pub fn items(&self, value: Value) -> Option<&[Value]> {
        match value {
            Value::Tuple(at) => Some(&self.tuples[at]),
            _ => None,
        }
    }

    /// A tuple of sizes or strides, of no more dimensions than any tensor has.
    pub fn sizes(&self, value: Value) -> Option<Vec<usize>> {
        self.items(value)
            .filter(|items| items.len() <= 16)?
            .iter()
            .map(|&item| match item {
                Value::Int(n) => usize::try_from(n).ok(),
                _ => None,
            })
            .collect()
    }
}
