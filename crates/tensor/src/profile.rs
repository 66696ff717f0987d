//! Profiles: what every op of a thread took, and the work it stood for.
//!
//! Ops and optimizers mark what they do with [`begin`] and [`Span::end`]. Where nobody [`record`]s, that is a look at
//! a flag of the thread.
//!
//! ```
//! use cresset_tensor::{Tensor, profile};
//!
//! let x = Tensor::ones([2, 3]);
//! let (y, events) = profile::record(|| x.matmul(&Tensor::ones([3, 4])));
//! assert_eq!((events[0].op, events[0].cost.macs), ("matmul", 2 * 3 * 4));
//! ```

use crate::array::Array;
use crate::scope;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which part of a training step an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Output from input.
    Forward,
    /// Gradients of an op whose gradients come out of one computation.
    Backward,
    /// The gradient by the input alone.
    InputGradient,
    /// The gradient by the weight alone.
    WeightGradient,
    /// The optimizer's.
    Update,
}

impl Pass {
    /// For tables: `input gradient`.
    pub fn name(self) -> &'static str {
        match self {
            Pass::Forward => "forward",
            Pass::Backward => "backward",
            Pass::InputGradient => "input gradient",
            Pass::WeightGradient => "weight gradient",
            Pass::Update => "update",
        }
    }
}

/// The work an event stands for, however it is done: each array is read or written once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-accumulates of the plain algorithm (of a direct convolution, for one).
    pub macs: u64,
    /// Bytes of what is read.
    pub read: u64,
    /// Bytes of what is written.
    pub written: u64,
}

impl Cost {
    /// The cost of reading and writing arrays, and of so many multiply-accumulates.
    pub fn new<'a>(
        macs: u64,
        read: impl IntoIterator<Item = &'a Array>,
        written: impl IntoIterator<Item = &'a Array>,
    ) -> Self {
        Self {
            macs,
            read: read.into_iter().map(Array::bytes).sum(),
            written: written.into_iter().map(Array::bytes).sum(),
        }
    }
}

/// Something that was done, from when to when.
#[derive(Clone, Debug)]
pub struct Event {
    /// The public name of the op (`batch_norm`), or what [`begin`] was given.
    pub op: &'static str,
    /// Which of several algorithms ran, where that is told.
    pub algorithm: Option<&'static str>,
    /// The layer's path in its model (`layer1.0.conv1`), the parameter's in an update.
    pub layer: Option<Arc<str>>,
    /// Forward, backward or update.
    pub pass: Pass,
    /// How many events it lies within.
    pub depth: usize,
    /// When it began, since [`record`] did.
    pub start: Duration,
    /// How long it took, with the events inside.
    pub time: Duration,
    /// Its work as a whole; the events inside repeat their parts of it.
    pub cost: Cost,
}

struct Recording {
    origin: Instant,
    /// Events that have begun and not ended.
    open: usize,
    events: Vec<Event>,
}

thread_local! {
    /// Whether `RECORDING` holds something: a plain flag is cheaper to ask.
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static RECORDING: RefCell<Option<Recording>> = const { RefCell::new(None) };
}

/// Runs `f` and returns the events of this thread meanwhile, in the order in which they began.
///
/// Inside another `record` it takes the events away from that one.
pub fn record<R>(f: impl FnOnce() -> R) -> (R, Vec<Event>) {
    /// Puts back what was before, also when `f` panics.
    struct Restore(Option<Recording>);
    impl Drop for Restore {
        fn drop(&mut self) {
            ACTIVE.set(self.0.is_some());
            RECORDING.set(self.0.take());
        }
    }
    let new = Recording { origin: Instant::now(), open: 0, events: Vec::new() };
    let restore = Restore(RECORDING.replace(Some(new)));
    ACTIVE.set(true);
    let result = f();
    let events = RECORDING.take().map_or_else(Vec::new, |recording| recording.events);
    drop(restore);
    (result, events)
}

/// Whether this thread is being recorded.
pub fn is_active() -> bool {
    ACTIVE.get()
}

/// Begins an event in the current layer; it ends with the value, or with [`Span::end`].
pub fn begin(op: &'static str, pass: Pass) -> Span {
    let index = is_active().then(|| {
        let layer = scope::current();
        with_recording(|recording| {
            let (algorithm, depth, cost) = (None, recording.open, Cost::default());
            let (start, time) = (Duration::ZERO, Duration::ZERO);
            recording.events.push(Event { op, algorithm, layer, pass, depth, start, time, cost });
            recording.open += 1;
            let index = recording.events.len() - 1;
            recording.events[index].start = recording.origin.elapsed();
            index
        })
    });
    Span { index: index.flatten(), _not_send: PhantomData }
}

fn with_recording<R>(f: impl FnOnce(&mut Recording) -> R) -> Option<R> {
    RECORDING.with_borrow_mut(|recording| recording.as_mut().map(f))
}

/// An event that has begun, if the thread is being recorded.
#[must_use = "the event ends when this is dropped"]
pub struct Span {
    index: Option<usize>,
    /// The recording is the thread's, so the span must stay on it.
    _not_send: PhantomData<*const ()>,
}

impl Span {
    /// Says which layer or parameter the event is about, where it is not the current layer.
    pub fn about(self, layer: impl FnOnce() -> Option<Arc<str>>) -> Self {
        self.change(|event| event.layer = layer());
        self
    }

    /// Says which of several algorithms runs.
    pub fn by(self, algorithm: impl FnOnce() -> &'static str) -> Self {
        self.change(|event| event.algorithm = Some(algorithm()));
        self
    }

    /// Ends the event. `cost` is only called while recording.
    pub fn end(self, cost: impl FnOnce() -> Cost) {
        if self.index.is_some() {
            self.stop();
            self.change(|event| event.cost = cost());
        }
    }

    fn change(&self, f: impl FnOnce(&mut Event)) {
        if let Some(index) = self.index {
            with_recording(|recording| recording.events.get_mut(index).map(f));
        }
    }

    /// Takes the time, once: what comes after is not part of the event.
    fn stop(&self) {
        let Some(index) = self.index else { return };
        with_recording(|recording| {
            let now = recording.origin.elapsed();
            if let Some(event) = recording.events.get_mut(index).filter(|event| event.time.is_zero()) {
                event.time = now.saturating_sub(event.start).max(Duration::from_nanos(1));
                recording.open = event.depth;
            }
        });
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.stop();
    }
}
