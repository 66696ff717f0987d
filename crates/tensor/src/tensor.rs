//! `Tensor`: an array and its place in the graph.

use crate::array::{Array, DType};
use crate::device::Device;
use crate::graph::{self, Origin};
use crate::leaf::Leaf;
use crate::random::Generator;
use crate::shape::Shape;
use std::sync::Arc;

/// An n-dimensional array that remembers how it was computed, if gradients are wanted.
///
/// Cheap to clone (buffers are shared, copied on write), `Send` and `Sync`. Values never change after creation:
/// every operation returns a new tensor.
#[derive(Clone)]
pub struct Tensor {
    array: Array,
    origin: Origin,
    marker: Option<Marker>,
}

/// What a tensor is known to hold, where mistaking it would be a silent error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Probabilities out of a softmax.
    Softmax,
}

/// # Creation
impl Tensor {
    /// A tensor from numbers in row-major order: `Tensor::new([1.0, 2.0], [2])`, `Tensor::new(&vec[..], shape)`.
    ///
    /// # Panics
    /// If the number of elements is not the shape's.
    #[track_caller]
    pub fn new(data: impl AsRef<[f32]>, shape: impl Into<Shape>) -> Self {
        Self::from_vec(data.as_ref().to_vec(), shape)
    }

    /// Takes over a `Vec` in row-major order without copying.
    ///
    /// # Panics
    /// If the number of elements is not the shape's.
    #[track_caller]
    pub fn from_vec(data: Vec<f32>, shape: impl Into<Shape>) -> Self {
        Self::constant(Array::from_vec(data, shape))
    }

    /// Takes over images stored as (N, H, W, C), giving them the logical `shape` (N, C, H, W), without copying.
    ///
    /// # Panics
    /// If the shape is not 4-D or the number of elements is not the shape's.
    #[track_caller]
    pub fn from_channels_last(data: Vec<f32>, shape: impl Into<Shape>) -> Self {
        Self::constant(Array::from_channels_last(data, shape))
    }

    /// An integer tensor (labels, indices) in row-major order.
    ///
    /// # Panics
    /// If the number of elements is not the shape's.
    #[track_caller]
    pub fn from_i64(data: impl Into<Vec<i64>>, shape: impl Into<Shape>) -> Self {
        Self::constant(Array::from_i64(data.into(), shape))
    }

    /// A boolean tensor (a mask) in row-major order.
    ///
    /// # Panics
    /// If the number of elements is not the shape's.
    #[track_caller]
    pub fn from_bools(data: impl Into<Vec<bool>>, shape: impl Into<Shape>) -> Self {
        Self::constant(Array::from_bools(data.into(), shape))
    }

    /// A float scalar, of shape `()`.
    pub fn scalar(value: f32) -> Self {
        Self::constant(Array::scalar(value))
    }

    /// All zeros.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        Self::constant(Array::zeros(shape))
    }

    /// All ones.
    pub fn ones(shape: impl Into<Shape>) -> Self {
        Self::full(shape, 1.0)
    }

    /// All elements `value`.
    pub fn full(shape: impl Into<Shape>, value: f32) -> Self {
        Self::constant(Array::full(shape, value))
    }

    /// `start, start + step, …` up to but without `end`, as `torch.arange`. Empty if `step` leads away from `end`.
    ///
    /// # Panics
    /// If `step` is zero or an argument is not finite.
    #[track_caller]
    pub fn arange(start: f64, end: f64, step: f64) -> Self {
        assert!(
            step != 0.0 && [start, end, step].iter().all(|v| v.is_finite()),
            "arange: start, end and step must be finite and step not zero, found ({start}, {end}, {step})"
        );
        let n = ((end - start) / step).ceil().max(0.0) as usize;
        Self::from_vec((0..n).map(|i| (start + i as f64 * step) as f32).collect(), [n])
    }

    /// The identity matrix (n, n).
    pub fn eye(n: usize) -> Self {
        let mut data = vec![0.0; n * n];
        data.iter_mut().step_by(n + 1).for_each(|v| *v = 1.0);
        Self::from_vec(data, [n, n])
    }

    /// Uniform random numbers from [0, 1).
    pub fn rand(shape: impl Into<Shape>, generator: &mut Generator) -> Self {
        Self::constant(generator.fill(shape, Generator::uniform))
    }

    /// Standard normal random numbers.
    pub fn randn(shape: impl Into<Shape>, generator: &mut Generator) -> Self {
        Self::constant(generator.fill(shape, Generator::normal))
    }

    /// An array as a tensor that is not differentiated.
    pub fn constant(array: Array) -> Self {
        Self { array, origin: Origin::Constant, marker: None }
    }

    /// An array whose gradient collects in `leaf`.
    pub fn with_leaf(array: Array, leaf: Arc<Leaf>) -> Self {
        Self { array, origin: Origin::Leaf(leaf), marker: None }
    }

    pub(crate) fn with_origin(array: Array, origin: Origin) -> Self {
        Self { array, origin, marker: None }
    }

    pub(crate) fn marked(mut self, marker: Option<Marker>) -> Self {
        self.marker = marker;
        self
    }
}

/// # Properties
impl Tensor {
    /// The sizes of the dimensions.
    pub fn shape(&self) -> &Shape {
        self.array.shape()
    }

