//! What the pickle of a state dict refers to: tensors, and the storages that they look into.

use crate::weights::element::Element;
use crate::weights::pickle::{self, PickleError, Vocabulary};

/// The vocabulary of `torch.save`.
pub(super) struct Torch;

pub(super) type Heap<'a> = pickle::Heap<'a, Torch>;
pub(super) type Value<'a> = pickle::Value<'a, Class>;

/// The few Python classes and functions that a state dict asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Class {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// `None` for numbers that no array holds: complex ones.
    Storage(Option<Element>),
}

/// What a pickle makes of them.
pub(super) enum Object<'a> {
    Storage(Storage<'a>),
    Tensor(Tensor<'a>),
}

/// A run of numbers in the archive, which tensors look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Storage<'a> {
    /// The entry's name below `data/`.
    pub key: &'a str,
    /// `None` for complex numbers.
    pub element: Option<Element>,
    /// Numbers in it.
    pub count: usize,
}

/// A tensor: a storage seen through sizes and strides, all within its bounds.
#[derive(Clone, Debug)]
pub(super) struct Tensor<'a> {
    pub storage: Storage<'a>,
    pub offset: usize,
    pub sizes: Vec<usize>,
    pub strides: Vec<usize>,
}

impl Vocabulary for Torch {
    type Global = Class;
    type Object<'a> = Object<'a>;

    fn global(module: &[u8], name: &[u8]) -> Option<Class> {
        let element = match (module, name) {
            (b"collections", b"OrderedDict") => return Some(Class::OrderedDict),
            (b"torch._utils", b"_rebuild_tensor_v2") => return Some(Class::RebuildTensor),
            (b"torch._utils", b"_rebuild_parameter") => return Some(Class::RebuildParameter),
            (b"torch", b"HalfStorage") => Element::F16,
            (b"torch", b"BFloat16Storage") => Element::Bf16,
            (b"torch", b"FloatStorage") => Element::F32,
            (b"torch", b"DoubleStorage") => Element::F64,
            (b"torch", b"ByteStorage") => Element::U8,
            (b"torch", b"CharStorage") => Element::I8,
            (b"torch", b"ShortStorage") => Element::I16,
            (b"torch", b"IntStorage") => Element::I32,
            (b"torch", b"LongStorage") => Element::I64,
            (b"torch", b"BoolStorage") => Element::Bool,
            (b"torch", b"ComplexFloatStorage" | b"ComplexDoubleStorage") => {
                return Some(Class::Storage(None));
            }
            _ => return None,
        };
        Some(Class::Storage(Some(element)))
    }

    fn call<'a>(
        heap: &mut Heap<'a>,
        function: Class,
        arguments: &[Value<'a>],
    ) -> Result<Value<'a>, PickleError> {
        match (function, arguments) {
            (Class::OrderedDict, []) => Ok(heap.dict()),
            // (data, requires_grad, backward_hooks)
            (Class::RebuildParameter, &[data, ..]) if tensor(heap, data).is_some() => Ok(data),
            // (storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata)
            (Class::RebuildTensor, &[Value::Object(storage), Value::Int(offset), sizes, strides, ..]) => {
                let Object::Storage(storage) = heap.objects[storage] else {
                    return Err(PickleError::broken("a tensor looks into what is no storage"));
                };
                let (Ok(offset), Some(sizes), Some(strides)) =
                    (usize::try_from(offset), heap.sizes(sizes), heap.sizes(strides))
                else {
                    return Err(PickleError::broken("a tensor has no proper sizes"));
                };
                let tensor = Tensor { storage, offset, sizes, strides };
                if !tensor.fits() {
                    return Err(PickleError::broken("a tensor reaches beyond its storage"));
                }
                Ok(heap.object(Object::Tensor(tensor)))
            }
            _ => Err(PickleError::broken("a function has the wrong arguments")),
        }
    }

    /// The state of an OrderedDict is PyTorch's `_metadata`: version numbers of modules.
    fn build<'a>(_: &mut Heap<'a>, made: Value<'a>, _: Value<'a>) -> Result<(), PickleError> {
        match made {
            Value::Dict(_) => Ok(()),
            _ => Err(PickleError::broken("something other than a dict has attributes")),
        }
    }

    /// ("storage", class, key, device, number of elements).
    fn persistent<'a>(heap: &mut Heap<'a>, id: Value<'a>) -> Result<Value<'a>, PickleError> {
        let Some(
            &[
                Value::Str(b"storage"),
                Value::Global(Class::Storage(element)),
                Value::Str(key),
                _,
                Value::Int(count),
            ],
        ) = heap.tuple(id)
        else {
            return Err(PickleError::broken("a persistent id is of no storage"));
        };
        match (std::str::from_utf8(key), usize::try_from(count)) {
            (Ok(key), Ok(count)) if key.len() <= MAX_KEY => {
                Ok(heap.object(Object::Storage(Storage { key, element, count })))
            }
            _ => Err(PickleError::broken("a persistent id is of no storage")),
        }
    }
}

/// PyTorch numbers its storages.
const MAX_KEY: usize = 256;

/// The tensor that a value stands for.
pub(super) fn tensor<'h, 'a>(heap: &'h Heap<'a>, value: Value<'a>) -> Option<&'h Tensor<'a>> {
    match value {
        Value::Object(at) => match &heap.objects[at] {
            Object::Tensor(tensor) => Some(tensor),
            Object::Storage(_) => None,
        },
        _ => None,
    }
}

impl Tensor<'_> {
    /// The number of elements, if that is a number at all.
    pub fn count(&self) -> Option<usize> {
        self.sizes.iter().try_fold(1, |n: usize, &size| n.checked_mul(size))
    }

    /// Whether every element lies in the storage.
    fn fits(&self) -> bool {
        let last = self.sizes.iter().zip(&self.strides).try_fold(self.offset, |at, (&size, &stride)| {
            at.checked_add(size.checked_sub(1)?.checked_mul(stride)?)
        });
        self.sizes.len() == self.strides.len()
            && (self.count() == Some(0) || last.is_some_and(|last| last < self.storage.count))
    }

    /// Whether this is the whole storage, in row-major order.
    pub fn is_whole(&self) -> bool {
        let mut run = 1usize;
        let contiguous = self.sizes.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
            let joins = size == 1 || stride == run;
            run = run.saturating_mul(size.max(1));
            joins
        });
        self.offset == 0 && contiguous && self.count() == Some(self.storage.count)
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
