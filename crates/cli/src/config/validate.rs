//! Checks of single values. Every message says what was found and what is allowed.

use anyhow::{Result, bail};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// A mistake in the command line or the configuration file, rather than in the world. Exits with status 2.
#[derive(Debug)]
pub struct UsageError(pub String);

impl Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Refuses a value of a flag.
pub fn refuse<T>(flag: &str, found: impl Display, allowed: &str) -> Result<T> {
    bail!(UsageError(format!("{flag} is {found}, allowed: {allowed}")))
}

/// Reads a whole number, with a message for those who wrote something else.
pub fn whole(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "expected a whole number, not below 0".to_owned())
}

/// A whole number within a range.
pub fn count(flag: &str, value: usize, range: RangeInclusive<usize>) -> Result<usize> {
    if range.contains(&value) {
        return Ok(value);
    }
    refuse(flag, value, &format!("whole numbers from {} to {}", range.start(), range.end()))
}

/// A finite number above zero.
pub fn positive(flag: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 { Ok(value) } else { refuse(flag, value, "finite numbers above 0") }
}

/// A finite number, zero or above.
pub fn not_negative(flag: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        refuse(flag, value, "finite numbers from 0 up")
    }
}

/// A number from 0 up to, but not including, 1.
pub fn fraction(flag: &str, value: f64) -> Result<f64> {
    if (0.0..1.0).contains(&value) { Ok(value) } else { refuse(flag, value, "0 up to, but not including, 1") }
}

/// A factor above 0 and at most 1.
pub fn shrinking(flag: &str, value: f64) -> Result<f64> {
    if value > 0.0 && value <= 1.0 { Ok(value) } else { refuse(flag, value, "above 0 and at most 1") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_is_allowed() {
        let text = |r: Result<f64>| r.unwrap_err().to_string();
        assert_eq!(text(positive("--lr", f64::NAN)), "--lr is NaN, allowed: finite numbers above 0");
        assert_eq!(
            count("--batch-size", 0, 1..=9).unwrap_err().to_string(),
            "--batch-size is 0, allowed: whole numbers from 1 to 9"
        );
        assert!(positive("x", f64::INFINITY).is_err() && positive("x", -0.0).is_err());
        assert!(
            fraction("x", 1.0).is_err() && fraction("x", f64::NAN).is_err() && fraction("x", 0.0).is_ok()
        );
        assert!(shrinking("x", 0.0).is_err() && shrinking("x", 1.0).is_ok());
        assert!(not_negative("x", -1e-9).is_err() && not_negative("x", 0.0).is_ok());
    }
}
