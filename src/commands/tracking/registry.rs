//! Which clients keep which keys, and are to be told when these change.
//!
//! There are two modes. A client of the default one is remembered with each key that it reads, and
//! forgotten with it as soon as it was told: it must read the key again to hear of it again. One
//! that broadcasts has named prefixes, and hears of every key that begins with one of them; these
//! keys are collected over a tick.
//!
//! Keys of all databases are one set, as the clients of the reference expect. A client that is
//! gone, or does not track any more, stays among those who have read its keys until these change;
//! ids are never used twice, so nobody else is told in its place.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::base::rng::Rng;

/// Which reads of a client count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Choice {
    /// All.
    #[default]
    All,
    /// Those of the command behind a `CLIENT CACHING YES`.
    OptIn,
    /// All but those of the command behind a `CLIENT CACHING NO`.
    OptOut,
}

/// Whether the client has chosen something for its next command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Caching {
    /// No.
    #[default]
    Not,
    /// The command that says so is still running.
    Said,
    /// For the command that runs now.
    Now,
}

/// How a client wants to track keys.
#[derive(Clone, Debug, Default)]
pub struct TrackingOptions {
    /// It hears of all keys under its prefixes.
    pub broadcast: bool,
    /// Which client is told in its place.
    pub redirect: Option<u64>,
    /// Which reads count.
    pub choice: Choice,
    /// It is not told of its own changes.
    pub no_loop: bool,
}

/// What is known of a client that tracks keys.
#[derive(Debug, Default)]
pub struct Tracker {
    /// How it wants to.
    pub options: TrackingOptions,
    /// The one who is told in its place is gone.
    pub redirect_is_broken: bool,
    prefixes: BTreeSet<Box<[u8]>>,
    /// Memory that the prefixes take, roughly.
    prefix_bytes: usize,
    caching: Caching,
}

impl Tracker {
    /// The prefixes whose keys it hears of.
    pub fn prefixes(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.prefixes.iter().map(|prefix| &**prefix)
    }

    /// Whether it has said `CLIENT CACHING` for the command that runs now or comes next.
    pub fn has_chosen(&self) -> bool {
        self.caching != Caching::Not
    }

    /// It says `CLIENT CACHING` now.
    pub fn choose(&mut self) {
        self.caching = Caching::Said;
    }

    /// Whether what it reads now is remembered.
    fn remembers(&self) -> bool {
        let chosen = self.has_chosen();
        match self.options.choice {
            _ if self.options.broadcast => false,
            Choice::All => true,
            Choice::OptIn => chosen,
            Choice::OptOut => !chosen,
        }
    }
}

/// A key, and who has read it.
#[derive(Debug)]
struct Read {
    key: Rc<[u8]>,
    readers: BTreeSet<u64>,
}

/// Those who hear of the keys under a prefix, and these keys, each with the client that changed it
/// last.
#[derive(Debug, Default)]
struct Broadcast {
    clients: BTreeSet<u64>,
    keys: BTreeMap<Box<[u8]>, u64>,
}

/// Memory that a prefix takes for one who hears of it, roughly.
fn bytes_of(prefix: &[u8]) -> usize {
    2 * (prefix.len() + size_of::<Box<[u8]>>()) + size_of::<Broadcast>()
}

/// Something that a client is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The client that tracks keys.
    pub tracker: u64,
    /// Who is told in its place.
    pub redirect: Option<u64>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Tracking {
    clients: HashMap<u64, Tracker>,
    /// Where in `reads` each key is.
    index: HashMap<Rc<[u8]>, usize>,
    reads: Vec<Read>,
    /// How many pairs of a key and its reader there are.
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Broadcast>,
}

// ---- Clients ----

impl Tracking {
    /// Whether no client tracks keys.
    #[inline]
    pub fn is_off(&self) -> bool {
        self.clients.is_empty()
    }

    /// What is known of a client, if it tracks keys.
    pub fn of(&self, client: u64) -> Option<&Tracker> {
        self.clients.get(&client)
    }

    /// The same, to change it.
    pub fn of_mut(&mut self, client: u64) -> Option<&mut Tracker> {
        self.clients.get_mut(&client)
    }

    /// Which client is told in place of this one, as clients see it: 0 for none, -1 where no keys
    /// are tracked.
    pub fn redirection(&self, client: u64) -> i64 {
        let of = |tracker: &Tracker| tracker.options.redirect.unwrap_or(0) as i64;
        self.of(client).map_or(-1, of)
    }

