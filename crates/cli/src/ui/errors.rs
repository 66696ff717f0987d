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
    eprintln!("error: {}", one_line(error));
    let usage = error.chain().any(|cause| cause.is::<UsageError>());
    ExitCode::from(if usage { 2 } else { 1 })
}

/// The whole chain of causes, without those that an earlier message already tells, and without line breaks.
fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ")
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

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn causes_are_told_once_and_in_one_line() {
        let error = anyhow!("not there").context("cannot read x: not there").context("a\n  b");
        assert_eq!(one_line(&error), "a b: cannot read x: not there");
    }
}
