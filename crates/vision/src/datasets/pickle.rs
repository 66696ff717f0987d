//! What the pickles of CIFAR's python archives refer to: numpy arrays of bytes, as numpy pickles them.

use cresset_nn::weights::pickle::{self, PickleError, Vocabulary};

/// The vocabulary of numpy, as far as bytes go.
pub(super) struct Numpy;

pub(super) type Heap<'a> = pickle::Heap<'a, Numpy>;
pub(super) type Value<'a> = pickle::Value<'a, Global>;

/// The names that an array of bytes needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    Reconstruct,
    NdArray,
    DType,
    Encode,
}

/// What a pickle makes of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object<'a> {
    /// The type of bytes.
    DTypeU8,
    /// Shape and elements, once its state is known.
    Array(Vec<usize>, &'a [u8]),
}

impl Vocabulary for Numpy {
    type Global = Global;
    type Object<'a> = Object<'a>;

    fn global(module: &[u8], name: &[u8]) -> Option<Global> {
        Some(match (module, name) {
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Global::Reconstruct,
            (b"numpy", b"ndarray") => Global::NdArray,
            (b"numpy", b"dtype") => Global::DType,
            (b"_codecs", b"encode") => Global::Encode,
            _ => return None,
        })
    }

    fn call<'a>(
        heap: &mut Heap<'a>,
        function: Global,
        arguments: &[Value<'a>],
    ) -> Result<Value<'a>, PickleError> {
        match (function, arguments) {
            (Global::Reconstruct, _) => Ok(heap.object(Object::Array(Vec::new(), &[]))),
            (Global::DType, [Value::Str(b"u1"), ..]) => Ok(heap.object(Object::DTypeU8)),
            (Global::DType, _) => Err(PickleError::broken("an array of another type than bytes")),
            // How Python 3 writes byte strings into protocol 2; the text is the bytes where all are ASCII.
            (Global::Encode, &[text @ Value::Str(bytes), ..]) if bytes.is_ascii() => Ok(text),
            (Global::Encode, _) => Err(PickleError::broken("a byte string in another encoding than ASCII")),
            (Global::NdArray, _) => Err(PickleError::broken("a call of something that is no function")),
        }
    }

    /// The state of an array: (version, shape, dtype, is_fortran, bytes).
    fn build<'a>(heap: &mut Heap<'a>, made: Value<'a>, state: Value<'a>) -> Result<(), PickleError> {
        let Value::Object(made) = made else { return Err(PickleError::broken("the state of no array")) };
        if heap.objects[made] == Object::DTypeU8 {
            return Ok(()); // its byte order, which bytes do not have
        }
        let &[_, shape, Value::Object(dtype), Value::Bool(false) | Value::Int(0), Value::Str(data)] =
            heap.tuple(state).unwrap_or_default()
        else {
            return Err(PickleError::broken("an array in another form than bytes in row order"));
        };
        if heap.objects[dtype] != Object::DTypeU8 {
            return Err(PickleError::broken("an array of another type than bytes"));
        }
        let shape = heap.sizes(shape).ok_or_else(|| PickleError::broken("an array of no shape"))?;
        let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if size != Some(data.len()) {
            let reason = format!("an array of shape {shape:?} with {} bytes", data.len());
            return Err(PickleError::Broken(reason));
        }
        heap.objects[made] = Object::Array(shape, data);
        Ok(())
    }

    fn persistent<'a>(_: &mut Heap<'a>, _: Value<'a>) -> Result<Value<'a>, PickleError> {
        Err(PickleError::ForeignInstruction(b'Q'))
    }
}

/// Reads a pickle; the error is the reason alone.
pub(super) fn read(bytes: &[u8]) -> Result<(Heap<'_>, Value<'_>), String> {
    pickle::load::<Numpy>(bytes).map_err(|error| match error {
        PickleError::ForeignGlobal(name) => {
            format!("it asks for {name}, which no CIFAR file needs: not opened")
        }
        other => other.to_string(),
    })
}

/// The shape and the elements of an array.
pub(super) fn array<'h, 'a>(heap: &'h Heap<'a>, value: Value<'a>) -> Option<(&'h [usize], &'a [u8])> {
    match value {
        Value::Object(at) => match &heap.objects[at] {
            Object::Array(shape, data) => Some((shape, data)),
            Object::DTypeU8 => None,
        },
        _ => None,
    }
}
