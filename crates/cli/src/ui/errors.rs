//! Errors: one line on standard error, and an exit status.

use crate::config::validate::UsageError;
use std::process::ExitCode;

/// Prints `error: …` and returns the exit status: 2 for a mistake in flags or configuration, 1 for anything else. A
/// reader that went away (`cresset models | head -1`) is no error.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let broken_pipe = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    if error.downcast_ref::<std::io::Error>().is_some_and(broken_pipe) {
        return ExitCode::SUCCESS;
    }
    // Causes of some libraries have line breaks of their own.
    let text = format!("{error:#}").split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
    eprintln!("error: {text}");
    let usage = error.chain().any(|cause| cause.is::<UsageError>());
    ExitCode::from(if usage { 2 } else { 1 })
}

/// A panic is a bug of ours: say so in one line, with the place. `RUST_BACKTRACE=1` still brings the whole story.
pub fn one_line_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        return;
    }
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic");
        let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        eprintln!("error: this is a bug in cresset, please report it: {text}{place}");
    }));
}
