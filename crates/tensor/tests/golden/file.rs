//! Reading the golden file.

use cresset_tensor::{Array, DType, Shape, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeMap;

/// All tensors of the file, and what the cases are.
pub struct GoldenFile {
    tensors: BTreeMap<String, Array>,
    cases: BTreeMap<String, Value>,
}

impl GoldenFile {
    pub fn open() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/ops.safetensors");
        let bytes = std::fs::read(path).expect("the golden file stands beside this test");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
        let text = &header.metadata().as_ref().expect("metadata")["cases"];
        let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let tensors =
            tensors.iter().map(|(name, t)| (name.to_owned(), array(t.dtype(), t.shape(), t.data())));
        Self { tensors: tensors.collect(), cases: serde_json::from_str(text).expect("cases are JSON") }
    }

    pub fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        self.cases.iter().map(|(name, described)| Case::new(self, name, described))
    }
}

/// Truth values are stored as bytes.
fn array(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Array {
    fn words<const N: usize, T>(bytes: &[u8], word: fn([u8; N]) -> T) -> Vec<T> {
        bytes.chunks_exact(N).map(|b| word(b.try_into().expect("N bytes"))).collect()
    }
    match dtype {
        Dtype::F32 => Array::from_vec(words(bytes, f32::from_le_bytes), shape),
        Dtype::I64 => Array::from_i64(words(bytes, i64::from_le_bytes), shape),
        Dtype::U8 => Array::from_bools(bytes.iter().map(|&b| b != 0).collect(), shape),
        other => panic!("no case stores {other:?}"),
    }
}

/// One call of an op.
pub struct Case<'a> {
    file: &'a GoldenFile,
    pub name: &'a str,
    /// PyTorch's name of the op.
    pub op: &'a str,
    args: &'a Value,
    /// The stored inputs; those with a stored gradient are differentiated.
    leaves: Vec<Tensor>,
    /// What the op is given: the inputs, or views of them.
    pub inputs: Vec<Tensor>,
}

impl<'a> Case<'a> {
    fn new(file: &'a GoldenFile, name: &'a str, described: &'a Value) -> Self {
        let count = described["inputs"].as_u64().expect("a number of inputs");
        let leaf = |i| {
            let input = Tensor::constant(file.tensors[&format!("{name}/in{i}")].clone());
            match file.tensors.contains_key(&format!("{name}/grad{i}")) {
                true => input.requires_grad(),
                false => input,
            }
        };
        let leaves: Vec<Tensor> = (0..count).map(leaf).collect();
        let viewed = |(i, leaf): (usize, &Tensor)| {
            let views = described["views"][i.to_string()].as_array();
            views.into_iter().flatten().fold(leaf.clone(), |x, step| view(&x, step))
        };
        let inputs = leaves.iter().enumerate().map(viewed).collect();
        let op = described["op"].as_str().expect("an op");
        Self { file, name, op, args: &described["args"], leaves, inputs }
    }

    pub fn outputs(&self) -> Vec<Array> {
        let key =
            |i: usize| if i == 0 { format!("{}/out", self.name) } else { format!("{}/out{i}", self.name) };
        (0..).map_while(|i| self.file.tensors.get(&key(i)).cloned()).collect()
    }

    pub fn cotangent(&self) -> Option<Array> {
        self.file.tensors.get(&format!("{}/grad_out", self.name)).cloned()
    }

    /// The differentiated inputs and what their gradients should be.
    pub fn gradients(&self) -> impl Iterator<Item = (usize, &Tensor, Array)> {
        self.leaves.iter().enumerate().filter_map(|(i, leaf)| {
            let expected = self.file.tensors.get(&format!("{}/grad{i}", self.name))?;
            Some((i, leaf, expected.clone()))
        })
    }
}

/// # Inputs and keyword arguments
impl Case<'_> {
    /// The first input.
    pub fn x(&self) -> &Tensor {
        &self.inputs[0]
    }

    pub fn has(&self, arg: &str) -> bool {
        !self.args[arg].is_null()
    }

    pub fn number(&self, arg: &str) -> f32 {
        self.args[arg].as_f64().unwrap_or_else(|| panic!("{}: no number {arg}", self.name)) as f32
    }

    pub fn int(&self, arg: &str) -> isize {
        int(&self.args[arg])
    }

    pub fn size(&self, arg: &str) -> usize {
        self.int(arg) as usize
    }

    /// False if it is not given.
    pub fn flag(&self, arg: &str) -> bool {
        self.args[arg].as_bool().unwrap_or(false)
    }

    pub fn text(&self, arg: &str) -> Option<&str> {
        self.args[arg].as_str()
    }

    /// Empty if it is not given; a single number is a list of one.
    pub fn ints(&self, arg: &str) -> Vec<isize> {
        ints(&self.args[arg])
    }

    /// One number for height and one for width.
    pub fn pair(&self, arg: &str) -> [usize; 2] {
        let sizes = self.ints(arg);
        [sizes[0] as usize, sizes[1] as usize]
    }
}

fn int(value: &Value) -> isize {
    value.as_i64().unwrap_or_else(|| panic!("no whole number: {value}")) as isize
}

fn ints(value: &Value) -> Vec<isize> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().map(int).collect(),
        value => vec![int(value)],
    }
}

/// One `[method, arguments…]`.
fn view(x: &Tensor, step: &Value) -> Tensor {
    let arg = |i: usize| int(&step[i]);
    match step[0].as_str() {
        Some("transpose") => x.transpose(arg(1), arg(2)),
        Some("permute") => x.permute(ints(&step[1])),
        Some("narrow") => x.narrow(arg(1), arg(2) as usize, arg(3) as usize),
        Some("expand") => x.expand(ints(&step[1])),
        _ => panic!("unknown view {step}"),
    }
}

#[test]
fn bytes_become_numbers() {
    assert_eq!(array(Dtype::F32, &[1], &1.5f32.to_le_bytes()).to_vec(), [1.5]);
    assert_eq!(array(Dtype::I64, &[1], &(-3i64).to_le_bytes()).to_vec_i64(), [-3]);
    assert_eq!(array(Dtype::U8, &[2], &[0, 1]).to_dtype(DType::I64).to_vec_i64(), [0, 1]);
    assert_eq!(*array(Dtype::U8, &[], &[1]).shape(), Shape::default());
}
