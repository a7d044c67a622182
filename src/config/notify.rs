//! `notify-keyspace-events`: a set of event classes written as letters.

use super::row::{Occasion, Reason, Row};
use super::value::{Value, only_word, quoted};

/// `notify-keyspace-events`: which events are published, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyEvents(u16);

impl NotifyEvents {
    /// Published on `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: NotifyEvents = NotifyEvents(1);
    /// Published on `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: NotifyEvents = NotifyEvents(1 << 1);
    /// Commands that work on any type.
    pub const GENERIC: NotifyEvents = NotifyEvents(1 << 2);
    /// String commands.
    pub const STRING: NotifyEvents = NotifyEvents(1 << 3);
    /// List commands.
    pub const LIST: NotifyEvents = NotifyEvents(1 << 4);
    /// Set commands.
    pub const SET: NotifyEvents = NotifyEvents(1 << 5);
    /// Hash commands.
    pub const HASH: NotifyEvents = NotifyEvents(1 << 6);
    /// Sorted set commands.
    pub const ZSET: NotifyEvents = NotifyEvents(1 << 7);
    /// Keys that expired.
    pub const EXPIRED: NotifyEvents = NotifyEvents(1 << 8);
    /// Keys that were evicted.
    pub const EVICTED: NotifyEvents = NotifyEvents(1 << 9);
    /// Stream commands.
    pub const STREAM: NotifyEvents = NotifyEvents(1 << 10);
    /// Reads of keys that do not exist; not part of `A`.
    pub const KEY_MISS: NotifyEvents = NotifyEvents(1 << 11);
    /// Types of modules.
    pub const MODULE: NotifyEvents = NotifyEvents(1 << 12);
    /// Keys that did not exist before; not part of `A`.
    pub const NEW: NotifyEvents = NotifyEvents(1 << 13);
    /// What `A` stands for.
    const ALL: NotifyEvents = NotifyEvents(
        NotifyEvents::GENERIC.0
            | NotifyEvents::STRING.0
            | NotifyEvents::LIST.0
            | NotifyEvents::SET.0
            | NotifyEvents::HASH.0
            | NotifyEvents::ZSET.0
            | NotifyEvents::EXPIRED.0
            | NotifyEvents::EVICTED.0
            | NotifyEvents::STREAM.0
            | NotifyEvents::MODULE.0,
    );

    /// The letters in the order in which they are shown.
    const LETTERS: [(u8, NotifyEvents); 14] = [
        (b'g', NotifyEvents::GENERIC),
        (b'$', NotifyEvents::STRING),
        (b'l', NotifyEvents::LIST),
        (b's', NotifyEvents::SET),
        (b'h', NotifyEvents::HASH),
        (b'z', NotifyEvents::ZSET),
        (b'x', NotifyEvents::EXPIRED),
        (b'e', NotifyEvents::EVICTED),
        (b't', NotifyEvents::STREAM),
        (b'd', NotifyEvents::MODULE),
        (b'n', NotifyEvents::NEW),
        (b'K', NotifyEvents::KEYSPACE),
        (b'E', NotifyEvents::KEYEVENT),
        (b'm', NotifyEvents::KEY_MISS),
    ];

    /// Whether all of `events` are asked for.
    pub const fn contains(self, events: NotifyEvents) -> bool {
        self.0 & events.0 == events.0
    }

    /// The letters of these events, where `A` stands for those in `swallowed`.
    fn letters(self, swallowed: NotifyEvents) -> Vec<u8> {
        let all = self.contains(NotifyEvents::ALL);
        let shown = |event| self.contains(event) && !(all && swallowed.contains(event));
        let letters = NotifyEvents::LETTERS
            .iter()
            .filter(|(_, event)| shown(*event));
        let all_letter = all.then_some(b'A').into_iter();
        all_letter
            .chain(letters.map(|(letter, _)| *letter))
            .collect()
    }
}

impl Value for NotifyEvents {
    fn set(&mut self, words: &[Vec<u8>], _: &Row, _: Occasion) -> Result<(), Reason> {
        let mut events = NotifyEvents(0);
        for letter in only_word(words)? {
            let named = NotifyEvents::LETTERS
                .iter()
                .find(|(known, _)| known == letter);
            events.0 |= match (letter, named) {
                (b'A', _) => NotifyEvents::ALL.0,
                (_, Some((_, event))) => event.0,
                _ => {
                    return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into());
                }
            };
        }
        *self = events;
        Ok(())
    }

    /// `A` swallows `n` as well as its own letters, as in the reference; a file keeps the `n`.
    fn show(&self, _: &Row) -> Vec<u8> {
        self.letters(NotifyEvents(NotifyEvents::ALL.0 | NotifyEvents::NEW.0))
    }

    fn saved(&self, _: &Row) -> Vec<Vec<u8>> {
        vec![quoted(&self.letters(NotifyEvents::ALL))]
    }
}
