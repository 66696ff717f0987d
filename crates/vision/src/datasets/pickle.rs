//! A reader of the pickles in CIFAR's python archives: plain data, and nothing that could be executed.
//!
//! It knows dictionaries, lists, tuples, strings, numbers, and numpy arrays of bytes as numpy pickles them. Any
//! other global name is refused by name; nothing is ever imported or called.

use std::collections::HashMap;

/// A pickled value; strings borrow from the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A byte string or text.
    Bytes(&'a [u8]),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A global name that is part of a numpy array.
    Global(&'static str),
    /// An array of bytes: shape and elements, once its state is known.
    Array(Vec<usize>, &'a [u8]),
}

/// A place in [`Pickle::values`]: values may be shared, so the tree holds numbers.
pub(super) type Id = usize;

/// A whole pickle.
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
}

/// More values than any honest file has: CIFAR's have 30,000.
const MAX_VALUES: usize = 4_000_000;

impl<'a> Pickle<'a> {
    /// Reads a pickle of protocol 0 to 4. The error is the reason alone.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        loop {
            if machine.values.len() > MAX_VALUES || machine.stack.len() > MAX_VALUES {
                return Err("too many values".into());
            }
            if machine.step()? {
                let root = machine.pop()?;
                return Ok(Self { values: machine.values, root });
            }
        }
    }

    /// The value that a top-level dictionary has under `key`.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        let Value::Dict(items) = &self.values[self.root] else { return None };
        let found = items.iter().find(|(k, _)| self.values[*k] == Value::Bytes(key.as_bytes()));
        found.map(|(_, value)| &self.values[*value])
    }

    /// The elements of a list or tuple.
    pub fn items(&self, value: &Value<'a>) -> Option<Vec<&Value<'a>>> {
        match value {
            Value::List(items) | Value::Tuple(items) => {
                Some(items.iter().map(|&id| &self.values[id]).collect())
            }
            _ => None,
        }
    }
}

