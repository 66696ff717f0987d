//! State dicts: a model's parameters and buffers by path, and how they get back into a model.

use crate::{Buffer, Module, ModuleExt, Param};
use cresset_tensor::{Array, DType, Shape};
use indexmap::{IndexMap, IndexSet};
use std::cell::RefCell;
use std::fmt;

/// Parameters and buffers by path (`layer1.0.bn1.running_mean`), in PyTorch's order: of each module its parameters,
/// then its buffers, then its submodules.
pub type StateDict = IndexMap<String, Array>;

/// What to do about keys and shapes that do not agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// Refuse and change nothing.
    #[default]
    Strict,
    /// Load what fits and say what does not; refused only if nothing fits.
    Lenient,
}

/// A tensor that has one shape in the model and another in the state dict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeMismatch {
    /// Its path.
    pub name: String,
    /// The model's shape.
    pub expected: Shape,
    /// The state dict's shape.
    pub found: Shape,
}

/// Where a model and a state dict disagree.
///
/// A batch norm's `num_batches_tracked` may be absent, as in files from before PyTorch 0.4.1; the model's stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misfits {
    /// In the model only.
    pub missing: Vec<String>,
    /// In the state dict only.
    pub unexpected: Vec<String>,
    /// In both with different shapes.
    pub mismatched: Vec<ShapeMismatch>,
}

impl Misfits {
    /// Whether model and state dict agree.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }
}

/// One line; long lists are cut.
impl fmt::Display for Misfits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes: Vec<String> = self
            .mismatched
            .iter()
            .map(|m| format!("{} is {} in the model, {} in the weights", m.name, m.expected, m.found))
            .collect();
        let lists = [
            ("missing", &self.missing[..]),
            ("unexpected", &self.unexpected[..]),
            ("of another shape", &shapes[..]),
        ];
        let mut separator = "";
        for (what, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
            write!(f, "{separator}{} {what}: {}", names.len(), abbreviated(names))?;
            separator = "; ";
        }
        Ok(())
    }
}

/// The first few of a list.
fn abbreviated(names: &[String]) -> String {
    const SHOWN: usize = 6;
    match names.len() {
        n if n <= SHOWN + 1 => names.join(", "),
        n => format!("{}, … and {} more", names[..SHOWN].join(", "), n - SHOWN),
    }
}

/// What [`load_state_dict`](ModuleExt::load_state_dict) did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Paths that were loaded, in the model's order.
    pub loaded: Vec<String>,
    /// What was left as it is, in lenient loading.
    pub skipped: Misfits,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loaded {} tensors", self.loaded.len())?;
        if !self.skipped.is_empty() {
            write!(f, "; skipped {}", self.skipped)?;
        }
        Ok(())
    }
}

/// The state dict is not one of this model. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the weights do not fit the model: {misfits} ({matching} of {expected} tensors fit; {})",
    if *matching == 0 { "are they of another model?" } else { "load leniently to take those" }
)]
pub struct LoadError {
    /// Where they disagree.
    pub misfits: Misfits,
    /// Tensors of the model that would fit.
    pub matching: usize,
    /// Tensors of the model.
    pub expected: usize,
}

/// See [`ModuleExt::state_dict`].
pub(crate) fn state_dict<M: Module + ?Sized>(module: &M) -> StateDict {
    let state = RefCell::new(StateDict::new());
    module.walk(
        &mut |_, _| {},
        &mut |name, p| drop(state.borrow_mut().insert(name.to_owned(), p.array())),
        &mut |name, b| drop(state.borrow_mut().insert(name.to_owned(), b.get())),
    );
    state.into_inner()
}

/// See [`ModuleExt::load_state_dict`].
pub(crate) fn load_state_dict<M: Module + ?Sized>(
    module: &M,
    state: &StateDict,
    strictness: Strictness,
) -> Result<LoadReport, LoadError> {
    let own = state_dict(module);
    let mut misfits = Misfits::default();
    let mut fitting = IndexSet::new();
    for (name, expected) in &own {
        match state.get(name) {
            Some(found) if found.shape() == expected.shape() => drop(fitting.insert(name.as_str())),
            Some(found) => misfits.mismatched.push(ShapeMismatch {
                name: name.clone(),
                expected: expected.shape().clone(),
                found: found.shape().clone(),
            }),
            None if is_batch_counter(name) => {}
            None => misfits.missing.push(name.clone()),
        }
    }
    misfits.unexpected = state.keys().filter(|name| !own.contains_key(*name)).cloned().collect();

    let nothing_fits = fitting.is_empty() && !(own.is_empty() && state.is_empty());
    if !misfits.is_empty() && (strictness == Strictness::Strict || nothing_fits) {
        return Err(LoadError { misfits, matching: fitting.len(), expected: own.len() });
    }
    let value =
        |name: &str, dtype: DType| fitting.contains(name).then(|| state[name].to_dtype(dtype).contiguous());
    module.walk(
        &mut |_, _| {},
        &mut |name: &str, p: &Param| {
            if let Some(value) = value(name, DType::F32) {
                p.set(value);
            }
        },
        &mut |name: &str, b: &Buffer| {
            if let Some(value) = value(name, b.get().dtype()) {
                b.set(value);
            }
        },
    );
    Ok(LoadReport { loaded: fitting.into_iter().map(str::to_owned).collect(), skipped: misfits })
}

/// A batch norm's counter, which old files do not have.
fn is_batch_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}
