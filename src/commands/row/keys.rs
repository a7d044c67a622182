//! Where a command's keys stand among its arguments: first find the first key, then the others from
//! there. The shapes are those that `COMMAND INFO` tells clients of.

use std::ops::Range;

use super::flags::KeyFlags;
use crate::resp::args::Args;

/// Where the first key stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BeginSearch {
    /// At this argument; the command name is argument 0.
    Index(i32),
    /// After this keyword, looked for from `start_from` (negative: from the end, backwards).
    Keyword {
        /// The keyword, upper case.
        keyword: &'static str,
        /// The first argument to look at.
        start_from: i32,
    },
    /// Cannot be told.
    Unknown,
}

/// Which arguments from the first key on are keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindKeys {
    /// Every `step`-th argument until `last` (relative to the first key; negative counts from
    /// the end of the arguments); `limit` > 1 stops after that fraction of the rest.
    Range {
        /// The last key.
        last: i32,
        /// The distance between keys.
        step: i32,
        /// The divisor of the remaining arguments, when `last` is -1.
        limit: i32,
    },
    /// A count stands at `keynum`, then keys from `first`, every `step`.
    KeyNum {
        /// The position of the count.
        keynum: i32,
        /// The position of the first key.
        first: i32,
        /// The distance between keys.
        step: i32,
    },
    /// Cannot be told.
    Unknown,
}

/// Where a command's keys stand among its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySpec {
    /// What is done with them.
    pub flags: KeyFlags,
    /// Where they begin.
    pub begin: BeginSearch,
    /// How they go on.
    pub find: FindKeys,
    /// A remark shown by `COMMAND INFO`; empty for none.
    pub notes: &'static str,
}

impl KeySpec {
    /// One key, at argument 1.
    pub const fn first(flags: KeyFlags) -> KeySpec {
        KeySpec::range(flags, 1, 0, 1)
    }

    /// Keys from argument `pos` to `last` (relative to `pos`), every `step`.
    pub const fn range(flags: KeyFlags, pos: i32, last: i32, step: i32) -> KeySpec {
        KeySpec {
            flags,
            begin: BeginSearch::Index(pos),
            find: FindKeys::Range {
                last,
                step,
                limit: 0,
            },
            notes: "",
        }
    }

    /// A number of keys at argument `pos`, then the keys.
    pub const fn counted(flags: KeyFlags, pos: i32) -> KeySpec {
        KeySpec {
            flags,
            begin: BeginSearch::Index(pos),
            find: FindKeys::KeyNum {
                keynum: 0,
                first: 1,
                step: 1,
            },
            notes: "",
        }
    }

    /// One key behind a keyword, which is looked for from argument `start_from` on.
    pub const fn behind(flags: KeyFlags, keyword: &'static str, start_from: i32) -> KeySpec {
        KeySpec {
            flags,
            begin: BeginSearch::Keyword {
                keyword,
                start_from,
            },
            find: FindKeys::Range {
                last: 0,
                step: 1,
                limit: 0,
            },
            notes: "",
        }
    }

    /// The same specification with a remark.
    pub const fn notes(self, notes: &'static str) -> KeySpec {
        KeySpec { notes, ..self }
    }
}

/// The position of a key among the arguments, with what is done to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyRef {
    /// The argument's index; the command name is 0.
    pub index: usize,
    /// What is done with the key.
    pub flags: KeyFlags,
}

/// Which arguments of a command are channels that somebody sends to or listens to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelSpec {
    /// All arguments, and not only the first.
    pub all: bool,
    /// They are patterns.
    pub patterns: bool,
}

impl ChannelSpec {
    /// The first argument.
    pub const FIRST: ChannelSpec = ChannelSpec {
        all: false,
        patterns: false,
    };
    /// All arguments.
    pub const ALL: ChannelSpec = ChannelSpec {
        all: true,
        patterns: false,
    };
    /// All arguments, and they are patterns.
    pub const PATTERNS: ChannelSpec = ChannelSpec {
        all: true,
        patterns: true,
    };

    /// Their places among so many words.
    pub fn range(self, words: usize) -> Range<usize> {
        1..if self.all { words } else { words.min(2) }
    }
}

/// Finds keys where specifications cannot; none when the arguments make no sense.
pub type GetKeys = fn(&Args<'_>, &mut Vec<KeyRef>);
