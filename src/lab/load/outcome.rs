//! What a writer knows of each of its writes.
//!
//! There may be millions: each takes a byte in memory, and as neighbours mostly fare alike, what is
//! stored are runs of equal outcomes.

use serde::{Deserialize, Serialize};

use crate::lab::model::UnixUs;

/// Writes that one writer may send.
pub(super) const WRITES_MAX: usize = 1_000_000_000;

/// What a client was told of a write, from the worst to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Outcome {
    /// The server answered with an error.
    Refused,
    /// No answer came, or not in time: it may have been done, or may be yet.
    Unknown,
    /// The server said that it has done it.
    Acknowledged,
    /// And `WAIT` said that enough replicas have it.
    Promised,
}

impl Outcome {
    /// Whether the server said that it has done it.
    pub fn is_accepted(self) -> bool {
        matches!(self, Outcome::Acknowledged | Outcome::Promised)
    }
}

/// What became of all writes of a writer, as far as it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Outcomes {
    /// The writer's name.
    pub writer: String,
    /// What it does, in words: `plain`, `WAIT 1`.
    pub kind: String,
    /// How it finds the master, in words.
    pub route: String,
    /// That of write number 1 first.
    pub list: Vec<Outcome>,
    /// The longest time without an accepted write, from the first accepted one to the end: when it
    /// began, and its length in microseconds.
    pub longest_gap: Option<(UnixUs, u64)>,
}

/// [`Outcomes`] with runs.
#[derive(Serialize, Deserialize)]
struct Stored {
    writer: String,
    kind: String,
    route: String,
    runs: Vec<(u64, Outcome)>,
    longest_gap: Option<(UnixUs, u64)>,
}

impl From<Outcomes> for Stored {
    fn from(outcomes: Outcomes) -> Stored {
        let mut runs: Vec<(u64, Outcome)> = Vec::new();
        for outcome in outcomes.list {
            match runs.last_mut() {
                Some((count, of)) if *of == outcome => *count += 1,
                _ => runs.push((1, outcome)),
            }
        }
        Stored {
            writer: outcomes.writer,
            kind: outcomes.kind,
            route: outcomes.route,
            runs,
            longest_gap: outcomes.longest_gap,
        }
    }
}

impl TryFrom<Stored> for Outcomes {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Outcomes, &'static str> {
        let mut list = Vec::new();
        for (count, outcome) in stored.runs {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if count > WRITES_MAX - list.len() {
                return Err("more outcomes than a writer can have");
            }
            list.resize(list.len() + count, outcome);
        }
        Ok(Outcomes {
            writer: stored.writer,
            kind: stored.kind,
            route: stored.route,
            list,
            longest_gap: stored.longest_gap,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_stored_as_runs_and_read_again() {
        let mut list = vec![Outcome::Acknowledged; 3000];
        list.extend([Outcome::Unknown, Outcome::Refused, Outcome::Refused]);
        let outcomes = Outcomes {
            writer: "plain".to_owned(),
            list,
            longest_gap: Some((5, 7)),
            ..Outcomes::default()
        };
        let text = serde_json::to_string(&outcomes).expect("plain data");
        assert!(
            text.contains(r#""runs":[[3000,"acknowledged"],[1,"unknown"],[2,"refused"]]"#),
            "{text}"
        );
        let again: Outcomes = serde_json::from_str(&text).expect("what we have written");
        assert_eq!(again, outcomes);
    }

    #[test]
    fn a_count_beyond_all_bounds_is_an_error() {
        for runs in [
            "[[18446744073709551615,\"unknown\"]]",
            "[[1,\"unknown\"],[1000000000,\"unknown\"]]",
        ] {
            let text =
                format!(r#"{{"writer":"","kind":"","route":"","runs":{runs},"longest_gap":null}}"#);
            assert!(serde_json::from_str::<Outcomes>(&text).is_err(), "{runs}");
        }
    }
}
