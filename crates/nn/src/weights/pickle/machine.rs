//! The stack machine that a pickle is a program for.

use super::{Heap, PickleError, Value, Vocabulary};
use std::collections::HashMap;

/// More instructions than an honest file has: some 50 a tensor, 4 a picture of CIFAR's 50,000.
const MAX_INSTRUCTIONS: usize = 1 << 19;

/// No function that is known takes more arguments. They are copied, so that many would be a trap.
const MAX_ARGUMENTS: usize = 16;

pub(super) fn run<V: Vocabulary>(bytes: &[u8]) -> Result<(Heap<'_, V>, Value<'_, V::Global>), PickleError> {
    let heap = Heap { sequences: Vec::new(), dicts: Vec::new(), objects: Vec::new() };
    let mut machine =
        Machine::<V> { input: bytes, heap, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    for _ in 0..MAX_INSTRUCTIONS {
        let op = machine.byte()?;
        if op == b'.' {
            let value = machine.pop()?;
            return Ok((machine.heap, value));
        }
        machine.step(op)?;
    }
    broken(&format!("it has more than {MAX_INSTRUCTIONS} instructions"))
}

struct Machine<'a, V: Vocabulary> {
    /// What is left to run.
    input: &'a [u8],
    heap: Heap<'a, V>,
    stack: Vec<Value<'a, V::Global>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a, V::Global>>,
}

type Items<'a, V> = Vec<Value<'a, <V as Vocabulary>::Global>>;

fn broken<T>(what: &str) -> Result<T, PickleError> {
    Err(PickleError::broken(what))
}

impl<'a, V: Vocabulary> Machine<'a, V> {
    /// Runs one instruction.
    fn step(&mut self, op: u8) -> Result<(), PickleError> {
        match op {
            // Protocol and frame lengths are of no interest.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),

            b'N' => self.stack.push(Value::None),
            0x88 | 0x89 => self.stack.push(Value::Bool(op == 0x88)),
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
            b'I' => self.text_int()?,
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Float);
            }
            b'U' | b'C' | 0x8c => {
                let length = self.byte()?;
                self.string(length.into())?;
            }
            b'T' | b'B' | b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.string(length.into())?;
            }
            0x8d | 0x8e => {
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
                    return broken("stack underflow");
                };
                let items = self.stack.split_off(at);
                self.push_tuple(items);
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push_tuple(items);
            }

            b']' => self.push_list(Vec::new()),
            b'l' => {
                let items = self.pop_mark()?;
                self.push_list(items);
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(&items)?;
            }

            b'}' => {
                let dict = self.heap.dict();
                self.stack.push(dict);
            }
            b'd' => {
                let items = self.pop_mark()?;
                let dict = self.heap.dict();
                self.stack.push(dict);
                self.set_items(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
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
                self.global(module, name)?;
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Str(name), Value::Str(module)) => self.global(module, name)?,
                _ => return broken("a class has no name"),
            },
            b'R' => self.call()?,
            b'b' => {
                let state = self.pop()?;
                let made = self.top()?;
                V::build(&mut self.heap, made, state)?;
            }
            b'Q' => {
                let id = self.pop()?;
                let value = V::persistent(&mut self.heap, id)?;
                self.stack.push(value);
            }
            op => return Err(PickleError::ForeignInstruction(op)),
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let Some((taken, rest)) = self.input.split_at_checked(length) else {
            return broken("it ends too early");
        };
        self.input = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        Ok(self.take(N)?.try_into().expect("took N bytes"))
    }

    fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let Some(length) = self.input.iter().position(|&b| b == b'\n') else {
            return broken("a name does not end");
        };
        let line = self.take(length)?;
        self.take(1)?;
        Ok(line)
    }

    fn string(&mut self, length: u64) -> Result<(), PickleError> {
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        self.stack.push(Value::Str(bytes));
        Ok(())
    }

    /// An integer in decimal, as protocol 0 has it.
    fn text_int(&mut self) -> Result<(), PickleError> {
        let number = std::str::from_utf8(self.line()?).ok().and_then(|line| line.trim().parse().ok());
        let Some(number) = number else { return broken("an integer is none") };
        self.stack.push(Value::Int(number));
        Ok(())
    }

    /// A little-endian two's complement integer. Sizes are never longer than 8 bytes; what is (the state of a random
    /// generator, say) is of no interest.
    fn long(&mut self) -> Result<(), PickleError> {
        let length = usize::from(self.byte()?);
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

    fn pop(&mut self) -> Result<Value<'a, V::Global>, PickleError> {
        match self.stack.pop() {
            Some(value) if self.stack.len() >= self.floor() => Ok(value),
            _ => broken("stack underflow"),
        }
    }

    fn top(&self) -> Result<Value<'a, V::Global>, PickleError> {
        match self.stack.last() {
            Some(&value) if self.stack.len() > self.floor() => Ok(value),
            _ => broken("stack underflow"),
        }
    }

    fn pop_mark(&mut self) -> Result<Items<'a, V>, PickleError> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => broken("no mark"),
        }
    }

    fn push_tuple(&mut self, items: Items<'a, V>) {
        self.heap.sequences.push(items);
        self.stack.push(Value::Tuple(self.heap.sequences.len() - 1));
    }

    fn push_list(&mut self, items: Items<'a, V>) {
        self.heap.sequences.push(items);
        self.stack.push(Value::List(self.heap.sequences.len() - 1));
    }

    fn append(&mut self, items: &[Value<'a, V::Global>]) -> Result<(), PickleError> {
        let Value::List(list) = self.top()? else { return broken("items are appended to what is no list") };
        self.heap.sequences[list].extend_from_slice(items);
        Ok(())
    }

    fn set_items(&mut self, items: &[Value<'a, V::Global>]) -> Result<(), PickleError> {
        let Value::Dict(dict) = self.top()? else { return broken("items are put into what is no dict") };
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return broken("a key without a value");
        }
        self.heap.dicts[dict].extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn memorize(&mut self, at: u32) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(at, top);
        Ok(())
    }

    fn recall(&mut self, at: u32) -> Result<(), PickleError> {
        match self.memo.get(&at) {
            Some(&value) => self.stack.push(value),
            None => return broken("it refers to what it never made"),
        }
        Ok(())
    }

    fn global(&mut self, module: &[u8], name: &[u8]) -> Result<(), PickleError> {
        match V::global(module, name) {
            Some(global) => self.stack.push(Value::Global(global)),
            None => return Err(PickleError::ForeignGlobal(printable(&[module, b".", name].concat()))),
        }
        Ok(())
    }

    /// What a call would make; no call takes place.
    fn call(&mut self) -> Result<(), PickleError> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Value::Global(function) = callee else { return broken("it calls what cannot be called") };
        let Some(arguments) = self.heap.tuple(arguments) else { return broken("arguments are no tuple") };
        if arguments.len() > MAX_ARGUMENTS {
            return broken("a function has the wrong arguments");
        }
        let arguments = arguments.to_vec();
        let made = V::call(&mut self.heap, function, &arguments)?;
        self.stack.push(made);
        Ok(())
    }
}

