//! Standard output.

use anyhow::Result;
use serde::Serialize;
use std::io::Write;

/// Writes text to standard output. Unlike `print!`, a reader that went away is an error and no panic.
pub fn text(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes a value as one line of JSON.
pub fn json(value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    text(&line)
}
