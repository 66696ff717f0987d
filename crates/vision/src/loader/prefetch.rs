//! Worker threads that make batches ahead of time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::loader::Batch;
use crate::loader::epoch::Plan;
use crate::{Result, VisionError};

/// Each worker claims the next batch and makes the whole of it; batches are handed out in order.
pub(crate) struct Prefetch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    plan: Arc<Plan>,
    /// How many batches may be claimed beyond the one that is wanted next.
    ahead: usize,
    stop: AtomicBool,
    state: Mutex<State>,
    /// Told when `state.wanted` grows or everything stops.
    room: Condvar,
    /// Told when a batch is ready.
    ready: Condvar,
}

struct State {
    /// The next batch that nobody has begun.
    unclaimed: usize,
    /// The next batch that the consumer wants.
    wanted: usize,
    ready: BTreeMap<usize, Result<Option<Batch>>>,
}

impl Prefetch {
    pub fn start(plan: &Arc<Plan>, first: usize, workers: usize, ahead: usize) -> Self {
        let shared = Arc::new(Shared {
            plan: Arc::clone(plan),
            ahead,
            stop: AtomicBool::new(false),
            state: Mutex::new(State { unclaimed: first, wanted: first, ready: BTreeMap::new() }),
            room: Condvar::new(),
            ready: Condvar::new(),
        });
        let threads = (0..workers)
            .map_while(|worker| {
                let shared = Arc::clone(&shared);
                let name = format!("loader-{worker}");
                std::thread::Builder::new().name(name).spawn(move || shared.work()).ok()
            })
            .collect();
        Self { shared, threads }
    }

    /// Waits for batch number `position`, which must be the next one.
    pub fn take(&mut self, position: usize) -> Result<Option<Batch>> {
        if self.threads.is_empty() {
            // The system refused every thread: do the work here.
            return self.shared.plan.batch(position, &|| false);
        }
        let mut state = self.shared.lock();
        loop {
            if let Some(made) = state.ready.remove(&position) {
                state.wanted = position + 1;
                drop(state);
                self.shared.room.notify_all();
                return made;
            }
            if self.threads.iter().all(JoinHandle::is_finished) && !state.ready.contains_key(&position) {
                let message = "all loader threads ended before their work was done".into();
                return Err(VisionError::Panic { batch: position, message });
            }
            state = self.shared.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every update of the state is complete before anything in it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(position) = self.claim() {
            let made = self.plan.batch(position, &|| self.stop.load(Ordering::Relaxed));
            self.lock().ready.insert(position, made);
            self.ready.notify_all();
        }
    }

    fn claim(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if self.stop.load(Ordering::Relaxed) || state.unclaimed >= self.plan.batches {
                return None;
            }
            if state.unclaimed < state.wanted + self.ahead {
                state.unclaimed += 1;
                return Some(state.unclaimed - 1);
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // Set under the lock, so that no worker can miss it between its check and its wait.
        let state = self.shared.lock();
        self.shared.stop.store(true, Ordering::Relaxed);
        drop(state);
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // A panic was already turned into an error where it happened.
            let _ = thread.join();
        }
    }
}