/// A name out of a file, fit for a terminal: short, and without control characters.
fn printable(name: &[u8]) -> String {
    let name = &name[..name.len().min(480)];
    String::from_utf8_lossy(name).chars().take(120).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain data only.
    struct Nothing;

    impl Vocabulary for Nothing {
        type Global = ();
        type Object<'a> = ();

        fn global(_: &[u8], _: &[u8]) -> Option<()> {
            None
        }
        fn call<'a>(
            _: &mut Heap<'a, Self>,
            (): (),
            _: &[Value<'a, ()>],
        ) -> Result<Value<'a, ()>, PickleError> {
            broken("no calls")
        }
        fn build<'a>(_: &mut Heap<'a, Self>, _: Value<'a, ()>, _: Value<'a, ()>) -> Result<(), PickleError> {
            broken("no states")
        }
        fn persistent<'a>(_: &mut Heap<'a, Self>, _: Value<'a, ()>) -> Result<Value<'a, ()>, PickleError> {
            broken("no ids")
        }
    }

    fn error(bytes: &[u8]) -> String {
        run::<Nothing>(bytes).err().unwrap().to_string()
    }

    #[test]
    fn plain_data_of_every_protocol() {
        // {b'a': [1, 300, -1], 'b': None}
        for bytes in [
            &b"\x80\x02}q\x00(U\x01a]q\x01(K\x01M\x2c\x01J\xff\xff\xff\xffeX\x01\x00\x00\x00bNu."[..],
            b"(U\x01a(I1\nI300\nI-1\nlU\x01bNd.",
            b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94(C\x01a]\x94(K\x01M\x2c\x01\x8a\x01\xffe\x8c\x01b\x94Nu.",
        ] {
            let (heap, value) = run::<Nothing>(bytes).unwrap();
            let list = heap.get(value, "a").unwrap();
            assert_eq!(heap.items(list).unwrap(), [Value::Int(1), Value::Int(300), Value::Int(-1)]);
            assert_eq!(heap.get(value, "b"), Some(Value::None));
            assert_eq!(heap.get(value, "c"), None);
        }
    }

    #[test]
    fn nothing_is_called() {
        assert_eq!(error(b"cos\nsystem\n(S'true'\ntR."), "it asks for os.system");
        assert_eq!(error(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93."), "it asks for builtins.eval");
        assert_eq!(error(b"(i__main__\nx\n."), "it has the instruction 'i' (0x69)");
    }

    #[test]
    fn every_truncation_and_every_byte() {
        let good = b"\x80\x02}q\x00(U\x01a]q\x01(K\x01M\x2c\x01eX\x01\x00\x00\x00bNu.";
        for at in 0..good.len() {
            assert!(run::<Nothing>(&good[..at]).is_err(), "{at}");
            for byte in 0..=255 {
                let mut bytes = good.to_vec();
                bytes[at] = byte;
                // Must return, not panic or run away.
                let _ = run::<Nothing>(&bytes);
            }
        }
    }

    #[test]
    fn endless_programs_end() {
        assert!(error(&vec![b'}'; 1 << 20]).contains("more than 524288 instructions"));
        let doubling = [&b"](h\x00"[..], &b"2".repeat(1 << 20)].concat();
        assert!(!error(&doubling).is_empty());
    }
}
