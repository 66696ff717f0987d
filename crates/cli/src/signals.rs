//! Ctrl-C and the like.

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Remembers the first SIGINT or SIGTERM, so that work can end in order. A second one ends the process at once.
pub struct Signals {
    received: Arc<AtomicUsize>,
}

impl Signals {
    /// From now on signals are noted.
    pub fn catch() -> Result<Self> {
        let again = Arc::new(AtomicBool::new(false));
        let received = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset, and sets it.
            flag::register_conditional_shutdown(signal, 128 + signal, again.clone())?;
            flag::register(signal, again.clone())?;
            flag::register_usize(signal, received.clone(), signal as usize)?;
        }
        Ok(Self { received })
    }

    /// Whether a signal has come.
    pub fn received(&self) -> bool {
        self.received.load(Ordering::Relaxed) != 0
    }

    /// 128 plus the number of the signal that came, as shells expect: 130 after Ctrl-C.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(128 + self.received.load(Ordering::Relaxed) as u8)
    }
}
