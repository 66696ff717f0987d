//! Parameters and buffers: the tensors a module owns.

use cresset_tensor::{Array, Leaf, Shape, Tensor};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A learnable tensor.
///
/// The value can change behind a shared reference (an optimizer writes it), so a model needs no `&mut` to be
/// trained. `clone()` makes an independent copy, as Rust readers expect; [`share`](Self::share) gives another
/// handle to the same parameter, which is what optimizers hold.
pub struct Param(Arc<Inner>);

/// The outputs from which on a weight (out, in) is wide.
const WIDE: usize = 512;

/// A value in the memory order that kernels read best: 4-D weights channels-last, 2-D ones (out, in) as (in, out) if that is
/// rows of whole cache lines. Wide rows would fall into few sets of the caches.
fn as_kernels_want(value: Array) -> Array {
    match value.shape()[..] {
        [_, _, _, _] => value.channels_last(),
        [out, _] if out < WIDE && out.is_multiple_of(16) => {
            value.permute(&[1, 0]).contiguous().permute(&[1, 0])
        }
        _ => value.contiguous(),
    }
}

/// A number that no value had before: two equal versions mean the same value.
fn next_version() -> u64 {
    static LATEST: AtomicU64 = AtomicU64::new(0);
    LATEST.fetch_add(1, Ordering::Relaxed)
}

struct Inner {
    value: RwLock<Array>,
    version: AtomicU64,
    leaf: Arc<Leaf>,
    trainable: AtomicBool,
}

impl Param {
    /// A trainable parameter. Weights are kept in the memory order that the kernels want.
    pub fn new(value: Array) -> Self {
        Self(Arc::new(Inner {
            value: RwLock::new(as_kernels_want(value)),
            version: AtomicU64::new(next_version()),
            leaf: Arc::default(),
            trainable: AtomicBool::new(true),
        }))
    }

    fn read(&self) -> RwLockReadGuard<'_, Array> {
        self.0.value.read().unwrap_or_else(|e| e.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Array> {
        self.0.value.write().unwrap_or_else(|e| e.into_inner())
    }

    /// The value as a tensor whose gradient collects in this parameter (a constant if frozen).
    pub fn tensor(&self) -> Tensor {
        let value = self.array();
        if self.is_trainable() {
            Tensor::with_leaf(value, self.0.leaf.clone())
        } else {
            Tensor::constant(value)
        }
    }

    /// The value.
    pub fn array(&self) -> Array {
        self.read().clone()
    }

    /// The logical shape.
    pub fn shape(&self) -> Shape {
        self.read().shape().clone()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.read().numel()
    }

    /// Replaces the value.
    ///
    /// # Panics
    /// If the shape is another one: check first, or load through
    /// [`load_state_dict`](crate::ModuleExt::load_state_dict).
    #[track_caller]
    pub fn set(&self, value: Array) {
        let mut place = self.write();
        let expected = place.shape().clone();
        assert!(
            *value.shape() == expected,
            "set: the parameter is {expected}, the new value {}",
            value.shape()
        );
        *place = as_kernels_want(value);
        self.0.version.store(next_version(), Ordering::Relaxed);
    }

    /// Changes the value in place. Copies first if a graph or another tensor still holds the old value.
    pub fn update<R>(&self, f: impl FnOnce(&mut Array) -> R) -> R {
        let mut value = self.write();
        self.0.version.store(next_version(), Ordering::Relaxed);
        f(&mut value)
    }

    /// A number that changes with every change of the value.
    pub(crate) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Relaxed)
    }

    /// Another handle to the same parameter.
    pub fn share(&self) -> Param {
        Self(self.0.clone())
    }

    /// Whether both handles are of the same parameter.
    pub fn is_same(&self, other: &Param) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where the gradient collects.
    pub fn leaf(&self) -> &Leaf {
        &self.0.leaf
    }

    /// The gradient collected so far.
    pub fn grad(&self) -> Option<Array> {
        self.0.leaf.grad()
    }

    /// The path under which the outermost visited model registered this: `layer1.0.conv1.weight`.
    pub fn name(&self) -> Option<Arc<str>> {
        self.0.leaf.name()
    }

    /// Whether gradients are computed, as `requires_grad` in PyTorch.
    pub fn is_trainable(&self) -> bool {
        self.0.trainable.load(Ordering::Relaxed)
    }

    /// Freezes (`false`) or thaws the parameter.
    pub fn set_trainable(&self, trainable: bool) {
        self.0.trainable.store(trainable, Ordering::Relaxed);
    }
}

/// An independent copy: same value, its own gradient, no name yet.
impl Clone for Param {
    fn clone(&self) -> Self {
        let copy = Param::new(self.array());
        copy.set_trainable(self.is_trainable());
        copy
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Param{}", self.shape())
    }
}

/// A tensor that belongs to a module's state but is not learned: running statistics, counters.
#[derive(Debug)]
pub struct Buffer {
    value: RwLock<Array>,
    version: AtomicU64,
}

impl Buffer {
    /// A buffer with this value.
    pub fn new(value: Array) -> Self {
        Self { value: RwLock::new(value), version: AtomicU64::new(next_version()) }
    }

    /// The value.
    pub fn get(&self) -> Array {
        self.value.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Replaces the value.
    pub fn set(&self, value: Array) {
        self.update(|place| *place = value);
    }

    /// Changes the value in place. Copies first if another array shares its memory.
    pub fn update<R>(&self, f: impl FnOnce(&mut Array) -> R) -> R {
        let mut value = self.value.write().unwrap_or_else(|e| e.into_inner());
        self.version.store(next_version(), Ordering::Relaxed);
        f(&mut value)
    }

    /// A number that changes with every change of the value.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }
}

/// An independent copy.
impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}
