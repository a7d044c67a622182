//! The first line of a script: in which language it is, and what it says of itself.

use bitflags::bitflags;

use crate::base::quoting::split_args;
use crate::commands::error::CmdError;
use crate::commands::row::Flags;

bitflags! {
    /// What a script says of itself.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct ScriptFlags: u8 {
        /// It writes nothing.
        const NO_WRITES = 1;
        /// It may run when memory is above the limit.
        const ALLOW_OOM = 1 << 1;
        /// It may run on a replica whose data is stale.
        const ALLOW_STALE = 1 << 2;
        /// It is not for a cluster.
        const NO_CLUSTER = 1 << 3;
        /// It touches keys of several slots.
        const ALLOW_CROSS_SLOT_KEYS = 1 << 4;
    }
}

const NAMES: &[(&[u8], ScriptFlags)] = &[
    (b"no-writes", ScriptFlags::NO_WRITES),
    (b"allow-oom", ScriptFlags::ALLOW_OOM),
    (b"allow-stale", ScriptFlags::ALLOW_STALE),
    (b"no-cluster", ScriptFlags::NO_CLUSTER),
    (b"allow-cross-slot-keys", ScriptFlags::ALLOW_CROSS_SLOT_KEYS),
];

/// How a script begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// What it says of itself; none if it has no such line: then what it may do is asked of each
    /// command.
    pub flags: Option<ScriptFlags>,
    /// Bytes of the line, without its end: lines keep their numbers.
    pub length: usize,
}

impl Head {
    /// Of a script.
    ///
    /// # Errors
    ///
    /// It begins with a line that makes no sense.
    pub fn of(body: &[u8]) -> Result<Head, CmdError> {
        if !body.starts_with(b"#!") {
            return Ok(Head {
                flags: None,
                length: 0,
            });
        }
        let Some(length) = body.iter().position(|b| *b == b'\n') else {
            return Err(CmdError::err("Invalid script shebang"));
        };
        let words = split_args(&body[..length]).unwrap_or_default();
        let Some((engine, options)) = words.split_first() else {
            return Err(CmdError::err("Invalid engine in script shebang"));
        };
        if engine != b"#!lua" {
            return Err(refusal("Unexpected engine in script shebang: ", engine));
        }
        let mut flags = ScriptFlags::empty();
        for option in options {
            let Some(named) = option.strip_prefix(b"flags=") else {
                return Err(refusal("Unknown lua shebang option: ", option));
            };
            if named.is_empty() {
                continue;
            }
            for name in named.split(|b| *b == b',') {
                let Some(flag) = ScriptFlags::named(name) else {
                    return Err(refusal("Unexpected flag in script shebang: ", name));
                };
                flags |= flag;
            }
        }
        Ok(Head {
            flags: Some(flags),
            length,
        })
    }
}

fn refusal(text: &str, word: &[u8]) -> CmdError {
    CmdError::err([text.as_bytes(), word].concat())
}

impl ScriptFlags {
    /// The one with this name.
    pub fn named(name: &[u8]) -> Option<ScriptFlags> {
        let named = NAMES.iter().find(|(known, _)| *known == name);
        named.map(|(_, flag)| *flag)
    }

    /// The names of those that are set.
    pub fn names(self) -> impl Iterator<Item = &'static [u8]> {
        let set = move |(_, flag): &&(&[u8], ScriptFlags)| self.contains(*flag);
        NAMES.iter().filter(set).map(|(name, _)| *name)
    }

    /// What a command is that runs a script with these flags, in place of what it is with any.
    pub fn refine(self, command: Flags) -> Flags {
        let said = Flags::STALE
            .union(Flags::DENYOOM)
            .union(Flags::WRITE)
            .union(Flags::MAY_REPLICATE);
        let mut flags = command.difference(said);
        if !self.contains(ScriptFlags::NO_WRITES) {
            flags |= Flags::WRITE;
        }
        if !self.intersects(ScriptFlags::ALLOW_OOM.union(ScriptFlags::NO_WRITES)) {
            flags |= Flags::DENYOOM;
        }
        if self.contains(ScriptFlags::ALLOW_STALE) {
            flags |= Flags::STALE;
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        let error = Head::of(body.as_bytes()).expect_err("it makes no sense");
        String::from_utf8_lossy(&error.text()).into_owned()
    }

    #[test]
    fn a_script_without_such_a_line_says_nothing() {
        let nothing = Head {
            flags: None,
            length: 0,
        };
        assert_eq!(Head::of(b"return 1"), Ok(nothing));
        assert_eq!(Head::of(b""), Ok(nothing));
    }

    #[test]
    fn the_line_names_the_language_and_flags() {
        let head = Head::of(b"#!lua flags=no-writes,allow-stale\nreturn 1").unwrap();
        assert_eq!(
            head.flags,
            Some(ScriptFlags::NO_WRITES | ScriptFlags::ALLOW_STALE)
        );
        assert_eq!(head.length, 33);
        assert_eq!(
            Head::of(b"#!lua\n").unwrap().flags,
            Some(ScriptFlags::empty())
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(refused("#!lua"), "ERR Invalid script shebang");
        assert_eq!(
            refused("#!not-lua\n"),
            "ERR Unexpected engine in script shebang: #!not-lua"
        );
        assert_eq!(
            refused("#!lua badger=data\n"),
            "ERR Unknown lua shebang option: badger=data"
        );
        assert_eq!(
            refused("#!lua flags=bad-flag\n"),
            "ERR Unexpected flag in script shebang: bad-flag"
        );
    }

    #[test]
    fn flags_of_the_script_take_the_place_of_those_of_the_command() {
        let eval = Flags::NOSCRIPT | Flags::MAY_REPLICATE | Flags::STALE;
        let refined = ScriptFlags::empty().refine(eval);
        assert_eq!(refined, Flags::NOSCRIPT | Flags::WRITE | Flags::DENYOOM);
        let refined = (ScriptFlags::NO_WRITES | ScriptFlags::ALLOW_STALE).refine(eval);
        assert_eq!(refined, Flags::NOSCRIPT | Flags::STALE);
    }
}
