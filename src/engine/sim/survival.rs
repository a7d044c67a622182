//! What a server with an append-only file must bring back when it starts again.
//!
//! Clients push numbers to one list, the *journal*, each together with the rest of what they write,
//! and no number twice. So the journal tells how far a data set goes: a server that starts must
//! hold a beginning of the journal that it had, without a hole and without anything twice, and all
//! else as it was at that place.
//!
//! ```text
//! 4 9 10 | 12 13 | 17              what is in memory
//!        ▲       ▲
//!        │       └ written: kept when the process dies
//!        └ on disk: kept when the machine loses power
//! ```
//!
//! How far that must be follows from `appendfsync`, once the file counts: `always` promises that
//! all of a tick is on disk when it ends; `everysec` that it is written when the tick ends, or two
//! seconds later while a sync runs, and on disk two seconds after; `no` that it is written. The
//! seconds count only while the server runs, its disk does what it is asked, and no sync or, with
//! `no-appendfsync-on-rewrite`, no child is under way. While clients are refused because of the
//! file, nothing new is promised, and nothing that was is taken back.
//!
//! When the data set is replaced (`FLUSHALL`, a full sync) the journal begins anew: a new *epoch*.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use super::oracle::lasting_fingerprint;
use crate::commands::env::Env;
use crate::config::Appendfsync;
use crate::data::list::{ListRef, Side};
use crate::keyspace::{Keyspace, ValueRef};

/// The list that numbers are pushed to, in the first database.
pub const JOURNAL: &str = "journal";
/// A server that has not run for so long was held up, in microseconds.
const TICK_US_MAX: u64 = 250_000;
/// What `everysec` promises is done after this time, in microseconds.
const PROMISED_US: u64 = 2_000_000;
/// A write waits for a sync for two seconds and the time to the next tick, in microseconds.
const POSTPONED_US_MAX: u64 = PROMISED_US + TICK_US_MAX;

/// A place in the journal: an epoch, and how many numbers of it.
pub type Position = (usize, usize);

/// How a server ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Death {
    /// The process did.
    OfProcess,
    /// The machine lost power.
    OfMachine,
}

/// What is known of a server at the end of a tick.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// The time, in microseconds.
    pub now_us: u64,
    /// The file counts: it does not wait for its first rewrite.
    pub is_on: bool,
    /// Clients are refused because of it.
    pub is_refused: bool,
    /// Bytes that are to be written to it.
    pub unwritten: usize,
    /// A sync runs on another thread.
    pub is_syncing: bool,
    /// A child runs.
    pub has_child: bool,
}

/// See the module's head.
#[derive(Default)]
pub struct Survival {
    /// All numbers of each epoch.
    epochs: Vec<Vec<u64>>,
    /// Whether everything is written together with a number, so that a place determines the data.
    pub is_exact: bool,
    /// The data at places that were seen.
    data: BTreeMap<Position, u64>,
    /// What outlives the process.
    written: Position,
    /// What outlives a loss of power.
    on_disk: Position,
    /// Places that will be on disk, with the promised time.
    promised: VecDeque<(Position, u64)>,
    /// The time that counts for promises, in microseconds.
    clock_us: u64,
    last_us: u64,
    /// Since when something is not written, by that time while syncs run, in microseconds.
    postponed_us: u64,
    /// How it ended the last time.
    death: Option<Death>,
}

/// What the journal holds behind its first `from` numbers.
fn numbers(keyspace: &Keyspace, from: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    if let Some(list) = journal(keyspace) {
        list.visit(from, Side::After, |element| {
            let number = element.with_bytes(|text| String::from_utf8_lossy(text).parse());
            numbers.push(number.expect("only numbers are pushed"));
            ControlFlow::Continue(())
        });
    }
    numbers
}

fn journal(keyspace: &Keyspace) -> Option<ListRef<'_>> {
    match keyspace.db(0).get(JOURNAL.as_bytes())?.value() {
        ValueRef::List(list) => Some(list),
        _ => None,
    }
}

impl Survival {
    /// A server that is to be started has these numbers in its files.
    pub fn expect(&mut self, numbers: Vec<u64>, are_on_disk: bool) {
        self.written = (0, numbers.len());
        self.on_disk = if are_on_disk { self.written } else { (0, 0) };
        self.epochs = vec![numbers];
    }

    fn here(&self) -> Position {
        let last = self.epochs.last();
        last.map_or((0, 0), |numbers| (self.epochs.len() - 1, numbers.len()))
    }

