//! A reader of Python pickles that can make plain data and nothing else.
//!
//! A pickle is a program for a small stack machine. The instructions that Python's `pickle` writes for data
//! (protocols 0 to 5) are understood: dictionaries, lists, tuples, strings, numbers. What else a file may name (the
//! tensors of PyTorch, the arrays of numpy) is a [`Vocabulary`]: it says what a name stands for and what a call of it
//! *would* make. Every other name is refused, and nothing is ever imported or called.
//!
//! Values are small and copied freely; what they refer to lives in a [`Heap`] by index. A pickle may share and nest
//! things as deeply as it likes, or into a circle, without references to follow or drop. Memory is bounded: at most
//! half a million instructions are run, and each makes at most one value.

mod machine;

use std::fmt::Debug;

/// What a pickle may refer to beside plain data.
pub trait Vocabulary: Sized {
    /// A class or function that is known.
    type Global: Copy + Debug + PartialEq;
    /// What calling one would make.
    type Object<'a>;

    /// What `module.name` stands for, if it is known.
    fn global(module: &[u8], name: &[u8]) -> Option<Self::Global>;

    /// What calling `function` would make.
    ///
    /// # Errors
    /// If it does not take such arguments.
    fn call<'a>(
        heap: &mut Heap<'a, Self>,
        function: Self::Global,
        arguments: &[Value<'a, Self::Global>],
    ) -> Result<Value<'a, Self::Global>, PickleError>;

    /// Gives something that was made its state (`__setstate__`).
    ///
    /// # Errors
    /// If it has no such state.
    fn build<'a>(
        heap: &mut Heap<'a, Self>,
        made: Value<'a, Self::Global>,
        state: Value<'a, Self::Global>,
    ) -> Result<(), PickleError>;

    /// What a persistent id stands for.
    ///
    /// # Errors
    /// If it stands for nothing.
    fn persistent<'a>(
        heap: &mut Heap<'a, Self>,
        id: Value<'a, Self::Global>,
    ) -> Result<Value<'a, Self::Global>, PickleError>;
}

/// A pickled value; strings borrow from the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a, G> {
    /// `None`, and numbers of no interest: integers of more than 64 bits.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number; which one, nobody asks.
    Float,
    /// Text or bytes.
    Str(&'a [u8]),
    /// A tuple: index into [`Heap::sequences`].
    Tuple(usize),
    /// A list: index into [`Heap::sequences`].
    List(usize),
    /// A dictionary: index into [`Heap::dicts`].
    Dict(usize),
    /// A class or function.
    Global(G),
    /// Index into [`Heap::objects`].
    Object(usize),
}

/// What values refer to.
pub struct Heap<'a, V: Vocabulary> {
    /// The elements of tuples and lists.
    pub sequences: Vec<Vec<Value<'a, V::Global>>>,
    /// The entries of dictionaries, in the order in which they were set.
    pub dicts: Vec<Vec<Entry<'a, V>>>,
    /// What calls would have made.
    pub objects: Vec<V::Object<'a>>,
}

/// A key and its value.
pub type Entry<'a, V> = (Value<'a, <V as Vocabulary>::Global>, Value<'a, <V as Vocabulary>::Global>);

impl<'a, V: Vocabulary> Heap<'a, V> {
    /// A new empty dictionary.
    pub fn dict(&mut self) -> Value<'a, V::Global> {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() - 1)
    }

    /// A new object.
    pub fn object(&mut self, object: V::Object<'a>) -> Value<'a, V::Global> {
        self.objects.push(object);
        Value::Object(self.objects.len() - 1)
    }

    /// The elements of a tuple.
    pub fn tuple(&self, value: Value<'a, V::Global>) -> Option<&[Value<'a, V::Global>]> {
        match value {
            Value::Tuple(at) => Some(&self.sequences[at]),
            _ => None,
        }
    }

    /// The elements of a tuple or list.
    pub fn items(&self, value: Value<'a, V::Global>) -> Option<&[Value<'a, V::Global>]> {
        match value {
            Value::Tuple(at) | Value::List(at) => Some(&self.sequences[at]),
            _ => None,
        }
    }

    /// A tuple of sizes or strides, of no more dimensions than any array has.
    pub fn sizes(&self, value: Value<'a, V::Global>) -> Option<Vec<usize>> {
        let items = self.tuple(value).filter(|items| items.len() <= 16)?;
        let size = |&item: &_| if let Value::Int(n) = item { usize::try_from(n).ok() } else { None };
        items.iter().map(size).collect()
    }

    /// What a dictionary has under a name; of several, the one that was set last.
    pub fn get(&self, dict: Value<'a, V::Global>, name: &str) -> Option<Value<'a, V::Global>> {
        let Value::Dict(at) = dict else { return None };
        let found = self.dicts[at].iter().rfind(|(key, _)| *key == Value::Str(name.as_bytes()));
        found.map(|&(_, value)| value)
    }
}

/// Why a pickle is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// It asks for a class or function that is none of the vocabulary's.
    #[error("it asks for {0}")]
    ForeignGlobal(String),
    /// It has an instruction that plain data do not need.
    #[error("it has the instruction {:?} (0x{_0:02x})", char::from(*_0))]
    ForeignInstruction(u8),
    /// It is no proper program, or too long.
    #[error("{0}")]
    Broken(String),
}

impl PickleError {
    /// For what makes no sense.
    pub fn broken(what: impl Into<String>) -> Self {
        PickleError::Broken(what.into())
    }
}

/// Runs a pickle to its end; gives the value that it leaves.
///
/// # Errors
/// If it is broken, too long, or asks for what is not in the vocabulary.
pub fn load<V: Vocabulary>(bytes: &[u8]) -> Result<(Heap<'_, V>, Value<'_, V::Global>), PickleError> {
    machine::run(bytes)
}
