//! The op: what is computed, and its gradient, side by side in one place.

use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::graph::{self, PerInput, Step};
use crate::inspect;
use crate::profile::{self, Cost, Pass};
use crate::recompute::Recompute;
use crate::scope;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::trace;
use std::fmt::Debug;

/// One differentiable operation of `N` inputs. Its fields are the hyper-parameters.
///
/// ```
/// use cresset_tensor::{Array, Shape, ShapeError, Tensor, op::{Op, apply}};
///
/// /// `y = k x`
/// #[derive(Debug)]
/// struct Scale { k: f32 }
///
/// impl Op<1> for Scale {
///     type Saved = ();
///     fn name(&self) -> &'static str { "scale" }
///     fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> { Ok(x.clone()) }
///     fn forward(&self, [x]: [&Array; 1]) -> (Array, ()) { (x.clone().map(|v| self.k * v), ()) }
///     fn backward(&self, _: (), grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
///         [Some(grad.map(|g| self.k * g))]
///     }
/// }
///
/// let x = Tensor::new([1.0, 2.0], [2]).requires_grad();
/// apply(Scale { k: 3.0 }, [&x]).sum().backward();
/// assert_eq!(x.grad().unwrap().to_vec(), [3.0, 3.0]);
/// ```
pub trait Op<const N: usize>: Debug + Send + Sync + 'static {
    /// Whether the output only shows elements of the input in other places: so it stays, for example, a softmax,
    /// and works for every dtype.
    const VIEW: bool = false;
    /// Whether inputs may be bfloat16, and the output is what they are. Other ops get such inputs as float32.
    const BF16: bool = false;
    /// All that backward needs, typed and visible.
    type Saved: Send + 'static;

    /// The public name, as in error messages: `max_pool2d`.
    fn name(&self) -> &'static str;

    /// The output's shape, or why the inputs do not fit. Called before anything is computed, and alone in a dry
    /// run; `forward` may rely on it.
    fn shape(&self, inputs: [&Shape; N]) -> Result<Shape, ShapeError>;

    /// Computes the output and what backward will need.
    fn forward(&self, inputs: [&Array; N]) -> (Array, Self::Saved);

    /// From the gradient of the loss by the output, the gradients by those inputs that need one. `grad` is
    /// handed over: if its buffer is unique it may be reused in place.
    fn backward(&self, saved: Self::Saved, grad: Array, needs: [bool; N]) -> [Option<Array>; N];

    /// [`backward`](Self::backward) for ops that can add their gradients to what others have sent to the same
    /// inputs, and save a pass over memory: what is taken out of `sums` must be in the result.
    fn backward_onto(
        &self,
        saved: Self::Saved,
        grad: Array,
        needs: [bool; N],
        _sums: &mut [Option<Array>; N],
    ) -> [Option<Array>; N] {
        self.backward(saved, grad, needs)
    }

    /// Where the output can be had again before backward, at the price of a pass over memory or two. Ops that need
    /// their input in backward then do not keep it ([`Input`](crate::recompute::Input)).
    fn recompute<'a>(&'a self, _saved: &'a Self::Saved) -> Option<&'a dyn Recompute> {
        None
    }

    /// Multiply-accumulates of one forward, for summaries; zero for what is not a matrix product.
    fn macs(&self, _inputs: [&Shape; N], _output: &Shape) -> u64 {
        0
    }
}

/// Runs an op and records it for backward if any input needs a gradient.
///
/// # Panics
/// If the shapes do not fit or an input is not of floats; the message points at the caller's line. In a
/// [dry run](crate::trace::dry_run) the first misfit is kept as an error instead.
#[track_caller]
pub fn apply<O: Op<N>, const N: usize>(op: O, inputs: [&Tensor; N]) -> Tensor {
    apply_and_look(op, inputs, |_| ()).0
}