    /// Takes note of what the journal holds now.
    fn follow(&mut self, keyspace: &Keyspace) -> Position {
        if self.epochs.is_empty() {
            self.epochs.push(Vec::new());
        }
        let count = journal(keyspace).map_or(0, |list| list.len());
        let mut first = None;
        if let Some(list) = journal(keyspace) {
            list.visit(0, Side::After, |element| {
                first = element.with_bytes(|text| String::from_utf8_lossy(text).parse().ok());
                ControlFlow::Break(())
            });
        }
        let known = self.epochs.last_mut().expect("there is one");
        let goes_on = count >= known.len() && (known.is_empty() || known.first() == first.as_ref());
        if goes_on {
            known.extend(numbers(keyspace, known.len()));
        } else {
            self.epochs.push(numbers(keyspace, 0));
        }
        self.here()
    }

    /// Something was executed of which nobody was told.
    pub fn see(&mut self, env: &Env) -> Position {
        let here = self.follow(&env.keyspace);
        if self.is_exact {
            let data = lasting_fingerprint(&env.keyspace);
            let known = *self.data.entry(here).or_insert(data);
            assert_eq!(data, known, "the data at {here:?}");
        }
        here
    }

    /// A tick has ended: what it did is told to clients.
    pub fn end_tick(&mut self, env: &Env, observed: Observed) {
        let here = self.see(env);
        let passed_us = observed.now_us - std::mem::replace(&mut self.last_us, observed.now_us);
        let policy = env.config.appendfsync;
        let waived = env.config.no_appendfsync_on_rewrite && observed.has_child;
        if !observed.is_on || observed.is_refused {
            self.postponed_us = 0;
            return;
        }
        let runs = passed_us <= TICK_US_MAX;
        if runs && !observed.is_syncing && !waived && policy == Appendfsync::Everysec {
            self.clock_us += passed_us;
        }
        if observed.unwritten == 0 {
            self.postponed_us = 0;
            self.written = here;
        } else {
            assert_eq!(policy, Appendfsync::Everysec, "a write waits");
            self.postponed_us += if runs { passed_us } else { 0 };
            assert!(self.postponed_us <= POSTPONED_US_MAX, "a write waits long");
        }
        match policy {
            Appendfsync::Always if !waived => {
                self.on_disk = here;
                self.promised.clear();
            }
            Appendfsync::Always | Appendfsync::Everysec => {
                let last = self
                    .promised
                    .back()
                    .map_or(self.on_disk, |(place, _)| *place);
                if here > last {
                    self.promised.push_back((here, self.clock_us + PROMISED_US));
                }
            }
            Appendfsync::No => {}
        }
        while let Some((place, _)) = self.promised.pop_front_if(|(_, at)| *at <= self.clock_us) {
            self.on_disk = self.on_disk.max(place);
        }
    }

    /// The server has ended.
    pub fn die(&mut self, death: Death) {
        self.death = self.death.max(Some(death));
        // What was only promised counts from the next start.
        self.promised.clear();
        self.postponed_us = 0;
    }

    /// It has loaded what there was.
    ///
    /// # Panics
    ///
    /// Something is missing.
    pub fn check_start(&mut self, host: usize, env: &Env, now_us: u64) {
        self.last_us = now_us;
        let promised = match self.death.take() {
            None | Some(Death::OfProcess) => self.written.max(self.on_disk),
            Some(Death::OfMachine) => self.on_disk,
        };
        let found = numbers(&env.keyspace, 0);
        let Some(here) = self.place_of(&found, promised) else {
            panic!(
                "server {host} has {found:?} after its start, which is no beginning of what it had \
                 from {promised:?} on: {:?}",
                self.epochs
            );
        };
        if self.is_exact
            && here.1 == found.len()
            && let Some(known) = self.data.get(&here)
        {
            let data = lasting_fingerprint(&env.keyspace);
            assert_eq!(data, *known, "the data at {here:?} after a start");
        }
        self.epochs.truncate(here.0 + 1);
        if let Some(numbers) = self.epochs.last_mut() {
            *numbers = found;
        }
        self.data.retain(|place, _| *place <= here);
        self.written = here;
        self.on_disk = self.on_disk.min(here);
    }

    /// The place of a journal, which must not be before another one.
    fn place_of(&self, found: &[u64], promised: Position) -> Option<Position> {
        let last = self.epochs.len().checked_sub(1);
        let Some(last) = last else {
            return found.is_empty().then_some((0, 0));
        };
        let is_new = |number: &u64| !self.epochs.iter().flatten().any(|known| known == number);
        // What a tick pushes and then throws away is seen by nobody.
        let may_be = |epoch: usize, numbers: &[u64]| match found.strip_prefix(numbers) {
            Some(more) => more.is_empty() || epoch < last && more.iter().all(is_new),
            None => numbers.starts_with(found),
        };
        let epochs = self.epochs.iter().enumerate().rev();
        epochs
            .filter(|(epoch, numbers)| may_be(*epoch, numbers))
            .map(|(epoch, _)| (epoch, found.len()))
            .find(|place| *place >= promised)
            // The same before the first epoch.
            .or_else(|| (promised == (0, 0) && found.iter().all(is_new)).then_some((0, 0)))
    }
}
