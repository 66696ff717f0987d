//! Printing like PyTorch's: `tensor([[1.0000, 0.5000],\n        [0.2500, 0.1250]], requires_grad=True)`.
//!
//! Four decimals, whole numbers as `1.`, scientific notation where the range is wide, columns of equal width, and
//! only the edges of more than 1000 elements; after `torch/_tensor_str.py`'s rules.

use crate::array::{Array, DType};
use crate::tensor::Tensor;
use std::fmt;

/// Tensors of more elements are summarized …
const THRESHOLD: usize = 1000;
/// … to this many at both ends of each dimension.
const EDGE: usize = 3;
const LINE_WIDTH: usize = 80;

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut notes = Vec::new();
        match (self.grad_fn(), self.needs_grad()) {
            (Some(name), _) => notes.push(format!("grad_fn=<{}Backward0>", camel_case(name))),
            (None, true) => notes.push("requires_grad=True".into()),
            (None, false) => {}
        }
        f.write_str(&describe(self.array(), "tensor(", notes))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(self, "array(", Vec::new()))
    }
}

/// `max_pool2d` as `MaxPool2d`.
fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    };
    name.split('_').map(capital).collect()
}

fn describe(array: &Array, prefix: &str, notes: Vec<String>) -> String {
    let indent = prefix.len();
    let size = || format!("size={}", array.shape());
    // Where no elements tell it.
    let dtype = || (array.dtype() != DType::F32).then(|| format!("dtype=torch.{}", array.dtype().name()));
    let mut all_notes: Vec<String> = Vec::new();
    let contents = if array.is_meta() {
        all_notes.extend(["device='meta'".into(), size()]);
        all_notes.extend(dtype());
        "...".to_owned()
    } else if array.numel() == 0 {
        all_notes.extend((array.rank() != 1).then(size));
        all_notes.extend(dtype());
        "[]".to_owned()
    } else {
        let summarize = array.numel() > THRESHOLD;
        let shown = Shown { cells: cells(&if summarize { edges(array) } else { array.clone() }), summarize };
        all_notes.extend((array.dtype() == DType::BF16).then(dtype).flatten());
        shown.text(&array.shape()[..], &mut 0, indent)
    };
    all_notes.extend(notes);

    let mut text = format!("{prefix}{contents}");
    // As PyTorch counts: the last line and two.
    let mut width = text.rsplit('\n').next().unwrap_or_default().len() + 2;
    for note in all_notes {
        if width + note.len() + 2 > LINE_WIDTH {
            text += &format!(",\n{:indent$}{note}", "");
            width = indent + note.len();
        } else {
            text += &format!(", {note}");
            width += note.len() + 2;
        }
    }
    text + ")"
}

/// Only the first and last [`EDGE`] indices of every dimension that is longer.
fn edges(array: &Array) -> Array {
    (0..array.rank()).fold(array.clone(), |a, d| {
        let n = a.shape()[d];
        if n <= 2 * EDGE {
            return a;
        }
        let ends =
            Tensor::from_i64((0..EDGE).chain(n - EDGE..n).map(|i| i as i64).collect::<Vec<_>>(), [2 * EDGE]);
        Tensor::constant(a).index_select(d as isize, &ends).into_array()
    })
}

/// The elements' texts, row-major, padded to one width.
fn cells(array: &Array) -> Cells {
    match array.dtype() {
        DType::F32 | DType::BF16 => float_cells(&array.to_vec()),
        DType::I64 => other_cells(array.to_vec_i64().iter().map(i64::to_string).collect()),
        DType::Bool => {
            let name = |&v: &bool| if v { "True" } else { "False" }.to_owned();
            other_cells(array.to_vec_bool().iter().map(name).collect())
        }
    }
}

struct Cells {
    texts: Vec<String>,
    width: usize,
}

fn other_cells(texts: Vec<String>) -> Cells {
    let width = texts.iter().map(String::len).max().unwrap_or(1);
    Cells { texts, width }
}

fn float_cells(values: &[f32]) -> Cells {
    let ordinary: Vec<f64> =
        values.iter().filter(|v| v.is_finite() && **v != 0.0).map(|&v| f64::from(v)).collect();
    let (min, max) =
        ordinary.iter().fold((f64::INFINITY, 0.0f64), |(lo, hi), v| (lo.min(v.abs()), hi.max(v.abs())));
    let whole = ordinary.iter().all(|v| v.fract() == 0.0);
    let scientific = !ordinary.is_empty() && (max / min > 1000.0 || max > 1e8 || min < 1e-4);
    let text = |v: f64| match v {
        _ if v.is_nan() => "nan".to_owned(),
        _ if v.is_infinite() => format!("{v}"),
        _ if scientific => python_exponent(&format!("{v:.4e}")),
        _ if whole => format!("{v:.0}."),
        _ => format!("{v:.4}"),
    };
    // Zeros, infinities and NaN do not widen the columns.
    let width = ordinary.iter().map(|&v| text(v).len()).max().unwrap_or(1);
    Cells { texts: values.iter().map(|&v| text(f64::from(v))).collect(), width }
}

/// `1.5e-5` as `1.5e-05`.
fn python_exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

struct Shown {
    cells: Cells,
    summarize: bool,
}

impl Shown {
    /// The text of a part of the given shape, whose first cell is `next`.
    fn text(&self, shape: &[usize], next: &mut usize, indent: usize) -> String {
        let Some((&n, rest)) = shape.split_first() else { return self.cell(next) };
        let cut = self.summarize && n > 2 * EDGE;
        let dots = if rest.is_empty() { " ..." } else { "..." };
        let mut parts = Vec::new();
        for i in 0..if cut { 2 * EDGE } else { n } {
            if cut && i == EDGE {
                parts.push(dots.to_owned());
            }
            parts.push(self.text(rest, next, indent + 1));
        }
        let pad = " ".repeat(indent + 1);
        let joined = if rest.is_empty() {
            let per_line = (LINE_WIDTH.saturating_sub(indent) / (self.cells.width + 2)).max(1);
            let lines: Vec<String> = parts.chunks(per_line).map(|line| line.join(", ")).collect();
            lines.join(&format!(",\n{pad}"))
        } else {
            parts.join(&format!(",{}{pad}", "\n".repeat(rest.len())))
        };
        format!("[{joined}]")
    }

    fn cell(&self, next: &mut usize) -> String {
        let text = &self.cells.texts[*next];
        *next += 1;
        format!("{text:>0$}", self.cells.width)
    }
}