/// Like [`apply`], and hands out what `look` takes from the saved values (statistics, places of maxima); `None`
/// in a dry run, which computes nothing.
///
/// # Panics
/// As [`apply`].
#[track_caller]
pub fn apply_and_look<O: Op<N>, const N: usize, R>(
    op: O,
    inputs: [&Tensor; N],
    look: impl FnOnce(&O::Saved) -> R,
) -> (Tensor, Option<R>) {
    let widened;
    let inputs = if O::BF16 || inputs.iter().all(|t| t.dtype() != DType::BF16) {
        inputs
    } else {
        widened = inputs.map(Tensor::widened);
        widened.each_ref()
    };
    let shapes = inputs.map(Tensor::shape);
    let shape = op.shape(shapes);
    if trace::is_active() {
        let macs = shape.as_ref().map_or(0, |out| op.macs(shapes, out));
        let fallback = shapes.first().map_or_else(Shape::default, |s| (*s).clone());
        let dtype = if O::VIEW { inputs[0].dtype() } else { DType::F32 };
        let output = Array::meta(trace::record(op.name(), shape, macs, fallback), dtype);
        return (Tensor::constant(output), None);
    }
    // No closures around what panics: the caller's location does not reach into them.
    let shape = match shape {
        Ok(shape) => shape,
        Err(e) => scope::misfit(e),
    };
    for t in inputs {
        let dtype = t.dtype();
        assert!(
            dtype.is_float() || O::VIEW,
            "{}: expected float32, found {}; convert with to_dtype(DType::F32)",
            op.name(),
            dtype.name()
        );
    }
    let span = profile::begin(op.name(), Pass::Forward);
    let (array, saved) = op.forward(inputs.map(Tensor::array));
    let mut work = None;
    span.end(|| work.insert(Work::new(&op, inputs, &array)).forward);
    inspect::show(op.name(), Pass::Forward, &array);
    debug_assert_eq!(*array.shape(), shape, "{}: shape() and forward() disagree", op.name());
    let marker = if O::VIEW { inputs[0].marker() } else { None };
    let seen = look(&saved);
    let output = graph::record(op.name(), array, &inputs, || Recorded { op, saved, work }).marked(marker);
    (output, Some(seen))
}

/// Runs a function that is not an [`Op`] (it has any number of inputs, or no gradient) if its shapes fit; in a dry
/// run, gives its output of type `dtype` without numbers. `input` is the shape of its first input.
#[track_caller]
pub(crate) fn run(
    name: &'static str,
    input: &Shape,
    shape: Result<Shape, ShapeError>,
    dtype: DType,
    compute: impl FnOnce(Shape) -> Tensor,
) -> Tensor {
    if trace::is_active() {
        return Tensor::constant(Array::meta(trace::record(name, shape, 0, input.clone()), dtype));
    }
    match shape {
        Ok(shape) => {
            let span = profile::begin(name, Pass::Forward);
            let output = compute(shape);
            span.end(|| Cost::new(0, [output.array()], [output.array()]));
            inspect::show(name, Pass::Forward, output.array());
            output
        }
        Err(e) => scope::misfit(e),
    }
}

struct Recorded<O: Op<N>, const N: usize> {
    op: O,
    saved: O::Saved,
    /// For the profile of backward, if forward was profiled.
    work: Option<Work<N>>,
}

/// What an op has to do, for profiles.
#[derive(Clone, Copy)]
struct Work<const N: usize> {
    forward: Cost,
    /// Bytes of each input: those read again in backward, and those of its gradient.
    inputs: [u64; N],
}

impl<const N: usize> Work<N> {
    fn new<O: Op<N>>(op: &O, inputs: [&Tensor; N], output: &Array) -> Self {
        let arrays = inputs.map(Tensor::array);
        // Showing a buffer otherwise moves nothing.
        if arrays.iter().any(|input| input.shares_buffer(output)) {
            return Self { forward: Cost::default(), inputs: [0; N] };
        }
        let macs = op.macs(inputs.map(Tensor::shape), output.shape());
        // Even where forward had to copy, backward of a view is one.
        let inputs = if O::VIEW { [0; N] } else { arrays.map(Array::bytes) };
        Self { forward: Cost::new(macs, arrays, [output]), inputs }
    }

    /// Reads the gradient and what was saved, about as much as the inputs; writes the gradients that are needed. In
    /// products the first two inputs are the factors, and each gradient is a product as large as forward.
    fn backward(&self, grad: u64, needs: [bool; N]) -> Cost {
        let factors = needs.iter().take(2).filter(|&&need| need).count() as u64;
        let written = self.inputs.iter().zip(needs).filter(|(_, need)| *need).map(|(bytes, _)| bytes).sum();
        let read = if written == 0 { 0 } else { grad + self.forward.read };
        Cost { macs: factors * self.forward.macs, read, written }
    }
}

impl<O: Op<N>, const N: usize> Step for Recorded<O, N> {
    fn backward(
        self: Box<Self>,
        grad: Array,
        needs: &[bool],
        sums: &mut [Option<Array>],
    ) -> PerInput<Option<Array>> {
        let needs = std::array::from_fn(|i| needs[i]);
        let (span, bytes) = (profile::begin(self.op.name(), Pass::Backward), grad.bytes());
        let sums = sums.first_chunk_mut().expect("one a parent");
        let grads = self.op.backward_onto(self.saved, grad, needs, sums);
        span.end(|| self.work.map(|work| work.backward(bytes, needs)).unwrap_or_default());
        grads.iter().flatten().for_each(|grad| inspect::show(self.op.name(), Pass::Backward, grad));
        grads.into_iter().collect()
    }

    fn recompute(&self) -> Option<&dyn Recompute> {
        self.op.recompute(&self.saved)
    }
}