    /// The size of one dimension; negative ones count from the back.
    ///
    /// # Panics
    /// If there is no such dimension.
    #[track_caller]
    pub fn size(&self, dim: isize) -> usize {
        match self.shape().dim(dim) {
            Some(d) => self.shape()[d],
            None => panic!("size: dimension {dim} does not exist in shape {}", self.shape()),
        }
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape().rank()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.array.numel()
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.array.dtype()
    }

    /// Where the numbers live.
    pub fn device(&self) -> Device {
        self.array.device()
    }

    /// The numbers, without the graph.
    pub fn array(&self) -> &Array {
        &self.array
    }

    /// The numbers, without the graph, giving up the tensor.
    pub fn into_array(self) -> Array {
        self.array
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn marker(&self) -> Option<Marker> {
        self.marker
    }

    /// Whether a gradient by this tensor can be computed: it is a leaf, or was computed from one.
    pub fn needs_grad(&self) -> bool {
        !matches!(self.origin, Origin::Constant)
    }

    /// The op that computed this tensor, if it was recorded: `relu`.
    pub fn grad_fn(&self) -> Option<&'static str> {
        match &self.origin {
            Origin::Node(node) => Some(node.name),
            _ => None,
        }
    }
}

/// # Values
impl Tensor {
    /// The value of a one-element float tensor, as a plain number: it cannot keep a graph alive.
    ///
    /// # Panics
    /// If there is not exactly one element or it is not a float.
    #[track_caller]
    pub fn item(&self) -> f32 {
        assert!(self.numel() == 1, "item: expected one element, found shape {}", self.shape());
        self.to_vec()[0]
    }

    /// The value of a one-element integer tensor.
    ///
    /// # Panics
    /// If there is not exactly one element or it is not an integer.
    #[track_caller]
    pub fn item_i64(&self) -> i64 {
        assert!(self.numel() == 1, "item_i64: expected one element, found shape {}", self.shape());
        self.to_vec_i64()[0]
    }

    /// The floats in row-major order.
    ///
    /// # Panics
    /// If the tensor is not of floats.
    #[track_caller]
    pub fn to_vec(&self) -> Vec<f32> {
        self.array.to_vec()
    }

    /// The integers in row-major order.
    ///
    /// # Panics
    /// If the tensor is not of integers.
    #[track_caller]
    pub fn to_vec_i64(&self) -> Vec<i64> {
        self.array.to_vec_i64()
    }

    /// The truth values in row-major order.
    ///
    /// # Panics
    /// If the tensor is not boolean.
    #[track_caller]
    pub fn to_vec_bool(&self) -> Vec<bool> {
        self.array.to_vec_bool()
    }

    /// The tensor on a device.
    pub fn to(&self, device: Device) -> Tensor {
        match device {
            Device::Cpu => self.clone(),
        }
    }
}

/// # Gradients
impl Tensor {
    /// Makes this a leaf: `backward()` will add the gradient by it into [`grad`](Self::grad).
    ///
    /// # Panics
    /// If the tensor is not of floats or was itself computed from leaves.
    #[track_caller]
    pub fn requires_grad(self) -> Tensor {
        assert!(self.dtype() == DType::F32, "requires_grad: {} has no gradient", self.dtype().name());
        match self.origin {
            Origin::Constant => Self::with_leaf(self.array, Arc::default()),
            Origin::Leaf(_) => self,
            Origin::Node(_) => panic!("requires_grad: this is the result of an op; detach() it first"),
        }
    }

    /// The same values, cut off from the graph.
    pub fn detach(&self) -> Tensor {
        Self { array: self.array.clone(), origin: Origin::Constant, marker: self.marker }
    }

    /// The gradient collected so far, of a leaf; `None` for anything else or before `backward()`.
    pub fn grad(&self) -> Option<Tensor> {
        match &self.origin {
            Origin::Leaf(leaf) => leaf.grad().map(Self::constant),
            _ => None,
        }
    }

    /// Forgets the gradient collected so far.
    pub fn zero_grad(&self) {
        if let Origin::Leaf(leaf) = &self.origin {
            leaf.set_grad(None);
        }
    }

    /// Computes the gradients of this one-element tensor (a loss) by every leaf it was computed from, and adds
    /// them into the leaves' `grad`. Frees the graph as it goes.
    ///
    /// # Panics
    /// If there is more than one element, if nothing was recorded, if the graph was used before, or if a
    /// gradient is there that an optimizer step has already used.
    #[track_caller]
    pub fn backward(&self) {
        assert!(
            self.numel() == 1,
            "backward: expected a loss of one element, found shape {}; reduce it with sum() or mean(), or give \
             a gradient with backward_with()",
            self.shape()
        );
        self.backward_with(&Tensor::ones(self.shape().clone()));
    }

    /// Like [`backward`](Self::backward) for any shape: `grad` weights the elements.
    ///
    /// # Panics
    /// As `backward`, and if `grad` has another shape.
    #[track_caller]
    pub fn backward_with(&self, grad: &Tensor) {
        assert!(
            grad.shape() == self.shape(),
            "backward_with: the gradient has shape {}, the tensor {}",
            grad.shape(),
            self.shape()
        );
        assert!(
            self.needs_grad(),
            "backward: nothing was recorded; no input requires a gradient, or this was computed in no_grad() or \
             detached"
        );
        graph::backward(self.origin.clone(), grad.array.clone());
    }
}