    /// A client begins to track keys, or does it in another way. Prefixes are added to those that
    /// it has.
    pub fn enable<'p>(
        &mut self,
        client: u64,
        options: TrackingOptions,
        prefixes: impl IntoIterator<Item = &'p [u8]>,
    ) {
        let tracker = self.clients.entry(client).or_default();
        tracker.options = options;
        tracker.redirect_is_broken = false;
        for prefix in prefixes {
            if tracker.prefixes.insert(prefix.into()) {
                tracker.prefix_bytes += bytes_of(prefix);
            }
            let broadcast = self.prefixes.entry(prefix.into()).or_default();
            broadcast.clients.insert(client);
        }
    }

    /// A client does not track keys any more.
    pub fn disable(&mut self, client: u64) {
        let Some(tracker) = self.clients.remove(&client) else {
            return;
        };
        for prefix in &tracker.prefixes {
            let broadcast = self.prefixes.get_mut(prefix);
            let broadcast = broadcast.expect("a client and its prefixes agree");
            broadcast.clients.remove(&client);
            if broadcast.clients.is_empty() {
                self.prefixes.remove(prefix);
            }
        }
        if self.is_off() {
            // Nobody will say which of these keys have changed.
            self.forget_reads();
        }
    }

    fn forget_reads(&mut self) {
        self.index = HashMap::new();
        self.reads = Vec::new();
        self.items = 0;
    }

    /// A command of a client has ended: what it chose for it is over.
    pub fn end_command(&mut self, client: u64) {
        if let Some(tracker) = self.clients.get_mut(&client) {
            tracker.caching = match tracker.caching {
                Caching::Said => Caching::Now,
                Caching::Now | Caching::Not => Caching::Not,
            };
        }
    }
}

// ---- Figures ----

impl Tracking {
    /// How many clients track keys.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Memory that is held for a client that tracks keys, roughly; what it has read excluded.
    pub fn memory(&self, client: u64) -> usize {
        let of = |tracker: &Tracker| size_of::<Tracker>() + tracker.prefix_bytes;
        self.of(client).map_or(0, of)
    }

    /// How many keys have readers.
    pub fn keys(&self) -> usize {
        self.reads.len()
    }

    /// How many pairs of a key and its reader there are.
    pub fn items(&self) -> usize {
        self.items
    }

    /// How many prefixes somebody hears of.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }
}

// ---- Reads and changes ----

impl Tracking {
    /// Whether what a client reads now is remembered.
    pub fn remembers(&self, client: u64) -> bool {
        self.of(client).is_some_and(Tracker::remembers)
    }

    /// A client has read a key.
    pub fn remember(&mut self, client: u64, key: &[u8]) {
        let at = match self.index.get(key) {
            Some(at) => *at,
            None => {
                let key: Rc<[u8]> = key.into();
                let readers = BTreeSet::new();
                self.index.insert(key.clone(), self.reads.len());
                self.reads.push(Read { key, readers });
                self.reads.len() - 1
            }
        };
        self.items += usize::from(self.reads[at].readers.insert(client));
    }

    /// A key has changed, by a command of `by` (0 for nobody): whom to tell now. Those who hear of
    /// prefixes are told later.
    pub fn on_change(&mut self, key: &[u8], by: u64) -> Vec<Notice> {
        for (prefix, broadcast) in &mut self.prefixes {
            if key.starts_with(prefix) {
                broadcast.keys.insert(key.into(), by);
            }
        }
        self.forget_key(key, by)
    }

    /// Nobody is remembered any more with a key: whom to tell.
    fn forget_key(&mut self, key: &[u8], by: u64) -> Vec<Notice> {
        let Some(at) = self.index.remove(key) else {
            return Vec::new();
        };
        let read = self.reads.swap_remove(at);
        if let Some(moved) = self.reads.get(at) {
            self.index.insert(moved.key.clone(), at);
        }
        self.items -= read.readers.len();
        let told = |id: &u64| {
            let options = &self.clients.get(id)?.options;
            let is_own = options.no_loop && *id == by;
            (!options.broadcast && !is_own).then_some(Notice {
                tracker: *id,
                redirect: options.redirect,
            })
        };
        read.readers.iter().filter_map(told).collect()
    }

    /// All keys are gone: whom to tell that.
    pub fn on_flush(&mut self) -> Vec<Notice> {
        self.forget_reads();
        let mut notices: Vec<Notice> = (self.clients.iter())
            .map(|(id, tracker)| Notice {
                tracker: *id,
                redirect: tracker.options.redirect,
            })
            .collect();
        notices.sort_by_key(|notice| notice.tracker);
        notices
    }

    /// Some key, with those who are to be told that they are not remembered with it any more; none
    /// if there are at most `keys_max`.
    pub fn shorten(&mut self, keys_max: usize, rng: &mut Rng) -> Option<(Rc<[u8]>, Vec<Notice>)> {
        if self.reads.len() <= keys_max {
            return None;
        }
        let at = rng.below(self.reads.len() as u64) as usize;
        let key = self.reads[at].key.clone();
        let notices = self.forget_key(&key, 0);
        Some((key, notices))
    }

