//! A pickle reader that knows only tensors and plain data.
//!
//! A pickle is a program for a small stack machine. The instructions that Python's `pickle` writes for a state dict
//! (protocols 2 to 5) are understood; none of them can call anything but the handful of names in [`Class`], and of
//! those only what they describe is noted. Memory is bounded by a small multiple of the pickle's size.

use super::heap::{Class, Heap, Storage, Tensor, Value};
use crate::weights::Problem;
use std::collections::HashMap;

/// Runs a pickle to its end; gives the value it leaves.
pub(super) fn load(bytes: &[u8]) -> Result<(Heap, Value), Problem> {
    let mut machine = Machine {
        input: bytes,
        heap: Heap::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let op = machine.byte()?;
        if op == b'.' {
            let value = machine.pop()?;
            return Ok((machine.heap, value));
        }
        machine.step(op)?;
    }
}

struct Machine<'a> {
    /// What is left to run.
    input: &'a [u8],
    heap: Heap,
    stack: Vec<Value>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
}

fn malformed<T>(what: &str) -> Result<T, Problem> {
    Err(Problem::malformed(format!("its pickle is broken: {what}")))
}

impl Machine<'_> {
    /// Runs one instruction.
    fn step(&mut self, op: u8) -> Result<(), Problem> {
        match op {
            // Protocol and frame lengths are of no interest.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),

            b'N' => self.stack.push(Value::None),
            0x88 | 0x89 => self.stack.push(Value::Bool),
            b'J' => {
                let n = i32::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(n.into()));
            }
            b'K' => {
                let n = self.byte()?;
                self.stack.push(Value::Int(n.into()));
            }
            b'M' => {
                let n = u16::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(n.into()));
            }
            0x8a => {
                let length = self.byte()?;
                self.long(length.into())?;
            }
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Float);
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.string(length.into())?;
            }
            0x8c => {
                let length = self.byte()?;
                self.string(length.into())?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.string(length)?;
            }

            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }

            b')' => self.push_tuple(Vec::new()),
            0x85..=0x87 => {
                let at = self.stack.len().checked_sub(usize::from(op - 0x84));
                let Some(at) = at.filter(|&at| at >= self.floor()) else {
                    return malformed("stack underflow");
                };
                let items = self.stack.split_off(at);
                self.push_tuple(items);
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push_tuple(items);
            }

            b']' => self.stack.push(Value::List),
            b'l' => {
                self.pop_mark()?;
                self.stack.push(Value::List);
            }
            b'a' => drop(self.pop()?),
            b'e' => drop(self.pop_mark()?),

            b'}' => {
                let dict = self.heap.dict();
                self.stack.push(dict);
            }
            b'd' => {
                let items = self.pop_mark()?;
                let dict = self.heap.dict();
                self.stack.push(dict);
                self.set_items(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(items)?;
            }

            b'q' => {
                let at = self.byte()?;
                self.memorize(at.into())?;
            }
            b'r' => {
                let at = u32::from_le_bytes(self.array()?);
                self.memorize(at)?;
            }
            0x94 => self.memorize(self.memo.len() as u32)?,
            b'h' => {
                let at = self.byte()?;
                self.recall(at.into())?;
            }
            b'j' => {
                let at = u32::from_le_bytes(self.array()?);
                self.recall(at)?;
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.class(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.heap.str(module), self.heap.str(name)) {
                    (Some(module), Some(name)) => {
                        let (module, name) = (module.to_owned(), name.to_owned());
                        self.class(&module, &name)?;
                    }
                    _ => return malformed("a class has no name"),
                }
            }
            b'R' => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                let value = self.call(callee, arguments)?;
                self.stack.push(value);
            }
            // The state of an OrderedDict is PyTorch's `_metadata`: version numbers of modules.
            b'b' => {
                self.pop()?;
                if !matches!(self.top()?, Value::Dict(_)) {
                    return malformed("something other than a dict has attributes");
                }
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(id)?;
                self.stack.push(storage);
            }
            op => {
                return Err(Problem::Unsupported(format!(
                    "its pickle has the instruction {:?} (0x{op:02x}), which no state dict needs; save \
                     model.state_dict() alone, with torch.save(model.state_dict(), path)",
                    char::from(op)
                )));
            }
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&[u8], Problem> {
        let Some((taken, rest)) = self.input.split_at_checked(length) else {
            return malformed("it ends too early");
        };
        self.input = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Problem> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        Ok(self.take(N)?.try_into().expect("took N bytes"))
    }

    fn line(&mut self) -> Result<String, Problem> {
        let Some(length) = self.input.iter().position(|&b| b == b'\n') else {
            return malformed("a name does not end");
        };
        let line = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    fn string(&mut self, length: u64) -> Result<(), Problem> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let string = String::from_utf8_lossy(self.take(length)?).into_owned();
        let value = self.heap.string(string);
        self.stack.push(value);
        Ok(())
    }

    /// A little-endian two's complement integer. Sizes are never longer than 8 bytes; what is (the state of a random
    /// generator, say) is of no interest.
    fn long(&mut self, length: usize) -> Result<(), Problem> {
        let digits = self.take(length)?;
        let value = if length > 8 {
            Value::None
        } else {
            let sign = if digits.last().is_some_and(|d| d & 0x80 != 0) { 0xff } else { 0 };
            let mut bytes = [sign; 8];
            bytes[..length].copy_from_slice(digits);
            Value::Int(i64::from_le_bytes(bytes))
        };
        self.stack.push(value);
        Ok(())
    }

    /// The stack below the last mark is out of reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Value, Problem> {
        match self.stack.pop() {
            Some(value) if self.stack.len() >= self.floor() => Ok(value),
            _ => malformed("stack underflow"),
        }
    }

    fn top(&self) -> Result<Value, Problem> {
        match self.stack.last() {
            Some(&value) if self.stack.len() > self.floor() => Ok(value),
            _ => malformed("stack underflow"),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<Value>, Problem> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => malformed("no mark"),
        }
    }

    fn push_tuple(&mut self, items: Vec<Value>) {
        let tuple = self.heap.tuple(items);
        self.stack.push(tuple);
    }

    fn set_items(&mut self, items: Vec<Value>) -> Result<(), Problem> {
        let Value::Dict(dict) = self.top()? else { return malformed("items are put into what is no dict") };
        if !items.len().is_multiple_of(2) {
            return malformed("a key without a value");
        }
        self.heap.dicts[dict].extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    fn memorize(&mut self, at: u32) -> Result<(), Problem> {
        let top = self.top()?;
        self.memo.insert(at, top);
        Ok(())
    }

    fn recall(&mut self, at: u32) -> Result<(), Problem> {
        match self.memo.get(&at) {
            Some(&value) => self.stack.push(value),
            None => return malformed("it refers to what it never made"),
        }
        Ok(())
    }

    fn class(&mut self, module: &str, name: &str) -> Result<(), Problem> {
        match Class::named(module, name) {
            Some(class) => self.stack.push(Value::Class(class)),
            None => return Err(Problem::ForeignClass(printable(&format!("{module}.{name}")))),
        }
        Ok(())
    }

    fn call(&mut self, callee: Value, arguments: Value) -> Result<Value, Problem> {
        let Value::Class(class) = callee else { return malformed("it calls what cannot be called") };
        let Some(arguments) = self.heap.items(arguments) else { return malformed("arguments are no tuple") };
        match (class, arguments) {
            (Class::OrderedDict, []) => Ok(self.heap.dict()),
            // (data, requires_grad, backward_hooks)
            (Class::RebuildParameter, &[tensor @ Value::Tensor(_), ..]) => Ok(tensor),
            // (storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata)
            (Class::RebuildTensor, &[Value::Storage(storage), Value::Int(offset), sizes, strides, ..]) => {
                let (Ok(offset), Some(sizes), Some(strides)) =
                    (usize::try_from(offset), self.heap.sizes(sizes), self.heap.sizes(strides))
                else {
                    return malformed("a tensor has no proper sizes");
                };
                let tensor = Tensor { storage, offset, sizes, strides };
                if tensor.sizes.len() != tensor.strides.len()
                    || !tensor.fits(self.heap.storages[storage].count)
                {
                    return malformed("a tensor reaches beyond its storage");
                }
                self.heap.tensors.push(tensor);
                Ok(Value::Tensor(self.heap.tensors.len() - 1))
            }
            _ => malformed("a function has the wrong arguments"),
        }
    }

    /// A persistent id: ("storage", class, key, device, number of elements).
    fn storage(&mut self, id: Value) -> Result<Value, Problem> {
        let heap = &mut self.heap;
        let storage = match heap.items(id) {
            Some(&[kind, Value::Class(Class::Storage(element)), Value::Str(key), _, Value::Int(count)])
                if heap.str(kind) == Some("storage") =>
            {
                usize::try_from(count).ok().map(|count| Storage { key, element, count })
            }
            _ => None,
        };
        let Some(storage) = storage else { return malformed("a persistent id is of no storage") };
        heap.storages.push(storage);
        Ok(Value::Storage(heap.storages.len() - 1))
    }
}

/// A name out of a file, fit for a terminal: short, and without control characters.
fn printable(name: &str) -> String {
    name.chars().take(120).flat_map(char::escape_debug).collect()
}
