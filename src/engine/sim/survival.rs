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
//! When the data set is replaced the journal begins anew: a new *epoch*. After `FLUSHALL` it begins
//! empty. A full sync ends the file, which stays what it was, and begins another, which counts once
//! its first rewrite has succeeded: it holds what came with the sync, or more, and until then the
//! old one must come back, whatever is in memory.
//!
//! Whoever has asked `WAITAOF`, and was told that his number is on disk, relies on that, too.
//!
//! In a tree a place in the journal has a place in a replication history, too: there the oracle
//! knows which writes were acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use super::oracle::{Place, lasting_fingerprint};
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

/// Whether there is an append-only file.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum FileState {
    /// There is none, or it is as it was when it was switched off.
    #[default]
    Off,
    /// One has begun that does not count before its first rewrite has succeeded.
    Waiting,
    /// There is one.
    On,
}

/// The data set of an instant.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The journal.
    numbers: Vec<u64>,
    /// All that lasts.
    data: u64,
}

impl Seen {
    /// What is there now.
    pub fn of(keyspace: &Keyspace) -> Seen {
        Seen {
            numbers: numbers(keyspace, 0),
            data: lasting_fingerprint(keyspace),
        }
    }
}

/// What is known of a server at the end of a tick.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The time, in microseconds.
    pub now_us: u64,
    /// Whether there is a file.
    pub file: FileState,
    /// Whether the server starts with a file, should it end now.
    pub starts_with_file: bool,
    /// Whether a full sync was under way since the last tick of which was told.
    pub has_loaded: bool,
    /// Clients are refused because of it.
    pub is_refused: bool,
    /// Bytes that are to be written to it.
    pub unwritten: usize,
    /// A sync runs on another thread.
    pub is_syncing: bool,
    /// A child runs.
    pub has_child: bool,
    /// What the last rewrite has begun with, if one has begun in this tick.
    pub rewritten: Option<Seen>,
    /// Where it stands in a replication history, if that is one place.
    pub place: Option<Place>,
}

/// The journal, from one replacement of the data set to the next.
#[derive(Default, Debug)]
struct Epoch {
    numbers: Vec<u64>,
    /// No file of it holds less.
    base: usize,
}

/// What a file holds, at least.
#[derive(Clone, Copy, Default, Debug)]
struct Mark {
    position: Position,
    place: Option<Place>,
}

