//! Threads that wait for the next kernel of a training step.
//!
//! A step of a small network is a hundred launches in less than a millisecond. A general thread pool takes
//! several microseconds to wake a sleeping thread for each; here threads look out for the next launch for a
//! while before they sleep, the caller works too, and a launch is a few atomic operations.
//!
//! There is one job at a time. Whoever launches another meanwhile (a second caller, or a task itself) runs it
//! alone, which changes no result because no result depends on who computes what.

use super::Order;
use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::{hint, ptr, thread};

/// How often a thread looks for a job without pause, then giving way to others, before it sleeps: together
/// about a fifth of a millisecond, more than passes between two kernels of a step.
const SPINS: usize = 1500;
const YIELDS: usize = 400;
/// Shares into which the tasks of a job are cut at most; with more threads several have one in common.
const SHARES: usize = 16;

struct Pool {
    /// Held by the caller whose job is running.
    busy: Mutex<Workers>,
    /// The running job, or null.
    job: AtomicPtr<Job<'static>>,
    /// Number of the latest job.
    launches: AtomicUsize,
    /// Workers that may hold a reference to the job.
    visitors: AtomicUsize,
    /// Workers that sleep or are about to.
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

#[derive(Default)]
struct Workers {
    /// Threads started so far; they live as long as the process.
    started: usize,
}

struct Job<'a> {
    run: &'a (dyn Fn(usize, usize) + Sync),
    /// The share of each participant: in the upper half its first task, in the lower one the task behind its last, of those
    /// that nobody has taken yet.
    shares: [Share; SHARES],
    order: Order,
    /// Workers with a number below this one take part.
    workers: usize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

static POOL: Pool = Pool::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic happens under these locks but starting a thread, which leaves them valid.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `run(participant, task)` for each task, on the caller, which is participant 0, and at most `threads - 1` other
/// threads, which have numbers below `threads`.
pub(super) fn run(tasks: usize, threads: usize, order: Order, run: &(dyn Fn(usize, usize) + Sync)) {
    POOL.run(tasks, threads, order, run);
}

/// Does all tasks alone.
fn run_alone(tasks: usize, order: Order, run: &(dyn Fn(usize, usize) + Sync)) {
    match order {
        Order::Forwards => (0..tasks).for_each(|task| run(0, task)),
        Order::Backwards => (0..tasks).rev().for_each(|task| run(0, task)),
    }
}

impl Workers {
    /// Starts threads of `pool` until there are `wanted`, or as many as the system gives.
    fn ensure(&mut self, pool: &'static Pool, wanted: usize) {
        while self.started < wanted {
            let number = self.started;
            let worker = thread::Builder::new().name(format!("cresset-{number}"));
            if worker.spawn(move || pool.serve(number)).is_err() {
                break;
            }
            self.started += 1;
        }
    }
}

/// In a cache line of its own.
#[repr(align(64))]
struct Share(AtomicU64);

impl Share {
    fn of(tasks: Range<usize>) -> Self {
        Self(AtomicU64::new((tasks.start as u64) << 32 | tasks.end as u64))
    }

    /// Takes the first or the last task.
    fn take(&self, order: Order) -> Option<usize> {
        let mut taken = 0;
        let mut rest = |tasks: u64| {
            let (start, end) = (tasks >> 32, tasks & u64::from(u32::MAX));
            if start >= end {
                return None;
            }
            let (task, rest) = match order {
                Order::Forwards => (start, (start + 1) << 32 | end),
                Order::Backwards => (end - 1, start << 32 | (end - 1)),
            };
            taken = task as usize;
            Some(rest)
        };
        // A look first: an exchange takes the cache line from whoever has it.
        rest(self.0.load(SeqCst))?;
        self.0.fetch_update(SeqCst, SeqCst, &mut rest).ok().map(|_| taken)
    }

    fn clear(&self) {
        self.0.store(0, SeqCst);
    }
}

impl<'a> Job<'a> {
    fn new(run: &'a (dyn Fn(usize, usize) + Sync), tasks: usize, workers: usize, order: Order) -> Self {
        let participants = (workers + 1).min(SHARES);
        let bound = |share: usize| share.min(participants) * tasks / participants;
        let shares = std::array::from_fn(|i| Share::of(bound(i)..bound(i + 1)));
        Self { run, shares, order, workers, panic: Mutex::new(None) }
    }

    /// Runs tasks until none is left: those of `participant`'s share, then from the other ends of the others'. Never unwinds: a
    /// panic is kept for the caller.
    fn work(&self, participant: usize) {
        let own = participant % SHARES;
        let other_end = if self.order == Order::Forwards { Order::Backwards } else { Order::Forwards };
        let others = || (1..SHARES).map(|i| &self.shares[(own + i) % SHARES]);
        let next = || {
            let mine = self.shares[own].take(self.order);
            mine.or_else(|| others().find_map(|share| share.take(other_end)))
        };
        while let Some(task) = next() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.run)(participant, task))) {
                self.shares.iter().for_each(Share::clear);
                lock(&self.panic).get_or_insert(panic);
            }
        }
    }
}

