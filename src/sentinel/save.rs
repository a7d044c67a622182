//! What has to be durable before somebody hears of it.
//!
//! Each change that is to be written down gets a number; a save writes everything up to the newest
//! one. One save runs at a time, so that many changes share one. What waits for a number is let go
//! when that is on disk, or told that it could not be brought there.

use super::action::{Action, Answer, Verdict};
use super::ids::MasterId;

/// After a failure, a save is tried again this often.
const RETRY_MS: u64 = 1000;
/// What somebody is told whose change could not be written down.
const NOT_SAVED: &str = "ERR Failed to save config file. Check server logs.";

/// What waits until a change is durable.
#[derive(Debug)]
enum Waiter {
    /// A client that wants to know.
    Client(u64),
    /// A peer that asked for our vote; without it, if it cannot be written down.
    Vote { client: u64, verdict: Verdict },
    /// That we have voted may be told.
    VoteTold { master: MasterId, text: String },
}

/// What has come of a save, for those who waited.
pub(super) enum Released {
    /// To be carried out.
    Action(Action),
    /// Tell that we have voted.
    Voted { master: MasterId, text: String },
}

/// The state of saving.
#[derive(Debug, Default)]
pub(super) struct Saves {
    /// The number of the newest change.
    wanted: u64,
    /// Up to where all is on disk.
    saved: u64,
    /// The save that runs.
    running: bool,
    /// Since the last save failed: when to try again.
    retry_at_ms: Option<u64>,
    waiting: Vec<(u64, Waiter)>,
}

impl Saves {
    /// Something has changed that is to be written down. Returns its number.
    pub fn want(&mut self) -> u64 {
        self.wanted += 1;
        self.wanted
    }

    /// The number of the newest change.
    pub fn wanted(&self) -> u64 {
        self.wanted
    }

    /// Whether the change of this number is on disk.
    pub fn has(&self, number: u64) -> bool {
        self.saved >= number
    }

    /// Whether what is on disk cannot be trusted to change.
    pub fn is_failing(&self) -> bool {
        self.retry_at_ms.is_some()
    }

    /// A client is answered when what was changed until now is on disk.
    pub fn hold_client(&mut self, client: u64) {
        self.waiting.push((self.wanted, Waiter::Client(client)));
    }

    /// A peer is told our vote when the change of this number is on disk.
    pub fn hold_vote(&mut self, number: u64, client: u64, verdict: Verdict) {
        self.waiting
            .push((number, Waiter::Vote { client, verdict }));
    }

    /// That we have voted is told when that is on disk.
    pub fn hold_vote_event(&mut self, number: u64, master: MasterId, text: String) {
        self.waiting
            .push((number, Waiter::VoteTold { master, text }));
    }

    /// When a save is due, if one is.
    pub fn due_ms(&self) -> Option<u64> {
        if self.running || self.wanted == self.saved {
            return None;
        }
        Some(self.retry_at_ms.unwrap_or(0))
    }

    /// A save begins, if one is due.
    pub fn begin(&mut self, now_ms: u64) -> bool {
        let is_due = self.due_ms().is_some_and(|at_ms| at_ms <= now_ms);
        self.running |= is_due;
        is_due
    }

    /// Everything up to this number is on disk. Whether saves had failed before.
    pub fn succeeded(&mut self, number: u64) -> (bool, Vec<Released>) {
        self.running = false;
        self.saved = self.saved.max(number);
        let was_failing = self.retry_at_ms.take().is_some();
        let mut released = Vec::new();
        for (of, waiter) in std::mem::take(&mut self.waiting) {
            match waiter {
                waiter if of > self.saved => self.waiting.push((of, waiter)),
                Waiter::Client(client) => released.push(answer(client, Answer::Ok)),
                Waiter::Vote { client, verdict } => {
                    released.push(answer(client, Answer::Verdict(verdict)));
                }
                Waiter::VoteTold { master, text } => {
                    released.push(Released::Voted { master, text });
                }
            }
        }
        (was_failing, released)
    }

    /// A save has failed. Whether that is news.
    pub fn failed(&mut self, now_ms: u64) -> (bool, Vec<Released>) {
        self.running = false;
        let is_news = self.retry_at_ms.replace(now_ms + RETRY_MS).is_none();
        let mut released = Vec::new();
        for (of, waiter) in std::mem::take(&mut self.waiting) {
            match waiter {
                Waiter::Client(client) => {
                    released.push(answer(client, Answer::Error(NOT_SAVED.to_owned())));
                }
                Waiter::Vote {
                    client,
                    mut verdict,
                } => {
                    verdict.vote = None;
                    released.push(answer(client, Answer::Verdict(verdict)));
                }
                told @ Waiter::VoteTold { .. } => self.waiting.push((of, told)),
            }
        }
        (is_news, released)
    }
}

fn answer(client: u64, answer: Answer) -> Released {
    Released::Action(Action::Answer { client, answer })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(released: &[Released]) -> Vec<(u64, Answer)> {
        let answer = |released: &Released| match released {
            Released::Action(Action::Answer { client, answer }) => Some((*client, answer.clone())),
            _ => None,
        };
        released.iter().filter_map(answer).collect()
    }

    fn vote() -> Verdict {
        Verdict {
            down: true,
            vote: Some(("a".repeat(40), 7)),
        }
    }

    #[test]
    fn a_vote_is_told_when_it_is_on_disk_and_not_before() {
        let mut saves = Saves::default();
        saves.want();
        assert!(saves.begin(0));
        let number = saves.want();
        saves.hold_vote(number, 5, vote());
        assert!(!saves.begin(0), "one at a time");
        let (_, released) = saves.succeeded(number - 1);
        assert!(answers(&released).is_empty() && !saves.has(number));
        assert!(saves.begin(0));
        let (_, released) = saves.succeeded(number);
        assert_eq!(answers(&released), [(5, Answer::Verdict(vote()))]);
        assert!(saves.has(number) && saves.due_ms().is_none());
    }

    #[test]
    fn a_vote_that_cannot_be_written_down_is_not_told() {
        let mut saves = Saves::default();
        let number = saves.want();
        saves.hold_vote(number, 5, vote());
        saves.hold_client(6);
        assert!(saves.begin(10));
        let (is_news, released) = saves.failed(10);
        assert!(is_news && saves.is_failing());
        let without = Verdict {
            vote: None,
            ..vote()
        };
        let error = Answer::Error(NOT_SAVED.to_owned());
        assert_eq!(
            answers(&released),
            [(5, Answer::Verdict(without)), (6, error)]
        );
        assert!(
            !saves.begin(10) && saves.begin(10 + RETRY_MS),
            "it is tried again"
        );
        assert!(!saves.failed(2000).0);
        assert!(saves.begin(3000));
        assert!(saves.succeeded(number).0 && !saves.is_failing());
    }
}
