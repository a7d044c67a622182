//! `notify-keyspace-events`: a set of event classes written as letters.

use bitflags::bitflags;

use super::value::{NumberRule, Occasion, Reason, Value, only_arg, quoted};

bitflags! {
    /// `notify-keyspace-events`: which events are published, and how.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct NotifyEvents: u16 {
        /// Published on `__keyspace@<db>__:<key>`.
        const KEYSPACE = 1;
        /// Published on `__keyevent@<db>__:<event>`.
        const KEYEVENT = 1 << 1;
        /// Commands that work on any type.
        const GENERIC = 1 << 2;
        /// String commands.
        const STRING = 1 << 3;
        /// List commands.
        const LIST = 1 << 4;
        /// Set commands.
        const SET = 1 << 5;
        /// Hash commands.
        const HASH = 1 << 6;
        /// Sorted set commands.
        const ZSET = 1 << 7;
        /// Keys that expired.
        const EXPIRED = 1 << 8;
        /// Keys that were evicted.
        const EVICTED = 1 << 9;
        /// Stream commands.
        const STREAM = 1 << 10;
        /// Reads of keys that do not exist; not part of `A`.
        const KEY_MISS = 1 << 11;
        /// Types of modules.
        const MODULE = 1 << 12;
        /// Keys that did not exist before; not part of `A`.
        const NEW = 1 << 13;
    }
}

impl NotifyEvents {
    /// What `A` stands for.
    const ALL: NotifyEvents = NotifyEvents::GENERIC
        .union(NotifyEvents::STRING)
        .union(NotifyEvents::LIST)
        .union(NotifyEvents::SET)
        .union(NotifyEvents::HASH)
        .union(NotifyEvents::ZSET)
        .union(NotifyEvents::EXPIRED)
        .union(NotifyEvents::EVICTED)
        .union(NotifyEvents::STREAM)
        .union(NotifyEvents::MODULE);

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
    fn set(&mut self, args: &[Vec<u8>], _: &NumberRule, _: Occasion) -> Result<(), Reason> {
        let mut events = NotifyEvents::empty();
        for letter in only_arg(args)? {
            let named = NotifyEvents::LETTERS
                .iter()
                .find(|(known, _)| known == letter);
            events |= match (letter, named) {
                (b'A', _) => NotifyEvents::ALL,
                (_, Some((_, event))) => *event,
                _ => {
                    return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into());
                }
            };
        }
        *self = events;
        Ok(())
    }

    /// `A` swallows `n` as well as its own letters, as in the reference; a file keeps the `n`.
    fn show(&self, _: &NumberRule) -> Vec<u8> {
        self.letters(NotifyEvents::ALL | NotifyEvents::NEW)
    }

    fn saved(&self, _: &NumberRule) -> Vec<Vec<u8>> {
        vec![quoted(&self.letters(NotifyEvents::ALL))]
    }
}