impl Pool {
    const fn new() -> Self {
        Self {
            busy: Mutex::new(Workers { started: 0 }),
            job: AtomicPtr::new(ptr::null_mut()),
            launches: AtomicUsize::new(0),
            visitors: AtomicUsize::new(0),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    fn run(&'static self, tasks: usize, threads: usize, order: Order, run: &(dyn Fn(usize, usize) + Sync)) {
        let helpers = (threads - 1).min(tasks.saturating_sub(1));
        // Nobody has as many tasks as there are numbers of 32 bits, which shares are made of.
        if helpers == 0 || u32::try_from(tasks).is_err() {
            return run_alone(tasks, order, run);
        }
        // Busy: another caller's job is running, or this is a task of one.
        let Ok(mut workers) = self.busy.try_lock() else { return run_alone(tasks, order, run) };
        workers.ensure(self, helpers);
        let job = Job::new(run, tasks, helpers, order);
        self.launch(&job, helpers);
        job.work(0);
        self.finish();
        drop(workers);
        if let Some(panic) = lock(&job.panic).take() {
            resume_unwind(panic);
        }
    }

    fn launch(&self, job: &Job, helpers: usize) {
        let job: *const Job = job;
        self.job.store(job.cast_mut().cast(), SeqCst);
        self.launches.fetch_add(1, SeqCst);
        if self.sleepers.load(SeqCst) > 0 {
            let _guard = lock(&self.sleep);
            if helpers == 1 { self.wake.notify_one() } else { self.wake.notify_all() }
        }
    }

    /// Takes the job back: afterwards no worker has a reference to it.
    fn finish(&self) {
        self.job.store(ptr::null_mut(), SeqCst);
        let mut waited = 0usize;
        // A worker registers before it looks at the job, so one that has seen it is counted here.
        while self.visitors.load(SeqCst) != 0 {
            waited += 1;
            if waited < SPINS { hint::spin_loop() } else { thread::yield_now() }
        }
    }

    fn serve(&self, number: usize) {
        let mut seen = 0;
        loop {
            seen = self.wait(seen);
            self.visitors.fetch_add(1, SeqCst);
            let job = self.job.load(SeqCst);
            if !job.is_null() {
                // SAFETY: the caller keeps the job until it has cleared the pointer and then seen no visitors;
                // this thread was counted before it read the pointer.
                let job = unsafe { &*job };
                if number < job.workers {
                    job.work(number + 1);
                }
            }
            self.visitors.fetch_sub(1, SeqCst);
        }
    }

    /// Returns the number of the latest job when it is no longer `seen`.
    fn wait(&self, seen: usize) -> usize {
        let news = || Some(self.launches.load(SeqCst)).filter(|&latest| latest != seen);
        for attempt in 0..SPINS + YIELDS {
            if let Some(latest) = news() {
                return latest;
            }
            if attempt < SPINS { hint::spin_loop() } else { thread::yield_now() }
        }
        let mut guard = lock(&self.sleep);
        self.sleepers.fetch_add(1, SeqCst);
        // Registered, then looked again: a launch either is seen here or sees a sleeper and waits for the lock.
        let latest = loop {
            if let Some(latest) = news() {
                break latest;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleepers.fetch_sub(1, SeqCst);
        latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// How often something is tried that could go wrong; Miri tries many orders of events by itself.
    const ROUNDS: usize = if cfg!(miri) { 21 } else { 300 };

    #[test]
    fn every_task_runs_once_whoever_launches() {
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for round in 0..ROUNDS {
                        let tasks = round % 7 * 5;
                        let runs: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                        let order = if round % 2 == 0 { Order::Forwards } else { Order::Backwards };
                        run(tasks, 1 + round % 4, order, &|participant, i| {
                            assert!(participant < 1 + round % 4);
                            runs[i].fetch_add(1, SeqCst);
                            run(2, 4, order, &|_, _| {}); // a launch inside of a task
                        });
                        assert!(runs.iter().all(|n| n.load(SeqCst) == 1));
                    }
                });
            }
        });
    }

    #[test]
    fn sleeping_threads_wake_up() {
        // A pool of its own: other tests launch jobs of the shared one, which would then run these alone.
        static POOL: Pool = Pool::new();
        for _ in 0..ROUNDS / 6 {
            thread::sleep(Duration::from_millis(1));
            let running = AtomicUsize::new(0);
            let deadline = Instant::now() + Duration::from_secs(60);
            POOL.run(3, 3, Order::Forwards, &|_, _| {
                running.fetch_add(1, SeqCst);
                // Each task waits for the others, so three threads have to take part.
                while running.load(SeqCst) < 3 {
                    assert!(Instant::now() < deadline, "a thread sleeps on");
                    thread::yield_now();
                }
            });
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let result = catch_unwind(|| run(10, 3, Order::Forwards, &|_, i| assert!(i != 5, "task {i}")));
        let message = result.unwrap_err();
        assert_eq!(message.downcast_ref::<String>().unwrap(), "task 5");
        let count = AtomicUsize::new(0);
        run(10, 3, Order::Forwards, &|_, _| {
            count.fetch_add(1, SeqCst);
        });
        assert_eq!(count.load(SeqCst), 10);
    }
}
