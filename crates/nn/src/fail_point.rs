//! Failures on purpose, for tests: the process dies, or the system refuses, at a chosen operation on files.
//!
//! Everything that writes a run's files announces each operation here before it does it: create, write, sync, rename,
//! sync of the folder. `CRESSET_FAIL_AT=7:kill` ends the process before the seventh of them, as `kill -9` would;
//! `7:full` makes the seventh fail as on a full disk. With `CRESSET_FAIL_LOG=FILE` their names are written to a file.
//!
//! Only builds with debug assertions look at these variables. In a release build [`due`] is a constant and nothing of
//! this is left, not even the names; and, unlike a cargo feature, it cannot be switched on by a dependency, nor does
//! a test need a second build of the library.

use std::io;

/// What happens at a fail point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The process ends at once: no destructor runs, no buffer is written.
    Kill,
    /// The process stands still for a minute, for tests of what may happen meanwhile.
    Hang,
    /// The system refuses.
    Error(io::ErrorKind),
}

impl Failure {
    /// Lets it happen.
    pub fn happen(self) -> io::Error {
        match self {
            Failure::Kill => std::process::abort(),
            Failure::Hang => {
                std::thread::sleep(std::time::Duration::from_secs(60));
                io::ErrorKind::TimedOut.into()
            }
            Failure::Error(kind) => kind.into(),
        }
    }
}

/// Announces an operation, and fails if a test wants that.
///
/// # Errors
/// The one that the test asked for.
#[inline]
pub fn reach(operation: &str) -> io::Result<()> {
    match due(operation) {
        Some(failure) => Err(failure.happen()),
        None => Ok(()),
    }
}

/// Announces an operation. What is returned must be made to [happen](Failure::happen).
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn due(_operation: &str) -> Option<Failure> {
    None
}

#[cfg(debug_assertions)]
pub use armed::due;

#[cfg(debug_assertions)]
mod armed {
    use super::Failure;
    use std::io::{ErrorKind, Write};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static REACHED: AtomicU64 = AtomicU64::new(0);
    static PLAN: LazyLock<Option<(u64, Failure)>> =
        LazyLock::new(|| parse(&std::env::var("CRESSET_FAIL_AT").ok()?));

    /// Announces an operation. What is returned must be made to [happen](Failure::happen).
    pub fn due(operation: &str) -> Option<Failure> {
        let number = REACHED.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(log) = std::env::var_os("CRESSET_FAIL_LOG")
            && let Ok(mut log) = std::fs::OpenOptions::new().create(true).append(true).open(log)
        {
            let _ = writeln!(log, "{number} {operation}");
        }
        PLAN.filter(|(at, _)| *at == number).map(|(_, failure)| failure)
    }

    /// `7:kill`. What cannot be read plans nothing.
    fn parse(text: &str) -> Option<(u64, Failure)> {
        let (at, failure) = text.split_once(':')?;
        let failure = match failure {
            "kill" => Failure::Kill,
            "hang" => Failure::Hang,
            "full" => Failure::Error(ErrorKind::StorageFull),
            "denied" => Failure::Error(ErrorKind::PermissionDenied),
            "read-only" => Failure::Error(ErrorKind::ReadOnlyFilesystem),
            "gone" => Failure::Error(ErrorKind::NotFound),
            _ => return None,
        };
        Some((at.parse().ok()?, failure))
    }

    #[test]
    fn plans_are_read() {
        assert_eq!(parse("7:kill"), Some((7, Failure::Kill)));
        assert_eq!(parse("1:full"), Some((1, Failure::Error(ErrorKind::StorageFull))));
        assert_eq!((parse("x:full"), parse("1:fire"), parse("1")), (None, None, None));
    }
}
