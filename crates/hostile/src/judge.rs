//! What no file may do to a reader: make it panic, hang, or take memory out of proportion.

use peak_alloc::PeakAlloc;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, Once};
use std::thread;
use std::time::{Duration, Instant};

/// Memory that reading may take beyond twice the file.
pub const ALLOWANCE: usize = 64 << 20;

/// A small file that takes longer hangs; one second would do on an idle machine.
pub const TIME: Duration = Duration::from_secs(10);

/// Counts panics, also those that are caught inside (decoders are).
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// What is being read since when; for the watchdog.
static RUNNING: Mutex<Option<(Instant, String)>> = Mutex::new(None);

/// What a case took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Bytes of memory at the peak.
    pub memory: usize,
    /// Wall-clock time.
    pub time: Duration,
}

/// Reads a file of `len` bytes with `read`, and panics if that panics, takes more than twice the file and
/// [`ALLOWANCE`], or more than [`TIME`]. `what` is the case's name.
///
/// Memory is only counted in programs whose global allocator is [`PeakAlloc`], and for the whole process: a test that
/// judges is [`alone`].
#[track_caller]
pub fn judge<R>(what: &str, len: usize, read: impl FnOnce() -> R) -> (R, Cost) {
    prepare();
    let start = Instant::now();
    *lock(&RUNNING) = Some((start, what.to_owned()));
    PANICS.store(0, SeqCst);
    let before = PeakAlloc.current_usage();
    PeakAlloc.reset_peak_usage();
    let result = catch_unwind(AssertUnwindSafe(read));
    let cost = Cost { memory: PeakAlloc.peak_usage().saturating_sub(before), time: start.elapsed() };
    *lock(&RUNNING) = None;
    let limit = 2 * len + ALLOWANCE;
    assert!(PANICS.load(SeqCst) == 0, "{what}: it panicked");
    assert!(
        cost.memory <= limit,
        "{what}: {} bytes of memory for a file of {len}, allowed {limit}",
        cost.memory
    );
    assert!(cost.time <= TIME, "{what}: took {:?}", cost.time);
    match result {
        Ok(result) => (result, cost),
        Err(_) => unreachable!("a panic was counted"),
    }
}

/// Keeps other tests waiting.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    lock(&ONE_AT_A_TIME)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// Counts panics, and ends the process when a case does not.
fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, SeqCst);
            hook(info);
        }));
        thread::spawn(|| {
            loop {
                thread::sleep(Duration::from_secs(1));
                if let Some((start, what)) = &*lock(&RUNNING)
                    && start.elapsed() > 6 * TIME
                {
                    eprintln!("{what}: has not ended after {:?}", start.elapsed());
                    std::process::abort();
                }
            }
        });
    });
}