/// The stack machine that a pickle is a program for.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Executes one instruction; true at the end.
    fn step(&mut self) -> Result<bool, String> {
        let code = self.take(1)?[0];
        match code {
            0x80 => drop(self.take(1)?), // PROTO
            0x95 => drop(self.take(8)?), // FRAME
            b'.' => return Ok(true),     // STOP
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?), // POP
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => {
                let n = self.u32()? as i32;
                self.push(Value::Int(n.into()))
            }
            b'K' => {
                let n = self.take(1)?[0];
                self.push(Value::Int(n.into()))
            }
            b'M' => {
                let n = self.number(2)?;
                self.push(Value::Int(n as i64))
            }
            b'I' => self.text_int()?,
            0x8a => self.long()?,
            b'U' | b'C' | 0x8c => {
                let n = self.number(1)?;
                self.string(n)?
            }
            b'T' | b'B' | b'X' => {
                let n = self.number(4)?;
                self.string(n)?
            }
            0x8e | 0x8d => {
                let n = self.number(8)?;
                self.string(n)?
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            b'd' => {
                let items = self.pop_to_mark()?;
                let pairs = pairs(&items)?;
                self.push(Value::Dict(pairs))
            }
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items))
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items))
            }
            0x85..=0x87 => {
                // TUPLE1, TUPLE2, TUPLE3
                let count = usize::from(code - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or("the stack is empty")?;
                let items = self.stack.split_off(start);
                self.push(Value::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)?
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(vec![key, value])?
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(items)?
            }
            b'q' => {
                let slot = self.number(1)?;
                self.remember(slot as u32)?
            }
            b'r' => {
                let slot = self.u32()?;
                self.remember(slot)?
            }
            0x94 => {
                let slot = self.memo.len() as u32;
                self.remember(slot)?
            }
            b'h' => {
                let slot = self.number(1)?;
                self.recall(slot as u32)?
            }
            b'j' => {
                let slot = self.u32()?;
                self.recall(slot)?
            }
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(module, name)?
            }
            0x93 => {
                // STACK_GLOBAL
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.values[module].clone(), self.values[name].clone()) {
                    (Value::Bytes(module), Value::Bytes(name)) => self.global(module, name)?,
                    _ => return Err("a global name that is no text".into()),
                }
            }
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            other => return Err(format!("instruction 0x{other:02x} at byte {} is not allowed", self.at - 1)),
        }
        Ok(false)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("it ends at byte {}, inside a value", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A little-endian number of up to eight bytes.
    fn number(&mut self, width: usize) -> Result<usize, String> {
        let bytes = self.take(width)?;
        let value = bytes.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        usize::try_from(value).map_err(|_| format!("a length of {value}"))
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(self.number(4)? as u32)
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&byte| byte == b'\n').ok_or("it ends inside a line")?;
        self.at += len + 1;
        Ok(&rest[..len])
    }

    fn text_int(&mut self) -> Result<(), String> {
        let line = String::from_utf8_lossy(self.line()?);
        let number = line.trim().parse().map_err(|_| format!("{line:?} is no number"))?;
        self.push(Value::Int(number));
        Ok(())
    }

    fn long(&mut self) -> Result<(), String> {
        let count = self.number(1)?;
        let bytes = self.take(count)?;
        if count > 8 {
            return Err(format!("a number of {count} bytes"));
        }
        let negative = bytes.last().is_some_and(|&byte| byte & 0x80 != 0);
        let start = if negative { -1i64 } else { 0 };
        self.push(Value::Int(bytes.iter().rev().fold(start, |value, &byte| value << 8 | i64::from(byte))));
        Ok(())
    }

    fn string(&mut self, len: usize) -> Result<(), String> {
        let bytes = self.take(len)?;
        self.push(Value::Bytes(bytes));
        Ok(())
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().ok_or_else(|| "the stack is empty".into())
    }

    fn top(&mut self) -> Result<&mut Value<'a>, String> {
        let id = *self.stack.last().ok_or("the stack is empty")?;
        Ok(&mut self.values[id])
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or("no mark on the stack")?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        match self.top()? {
            Value::List(list) => list.extend(items),
            other => return Err(format!("cannot append to {}", kind(other))),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Id>) -> Result<(), String> {
        let pairs = pairs(&items)?;
        match self.top()? {
            Value::Dict(dict) => dict.extend(pairs),
            other => return Err(format!("cannot set items of {}", kind(other))),
        }
        Ok(())
    }

    fn remember(&mut self, slot: u32) -> Result<(), String> {
        let id = *self.stack.last().ok_or("the stack is empty")?;
        self.memo.insert(slot, id);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), String> {
        let id = *self.memo.get(&slot).ok_or_else(|| format!("nothing remembered as {slot}"))?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &[u8], name: &[u8]) -> Result<(), String> {
        let known = match (module, name) {
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => "_reconstruct",
            (b"numpy", b"ndarray") => "ndarray",
            (b"numpy", b"dtype") => "dtype",
            (b"_codecs", b"encode") => "encode",
            _ => {
                let (module, name) = (String::from_utf8_lossy(module), String::from_utf8_lossy(name));
                return Err(format!("it asks for {module}.{name}, which no CIFAR file needs: not opened"));
            }
        };
        self.push(Value::Global(known));
        Ok(())
    }

    /// What calling a global would make; no call takes place.
    fn reduce(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = self.values[arguments].clone() else {
            return Err("a call without arguments".into());
        };
        let argument = |n: usize| arguments.get(n).map(|&id| self.values[id].clone());
        let made = match self.values[function] {
            Value::Global("_reconstruct") => Value::Array(Vec::new(), &[]),
            Value::Global("dtype") => match argument(0) {
                Some(Value::Bytes(b"u1")) => Value::Global("dtype u1"),
                _ => return Err("an array of another type than bytes".into()),
            },
            // How Python 3 writes byte strings into protocol 2; the text is the bytes where all are ASCII.
            Value::Global("encode") => match argument(0) {
                Some(Value::Bytes(text)) if text.is_ascii() => Value::Bytes(text),
                _ => return Err("a byte string in another encoding than ASCII".into()),
            },
            _ => return Err("a call of something that is no function".into()),
        };
        self.push(made);
        Ok(())
    }

    /// The state of an array: (version, shape, dtype, is_fortran, bytes).
    fn build(&mut self) -> Result<(), String> {
        let state = self.pop()?;
        if matches!(self.top()?, Value::Global("dtype u1")) {
            return Ok(()); // its byte order, which bytes do not have
        }
        let Value::Tuple(state) = self.values[state].clone() else {
            return Err("an array without a state".into());
        };
        let field = |n: usize| state.get(n).map(|&id| &self.values[id]);
        let (
            Some(Value::Tuple(shape)),
            Some(Value::Global("dtype u1")),
            Some(Value::Bool(false) | Value::Int(0)),
            Some(Value::Bytes(data)),
        ) = (field(1), field(2), field(3), field(4))
        else {
            return Err("an array in another form than bytes in row order".into());
        };
        let data = *data;
        let shape: Option<Vec<usize>> = shape
            .iter()
            .map(|&id| if let Value::Int(n) = self.values[id] { usize::try_from(n).ok() } else { None })
            .collect();
        let shape = shape.ok_or("an array of no shape")?;
        let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if size != Some(data.len()) {
            return Err(format!("an array of shape {shape:?} with {} bytes", data.len()));
        }
        match self.top()? {
            array @ Value::Array(..) => *array = Value::Array(shape, data),
            other => return Err(format!("cannot set the state of {}", kind(other))),
        }
        Ok(())
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    let (pairs, rest) = items.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|&[k, v]| (k, v)).collect())
    } else {
        Err("a key without a value".into())
    }
}

fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::None => "nothing",
        Value::Bool(_) | Value::Int(_) => "a number",
        Value::Bytes(_) => "a string",
        Value::Tuple(_) => "a tuple",
        Value::List(_) => "a list",
        Value::Dict(_) => "a dictionary",
        Value::Global(_) => "a type",
        Value::Array(..) => "an array",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        Pickle::read(bytes).err().unwrap()
    }

    #[test]
    fn reads_plain_data() {
        // {b'a': [1, 300, -1], 'b': None} in protocol 2.
        let bytes = b"\x80\x02}q\x00(U\x01a]q\x01(K\x01M\x2c\x01J\xff\xff\xff\xffeX\x01\x00\x00\x00bNu.";
        let pickle = Pickle::read(bytes).unwrap();
        let items = pickle.items(pickle.get("a").unwrap()).unwrap();
        assert_eq!(items, [&Value::Int(1), &Value::Int(300), &Value::Int(-1)]);
        assert_eq!(pickle.get("b"), Some(&Value::None));
        assert_eq!(pickle.get("c"), None);
    }

    #[test]
    fn nothing_is_called() {
        assert!(error(b"cos\nsystem\n(S'true'\ntR.").contains("it asks for os.system"));
        assert!(error(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.").contains("it asks for builtins.eval"));
        assert!(error(b"i__main__\nx\n.").contains("instruction 0x69"));
    }

    #[test]
    fn damaged_files_are_errors() {
        let good = b"\x80\x02}q\x00(U\x01a]q\x01(K\x01M\x2c\x01eX\x01\x00\x00\x00bNu.";
        for cut in 0..good.len() {
            assert!(Pickle::read(&good[..cut]).is_err(), "{cut}");
        }
        for bytes in
            [&b"."[..], b"e.", b"0.", b"h\x05.", b"K\x01K\x02s.", b"(K\x01u.", b"\x87.", b"R.", b"b.", b"}b."]
        {
            error(bytes);
        }
        // A string that claims 2^63 bytes.
        assert!(error(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.").contains("ends at byte"));
    }

    #[test]
    fn every_mutation_of_a_file_is_read_or_refused() {
        let good = b"\x80\x02}q\x00(U\x01a]q\x01(K\x01M\x2c\x01eX\x01\x00\x00\x00bNu.";
        for at in 0..good.len() {
            for byte in 0..=255 {
                let mut bytes = good.to_vec();
                bytes[at] = byte;
                // Must return, not panic or run away.
                let _ = Pickle::read(&bytes);
            }
        }
    }
}
