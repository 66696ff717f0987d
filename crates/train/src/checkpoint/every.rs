//! How often a checkpoint is written.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How often a checkpoint is written between the ends of epochs. As text `500` (steps), `90s`, `10m` or `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointEvery {
    /// After so many steps; at least 1.
    Steps(u64),
    /// When so much time has passed since the last one.
    Time(Duration),
}

/// More is a slip of the finger, and no number of TOML.
const MOST: u64 = 1_000_000_000_000;
/// Seconds in each unit.
const UNITS: [(char, u64); 3] = [('s', 1), ('m', 60), ('h', 3600)];

impl FromStr for CheckpointEvery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let positive = |digits: &str| digits.parse().ok().filter(|n: &u64| (1..=MOST).contains(n));
            match UNITS.iter().find_map(|&(unit, seconds)| Some((text.strip_suffix(unit)?, seconds))) {
                Some((digits, seconds)) => {
                    Some(Self::Time(Duration::from_secs(positive(digits)?.checked_mul(seconds)?)))
                }
                None => positive(text).map(Self::Steps),
            }
        };
        parse().ok_or_else(|| "allowed: steps from 1 up, as 500, or a time, as 90s, 10m or 2h".to_owned())
    }
}

impl fmt::Display for CheckpointEvery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "{steps}"),
            Self::Time(time) => {
                let time = time.as_secs();
                let (unit, seconds) = UNITS
                    .into_iter()
                    .rev()
                    .find(|(_, seconds)| time.is_multiple_of(*seconds))
                    .unwrap_or(UNITS[0]);
                write!(f, "{}{unit}", time / seconds)
            }
        }
    }
}

impl Serialize for CheckpointEvery {
    /// Steps as a number, times as text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Steps(steps) => serializer.serialize_u64(*steps),
            Self::Time(_) => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_times_are_told_apart_and_written_as_they_are_read() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2h", 7200)] {
            let every: CheckpointEvery = text.parse().unwrap();
            assert_eq!(every, CheckpointEvery::Time(Duration::from_secs(seconds)));
            assert_eq!(every.to_string(), text);
        }
        assert_eq!("120s".parse::<CheckpointEvery>().unwrap().to_string(), "2m");
        assert_eq!("500".parse(), Ok(CheckpointEvery::Steps(500)));
        for bad in
            ["0", "0m", "", "m", "-3", "1.5h", "10 m", "3d", "99999999999999999999s", "9999999999999999999h"]
        {
            assert!(bad.parse::<CheckpointEvery>().is_err(), "{bad}");
        }
    }
}
