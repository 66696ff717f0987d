//! Checks of data and model before a long training: the mistakes that cost days and raise no error.

mod data;
mod model;
mod units;

pub use data::{class_balance, normalization, readable};
pub use model::{batch_norms, gradients, overfit};
pub use units::dead_units;

use serde::Serialize;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Training will work, but perhaps not as well as it could.
    Doubtful,
    /// Training will fail or learn nothing.
    Bad,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked: `gradients`.
    pub subject: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen, with numbers.
    pub found: String,
    /// What to do about it, unless it is good.
    pub advice: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn good(subject: &'static str, found: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Good, found: found.into(), advice: None }
    }

    /// Something may be wrong.
    pub fn doubtful(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Doubtful, found: found.into(), advice: Some(advice.into()) }
    }

    /// Something is wrong.
    pub fn bad(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Bad, found: found.into(), advice: Some(advice.into()) }
    }
}

/// The first few of many names, as in `conv1, bn1 and 3 more`.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