    /// Whom to tell of the keys that have changed under prefixes, and which keys these are. They
    /// are told only once.
    pub fn take_broadcasts(&mut self) -> Vec<(Notice, Vec<Box<[u8]>>)> {
        let mut all = Vec::new();
        for broadcast in self.prefixes.values_mut() {
            let keys = std::mem::take(&mut broadcast.keys);
            if keys.is_empty() {
                continue;
            }
            for id in &broadcast.clients {
                let options = &self.clients[id].options;
                let heard = |by: &u64| !options.no_loop || by != id;
                let heard: Vec<Box<[u8]>> = (keys.iter())
                    .filter(|(_, by)| heard(by))
                    .map(|(key, _)| key.clone())
                    .collect();
                if !heard.is_empty() {
                    let notice = Notice {
                        tracker: *id,
                        redirect: options.redirect,
                    };
                    all.push((notice, heard));
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(notices: &[Notice]) -> Vec<u64> {
        notices.iter().map(|notice| notice.tracker).collect()
    }

    #[test]
    fn readers_are_told_once() {
        let mut tracking = Tracking::default();
        for client in [1, 2, 3] {
            tracking.enable(client, TrackingOptions::default(), []);
            tracking.remember(client, b"a");
        }
        tracking.remember(2, b"b");
        tracking.disable(3);
        assert_eq!((tracking.keys(), tracking.items()), (2, 4));
        assert_eq!(told(&tracking.on_change(b"a", 1)), [1, 2]);
        assert_eq!(told(&tracking.on_change(b"a", 1)), [0; 0]);
        assert_eq!((tracking.keys(), tracking.items()), (1, 1));
        assert_eq!(told(&tracking.on_change(b"b", 1)), [2]);
        assert_eq!((tracking.keys(), tracking.items()), (0, 0));
    }

    #[test]
    fn who_wants_no_loop_is_not_told_of_its_own_changes() {
        let mut tracking = Tracking::default();
        let options = TrackingOptions {
            no_loop: true,
            ..TrackingOptions::default()
        };
        tracking.enable(1, options.clone(), []);
        tracking.remember(1, b"a");
        assert!(tracking.on_change(b"a", 1).is_empty());
        tracking.remember(1, b"a");
        assert_eq!(told(&tracking.on_change(b"a", 2)), [1]);
        let broadcast = TrackingOptions {
            broadcast: true,
            ..options
        };
        tracking.enable(4, broadcast, [&b"a"[..]]);
        tracking.on_change(b"ab", 4);
        assert!(tracking.take_broadcasts().is_empty());
        tracking.on_change(b"ab", 4);
        tracking.on_change(b"ac", 2);
        let [(notice, keys)] = &tracking.take_broadcasts()[..] else {
            panic!("one is told")
        };
        assert_eq!((notice.tracker, &keys[..]), (4, &[b"ac"[..].into()][..]));
    }

    #[test]
    fn a_choice_holds_for_the_next_command() {
        let mut tracking = Tracking::default();
        for (choice, before, chosen) in [
            (Choice::All, true, true),
            (Choice::OptIn, false, true),
            (Choice::OptOut, true, false),
        ] {
            let options = TrackingOptions {
                choice,
                ..TrackingOptions::default()
            };
            tracking.enable(1, options, []);
            assert_eq!(tracking.remembers(1), before);
            tracking.of_mut(1).expect("a tracker").choose();
            tracking.end_command(1);
            assert_eq!(tracking.remembers(1), chosen);
            tracking.end_command(1);
            assert_eq!(tracking.remembers(1), before);
        }
    }

    #[test]
    fn prefixes_and_keys_go_with_their_last_client() {
        let mut tracking = Tracking::default();
        let options = TrackingOptions {
            broadcast: true,
            ..TrackingOptions::default()
        };
        tracking.enable(1, options.clone(), [&b"a"[..], b"b"]);
        tracking.enable(2, options, [&b"b"[..]]);
        assert!(tracking.memory(1) > tracking.memory(2) && tracking.memory(2) > 0);
        tracking.disable(1);
        assert_eq!(tracking.memory(1), 0);
        assert_eq!(tracking.prefixes(), 1);
        tracking.remember(3, b"a");
        tracking.disable(2);
        assert_eq!(tracking.prefixes(), 0);
        assert!(tracking.is_off());
        assert_eq!((tracking.keys(), tracking.items()), (0, 0));
    }

    #[test]
    fn the_number_of_keys_is_bounded_by_forgetting_some() {
        let mut tracking = Tracking::default();
        let mut rng = Rng::from_seed(1);
        tracking.enable(1, TrackingOptions::default(), []);
        for n in 0..100_u8 {
            tracking.remember(1, &[n]);
        }
        let mut forgotten = 0;
        while let Some((_, notices)) = tracking.shorten(60, &mut rng) {
            assert_eq!(told(&notices), [1]);
            forgotten += 1;
        }
        assert_eq!((forgotten, tracking.keys(), tracking.items()), (40, 60, 60));
        let told = (0..100_u8).filter(|n| !tracking.on_change(&[*n], 2).is_empty());
        assert_eq!(told.count(), 60);
    }
}