/// See the module's head.
#[derive(Default)]
pub struct Survival {
    epochs: Vec<Epoch>,
    /// Whether everything is written together with a number, so that a place determines the data.
    pub is_exact: bool,
    /// The data at places that were seen.
    data: BTreeMap<Position, u64>,
    /// What outlives the process.
    written: Mark,
    /// What outlives a loss of power.
    on_disk: Mark,
    /// What will be on disk, with the promised time.
    promised: VecDeque<(Mark, u64)>,
    /// The time that counts for promises, in microseconds.
    clock_us: u64,
    last_us: u64,
    /// Since when something is not written, by that time while syncs run, in microseconds.
    postponed_us: u64,
    /// The file at the end of the last tick.
    file: FileState,
    /// What a file holds whose first rewrite has succeeded.
    awaited: Mark,
    /// How it ended the last time.
    death: Option<Death>,
    /// A place whose data it has brought back, since somebody asked.
    restored: Option<Place>,
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
        self.written.position = (0, numbers.len());
        if are_on_disk {
            self.on_disk = self.written;
        }
        self.epochs = vec![Epoch { numbers, base: 0 }];
    }

    fn here(&self) -> Position {
        let last = self.epochs.last();
        last.map_or((0, 0), |epoch| (self.epochs.len() - 1, epoch.numbers.len()))
    }

    /// Takes note of what the journal holds now.
    fn follow(&mut self, keyspace: &Keyspace) -> Position {
        let Some(epoch) = self.epochs.last_mut() else {
            self.begin_epoch(numbers(keyspace, 0), 0);
            return self.here();
        };
        let known = &mut epoch.numbers;
        // No number is pushed twice: who has the last one has all before it.
        let goes_on = known.last().is_none_or(|last| {
            let rest = numbers(keyspace, known.len() - 1);
            rest.first() == Some(last)
        });
        if goes_on {
            known.extend(numbers(keyspace, known.len()));
        } else {
            self.begin_epoch(numbers(keyspace, 0), 0);
        }
        self.here()
    }

    /// The data set was replaced; no file holds less of the new one than `base` numbers.
    fn begin_epoch(&mut self, numbers: Vec<u64>, base: usize) {
        self.epochs.push(Epoch { numbers, base });
    }

    /// Something was executed of which nobody was told.
    pub fn see(&mut self, env: &Env) -> Position {
        let here = self.follow(&env.keyspace);
        if self.is_exact {
            self.see_data(here, lasting_fingerprint(&env.keyspace));
        }
        here
    }

    /// A client was told that the file has this number on disk.
    pub fn note_stored(&mut self, number: u64) {
        let numbers = self.epochs.last().map_or(&[][..], |epoch| &epoch.numbers);
        let at = numbers.iter().position(|known| *known == number);
        if let Some(at) = at.filter(|_| self.file == FileState::On) {
            let position = (self.epochs.len() - 1, at + 1);
            if position > self.on_disk.position {
                let is_same = position.0 == self.on_disk.position.0;
                let place = self.on_disk.place.filter(|_| is_same);
                self.on_disk = Mark { position, place };
            }
        }
    }

    /// A part of a tick is over. What it has pushed the next part may throw away, and a file that
    /// is torn between them has it all the same.
    pub fn see_journal(&mut self, env: &Env) {
        self.follow(&env.keyspace);
    }

    fn see_data(&mut self, here: Position, data: u64) {
        let known = *self.data.entry(here).or_insert(data);
        assert_eq!(data, known, "the data at {here:?}");
    }

    /// Takes note of whether there is a file, and of what a new one begins with.
    fn note_file(&mut self, env: &Env, observed: &mut Observed) {
        let before = std::mem::replace(&mut self.file, observed.file);
        let begins = match (before, observed.file) {
            (FileState::Off, FileState::Waiting | FileState::On) => true,
            // It was off in between.
            (FileState::On, FileState::Waiting) => true,
            _ => false,
        };
        if (before, observed.file) == (FileState::Waiting, FileState::On) && !observed.is_refused {
            // The child has brought its base to disk before anybody was told of it.
            self.on_disk = later(self.on_disk, self.awaited);
        }
        // A file that is switched off is rewritten all the same if somebody wants it.
        let is_first = begins || observed.file == FileState::Off;
        let first = observed.rewritten.take().filter(|_| is_first);
        if !begins && first.is_none() {
            return;
        }
        let first = first.unwrap_or_else(|| Seen::of(&env.keyspace));
        let base = first.numbers.len();
        self.begin_epoch(first.numbers, base);
        if self.is_exact {
            self.see_data(self.here(), first.data);
        }
        if begins {
            self.awaited.position = self.here();
        }
    }

    /// A tick has ended: what it did is told to clients.
    pub fn end_tick(&mut self, env: &Env, mut observed: Observed) {
        let was_off = self.file == FileState::Off || observed.has_loaded;
        self.note_file(env, &mut observed);
        if was_off && observed.file == FileState::Off && observed.starts_with_file {
            // No file will have what is in memory now.
            self.postponed_us = 0;
            return;
        }
        let here = Mark {
            position: self.see(env),
            place: observed.place,
        };
        let passed_us = observed.now_us - std::mem::replace(&mut self.last_us, observed.now_us);
        let policy = env.config.appendfsync;
        let waived = env.config.no_appendfsync_on_rewrite && observed.has_child;
        if observed.file != FileState::On || observed.is_refused {
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
                let last = self.promised.back().map_or(self.on_disk, |(mark, _)| *mark);
                if here.position > last.position || here.place != last.place {
                    self.promised.push_back((here, self.clock_us + PROMISED_US));
                }
            }
            Appendfsync::No => {}
        }
        while let Some((mark, _)) = self.promised.pop_front_if(|(_, at)| *at <= self.clock_us) {
            self.on_disk = later(self.on_disk, mark);
        }
    }

    /// The server has ended.
    pub fn die(&mut self, death: Death) {
        self.death = self.death.max(Some(death));
        // What was only promised counts from the next start.
        self.promised.clear();
        self.postponed_us = 0;
    }

    /// The place whose data it has brought back at its start, once.
    pub fn take_restored(&mut self) -> Option<Place> {
        self.restored.take()
    }

    /// It has loaded what there was, and has a file now or not.
    ///
    /// # Panics
    ///
    /// Something is missing.
    pub fn check_start(&mut self, host: usize, env: &Env, file: FileState, now_us: u64) {
        self.last_us = now_us;
        self.file = file;
        let kept = match self.death.take() {
            None | Some(Death::OfProcess) => later(self.on_disk, self.written),
            Some(Death::OfMachine) => self.on_disk,
        };
        let promised = kept.position;
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
        // What was promised may have been replaced since.
        self.restored = kept.place.filter(|_| here.0 == promised.0);
        self.epochs.truncate(here.0 + 1);
        if let Some(epoch) = self.epochs.last_mut() {
            epoch.numbers = found;
        }
        self.data.retain(|place, _| *place <= here);
        self.written = Mark {
            position: here,
            place: self.restored,
        };
        if self.on_disk.position > here {
            self.on_disk = self.written;
        }
    }

    /// The place of a journal, which must not be before another one. There are no numbers that
    /// were never seen: where somebody empties the data set, it is looked at before and after.
    fn place_of(&self, found: &[u64], promised: Position) -> Option<Position> {
        if self.epochs.is_empty() {
            return found.is_empty().then_some((0, 0));
        }
        let may_be = |epoch: &Epoch| {
            epoch.numbers.starts_with(found) && found.len() >= epoch.base.min(epoch.numbers.len())
        };
        let epochs = self.epochs.iter().enumerate().rev();
        epochs
            .filter(|(_, epoch)| may_be(epoch))
            .map(|(at, _)| (at, found.len()))
            .find(|place| *place >= promised)
    }
}

/// What is known when both are; the second one is that of later.
fn later(first: Mark, second: Mark) -> Mark {
    match second.position >= first.position {
        true => second,
        false => first,
    }
}
