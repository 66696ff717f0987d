//! The graph of what was computed, and the walk back through it.
//!
//! Define-by-run: every recorded op makes a node that holds what its backward needs and points at the nodes of
//! its inputs. [`Tensor::backward`] visits nodes in reverse order of creation, which is a valid order because
//! an input always exists before what is computed from it. A node's memory is freed as soon as it is visited.

use crate::array::Array;
use crate::leaf::Leaf;
use crate::profile::{self, Cost, Pass};
use crate::recompute::Recompute;
use crate::scope;
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// One thing for each input of an op.
pub(crate) type PerInput<T> = SmallVec<[T; 3]>;

/// The gradient of one recorded op, its type erased.
pub(crate) trait Step: Send {
    /// See [`Op::backward_onto`](crate::op::Op::backward_onto).
    fn backward(
        self: Box<Self>,
        grad: Array,
        needs: &[bool],
        sums: &mut [Option<Array>],
    ) -> PerInput<Option<Array>>;

    /// See [`Op::recompute`](crate::op::Op::recompute).
    fn recompute(&self) -> Option<&dyn Recompute> {
        None
    }
}

/// Where a tensor came from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// Not differentiated.
    Constant,
    /// A tensor whose gradient is wanted.
    Leaf(Arc<Leaf>),
    /// The result of a recorded op.
    Node(Arc<Node>),
}

pub(crate) struct Node {
    /// Position in the order of creation, unique in the process.
    id: u64,
    pub name: &'static str,
    /// The module that recorded it, for messages.
    layer: Option<Arc<str>>,
    /// Taken by backward; `None` afterwards.
    record: Mutex<Option<Record>>,
}

struct Record {
    step: Box<dyn Step>,
    parents: PerInput<Origin>,
}

impl Node {
    fn record(&self) -> MutexGuard<'_, Option<Record>> {
        self.record.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn take(&self) -> Option<Record> {
        self.record().take()
    }

    /// Whether [`output`](Self::output) can be called.
    pub fn can_recompute(&self) -> bool {
        self.record().as_ref().is_some_and(|record| record.step.recompute().is_some())
    }

    /// The op's output, computed again.
    #[track_caller]
    pub fn output(&self) -> Array {
        let record = self.record();
        let Some(record) = record.as_ref() else { self.used() };
        record.step.recompute().expect("can_recompute() was asked").output()
    }

    #[track_caller]
    fn used(&self) -> ! {
        panic!(
            "backward: the graph of this {} was already used and freed by an earlier backward(); compute the loss \
             again, or add the losses and call backward() once",
            self.name
        )
    }
}

/// A long chain of nodes is dropped in a loop: the natural recursion would overflow the stack.
impl Drop for Node {
    fn drop(&mut self) {
        let mut pending: PerInput<Origin> = self.take().map(|record| record.parents).unwrap_or_default();
        while let Some(origin) = pending.pop() {
            if let Origin::Node(node) = origin
                && let Some(record) = Arc::into_inner(node).and_then(|n| n.take())
            {
                pending.extend(record.parents);
            }
        }
    }
}

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Whether ops on this thread are recorded (see [`no_grad`]).
pub fn is_grad_enabled() -> bool {
    RECORDING.get()
}

/// Runs `f` without recording gradients on this thread, as `torch.no_grad()`.
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    let _guard = NoGrad::new();
    f()
}

/// Gradients are off on this thread while this value lives. [`no_grad`] is the closure form.
#[must_use = "gradients come back on when the guard is dropped"]
pub struct NoGrad {
    before: bool,
    /// The setting is the thread's, so the guard must stay on it.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl NoGrad {
    /// Switches recording off.
    #[allow(clippy::new_without_default, reason = "a guard is made on purpose, never by default")]
    pub fn new() -> Self {
        Self { before: RECORDING.replace(false), _not_send: std::marker::PhantomData }
    }
}

impl Drop for NoGrad {
    fn drop(&mut self) {
        RECORDING.set(self.before);
    }
}

/// Wraps `array` as the result of an op on `inputs`, with a node if any of them needs a gradient.
pub(crate) fn record<S: Step + 'static>(
    name: &'static str,
    array: Array,
    inputs: &[&Tensor],
    step: impl FnOnce() -> S,
) -> Tensor {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if !is_grad_enabled() || !inputs.iter().any(|t| t.needs_grad()) {
        return Tensor::constant(array);
    }
    let parents = inputs.iter().map(|t| t.origin().clone()).collect();
    let node = Node {
        id: NEXT.fetch_add(1, Ordering::Relaxed),
        name,
        layer: scope::current(),
        record: Mutex::new(Some(Record { step: Box::new(step()), parents })),
    };
    Tensor::with_origin(array, Origin::Node(Arc::new(node)))
}

/// Nodes at which gradients have arrived that were not propagated yet, by their `id`.
type Waiting = BTreeMap<u64, (Arc<Node>, Array)>;

/// Adds to every reachable leaf the gradient of `origin`'s value, weighted with `grad`.
#[track_caller]
pub(crate) fn backward(origin: Origin, grad: Array) {
    let mut waiting = Waiting::new();
    deliver(&origin, grad, &mut waiting);
    while let Some((_, (node, grad))) = waiting.pop_last() {
        let Some(Record { step, parents }) = node.take() else { node.used() };
        let needs: PerInput<bool> = parents.iter().map(|p| !matches!(p, Origin::Constant)).collect();
        // What has arrived at the inputs from elsewhere: an op may add to it by itself.
        let arrived_at = |parent: &Origin| match parent {
            Origin::Node(node) => waiting.remove(&node.id).map(|(_, grad)| grad),
            _ => None,
        };
        let mut sums: PerInput<Option<Array>> = parents.iter().map(arrived_at).collect();
        let grads = {
            let _scope = scope::Enter::again(node.layer.clone());
            step.backward(grad, &needs, &mut sums)
        };
        drop(node);
        for (parent, grad) in parents.iter().zip(sums).chain(parents.iter().zip(grads)) {
            if let Some(grad) = grad {
                deliver(parent, grad, &mut waiting);
            }
        }
    }
}

#[track_caller]
fn deliver(to: &Origin, grad: Array, waiting: &mut Waiting) {
    match to {
        Origin::Constant => {}
        Origin::Leaf(leaf) => leaf.accumulate(grad),
        Origin::Node(node) => {
            let sum = match waiting.remove(&node.id) {
                Some((_, sum)) => {
                    let span =
                        profile::begin("sum of gradients", Pass::Backward).about(|| node.layer.clone());
                    let sum = sum.add_assign(&grad);
                    span.end(|| Cost::new(0, [&sum, &grad], [&sum]));
                    sum
                }
                None => grad,
            };
            waiting.insert(node.id, (node.clone(), sum));
        }
    }
}
