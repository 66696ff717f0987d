//! Dry runs: a forward pass over shapes alone.
//!
//! Nothing is computed and nothing large allocated. The result lists every layer with its output shape and
//! multiply-accumulates, or names the first layer whose input does not fit.

use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::scope::{self, LayerName};
use crate::shape::Shape;
use crate::tensor::Tensor;
use std::cell::RefCell;
use std::sync::Arc;

/// One layer, or one function between layers, as a dry run met it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRecord {
    /// The module's path (`layer1.0.conv1`), or the op's name for a function call between layers.
    pub name: String,
    /// The module's type (`Conv2d`) or the op's name (`max_pool2d`).
    pub kind: &'static str,
    /// The input's shape (of a function: its first input's).
    pub input: Shape,
    /// The output's shape.
    pub output: Shape,
    /// Learnable numbers in this layer.
    pub params: usize,
    /// Multiply-accumulates of one forward pass.
    pub macs: u64,
}

/// Why a model does not work on an input: the first layer that does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}{error}", .layer.as_ref().map(|l| format!("layer {l:?}: ")).unwrap_or_default())]
pub struct DryRunError {
    /// The layer's path, if it has one.
    pub layer: Option<Arc<str>>,
    /// What does not fit.
    pub error: ShapeError,
}

/// A finished dry run.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// Every layer and function in order of execution.
    pub layers: Vec<LayerRecord>,
    /// The shape of the model's output.
    pub output: Shape,
}

#[derive(Default)]
struct Trace {
    layers: Vec<LayerRecord>,
    /// Set inside a layer: its ops add to this record instead of making their own.
    open: Option<u64>,
    error: Option<DryRunError>,
}

thread_local! {
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// Whether this thread is in a dry run.
pub fn is_active() -> bool {
    TRACE.with_borrow(Option::is_some)
}

/// Runs `forward` on a shape without numbers.
///
/// # Errors
/// The first layer whose input does not fit, with the op's message.
pub fn dry_run(
    input: impl Into<Shape>,
    forward: impl FnOnce(&Tensor) -> Tensor,
) -> Result<DryRun, DryRunError> {
    /// Ends the dry run also when `forward` panics.
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            TRACE.set(None);
        }
    }
    TRACE.set(Some(Trace::default()));
    let guard = Guard;
    let output = forward(&Tensor::constant(Array::meta(input, DType::F32)));
    let trace = TRACE.take().expect("set above");
    drop(guard);
    match trace.error {
        Some(error) => Err(error),
        None => Ok(DryRun { layers: trace.layers, output: output.shape().clone() }),
    }
}

/// Notes an op in the current dry run and returns its output shape. After the first misfit, every op returns
/// `fallback` so that the rest of `forward` can run through.
pub(crate) fn record(op: &'static str, shape: Result<Shape, ShapeError>, macs: u64, input: Shape) -> Shape {
    TRACE.with_borrow_mut(|trace| {
        let trace = trace.as_mut().expect("only called when active");
        match shape {
            _ if trace.error.is_some() => input,
            Err(error) => {
                trace.error = Some(DryRunError { layer: scope::current(), error });
                input
            }
            Ok(output) => {
                match &mut trace.open {
                    Some(sum) => *sum += macs,
                    None => trace.layers.push(LayerRecord {
                        name: op.to_owned(),
                        kind: op,
                        input,
                        output: output.clone(),
                        params: 0,
                        macs,
                    }),
                }
                output
            }
        }
    })
}

/// Begins a layer's forward pass under its name, so that messages, summaries and profiles can tell it; end it with
/// [`leave`](Entered::leave).
///
/// ```
/// # use cresset_tensor::{Tensor, scope::LayerName, trace};
/// # let (name, x) = (LayerName::default(), Tensor::zeros([2]));
/// let layer = trace::enter(&name, "ReLU", &x);
/// let y = layer.leave(x.relu(), || 0);
/// ```
///
/// Not a closure around the computation: what panics inside a closure cannot point at the line of the caller.
pub fn enter<'a>(name: &'a LayerName, kind: &'static str, x: &Tensor) -> Entered<'a> {
    let scope = scope::Enter::new(name);
    // A layer inside a layer (a fused call) belongs to the outer one.
    let outermost = TRACE.with_borrow_mut(|trace| match trace {
        Some(trace) if trace.open.is_none() => {
            trace.open = Some(0);
            true
        }
        _ => false,
    });
    Entered { name, kind, input: outermost.then(|| x.shape().clone()), _scope: scope }
}

/// A layer's forward pass that has begun.
#[must_use = "end it with leave()"]
pub struct Entered<'a> {
    name: &'a LayerName,
    kind: &'static str,
    /// Where a record is to be made: in a dry run, for the outermost layer.
    input: Option<Shape>,
    _scope: scope::Enter,
}

impl Entered<'_> {
    /// Ends the pass and gives back its output. `params` counts the layer's own learnable numbers; it is only called
    /// in a dry run.
    pub fn leave(self, y: Tensor, params: impl FnOnce() -> usize) -> Tensor {
        let Some(input) = self.input else { return y };
        TRACE.with_borrow_mut(|trace| {
            let Some(trace) = trace else { return };
            let macs = trace.open.take().unwrap_or(0);
            if trace.error.is_none() {
                trace.layers.push(LayerRecord {
                    name: self.name.get().as_deref().unwrap_or(self.kind).to_owned(),
                    kind: self.kind,
                    input,
                    output: y.shape().clone(),
                    params: params(),
                    macs,
                });
            }
        });
        y
    }
}
