//! The option words of `SET` and `GETEX`, parsed into values that have no senseless combinations.
//!
//! The reference checks all words first and looks at the number of an expiry only afterwards, and
//! clients see which error comes first. So parsing yields *where* the number stands and how it is
//! meant ([`Deadline`]); [`Deadline::resolve`] turns it into an instant when its time has come.
//!
//! A word may be repeated as long as it does not contradict an earlier one; the last one counts.

use crate::commands::deadline::DeadlineKind;
use crate::commands::error::CmdError;
use crate::commands::operand::integer;
use crate::resp::args::Args;

/// Whether a key must exist or must not exist for a value to be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Condition {
    /// Either will do.
    #[default]
    Always,
    /// `NX`.
    IfAbsent,
    /// `XX`.
    IfPresent,
}

/// An expiry as the words gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Deadline {
    /// How the number is meant.
    pub kind: DeadlineKind,
    /// Which argument the number is.
    pub index: usize,
}

impl Deadline {
    /// The instant in Unix milliseconds. The number must be positive; `command` is named in the
    /// refusal.
    pub(super) fn resolve(
        self,
        args: &Args<'_>,
        now_ms: i64,
        command: &'static str,
    ) -> Result<i64, CmdError> {
        let number = integer(&args[self.index])?;
        let at = if number > 0 {
            self.kind.unix_ms(number, now_ms)
        } else {
            None
        };
        at.ok_or(CmdError::InvalidExpire(command))
    }
}

/// What becomes of the time at which the key expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lifetime {
    /// The key lives for ever: `SET` where nothing is said, and `PERSIST`.
    Endless,
    /// It stays as it is: `GETEX` where nothing is said, and `KEEPTTL`.
    Kept,
    /// It expires at a new time.
    Until(Deadline),
}

impl Lifetime {
    /// Takes the expiry at `at`, where `unsaid` is what holds without any word. Gives the position
    /// behind it, or nothing if it makes no sense there.
    fn take_deadline(
        &mut self,
        unsaid: Lifetime,
        kind: DeadlineKind,
        args: &Args<'_>,
        at: usize,
    ) -> Option<usize> {
        let fits = match *self {
            Lifetime::Until(earlier) => earlier.kind == kind,
            other => other == unsaid,
        };
        *self = Lifetime::Until(Deadline {
            kind,
            index: at + 1,
        });
        (fits && at + 1 < args.len()).then_some(at + 2)
    }

    /// Takes a word that says the contrary of what holds without it.
    fn take_word(&mut self, meaning: Lifetime, at: usize) -> Option<usize> {
        let fits = !matches!(self, Lifetime::Until(_));
        *self = meaning;
        fits.then_some(at + 1)
    }
}

/// The options of `SET`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SetOptions {
    /// `NX` or `XX`.
    pub condition: Condition,
    /// `GET`: reply with the old value.
    pub get: bool,
    /// `EX`, `PX`, `EXAT`, `PXAT` or `KEEPTTL`.
    pub lifetime: Lifetime,
}

impl SetOptions {
    /// No option.
    pub(super) const NONE: SetOptions = SetOptions {
        condition: Condition::Always,
        get: false,
        lifetime: Lifetime::Endless,
    };

    /// Only an expiry, whose number is argument `index`.
    pub(super) const fn expiring(kind: DeadlineKind, index: usize) -> SetOptions {
        let lifetime = Lifetime::Until(Deadline { kind, index });
        SetOptions {
            lifetime,
            ..SetOptions::NONE
        }
    }

    /// Parses the words behind `SET key value`.
    #[inline]
    pub(super) fn parse(args: &Args<'_>) -> Result<SetOptions, CmdError> {
        let mut options = SetOptions::NONE;
        let mut at = 3;
        while at < args.len() {
            at = options.take(args, at).ok_or(CmdError::Syntax)?;
        }
        Ok(options)
    }

    /// Takes the option at `at`; gives the position behind it, or nothing if it makes no sense.
    fn take(&mut self, args: &Args<'_>, at: usize) -> Option<usize> {
        let word = &args[at];
        if let Some(kind) = DeadlineKind::of(word) {
            return self
                .lifetime
                .take_deadline(Lifetime::Endless, kind, args, at);
        }
        if word.eq_ignore_ascii_case(b"KEEPTTL") {
            return self.lifetime.take_word(Lifetime::Kept, at);
        }
        if is_get(word) {
            self.get = true;
            return Some(at + 1);
        }
        let condition = if word.eq_ignore_ascii_case(b"NX") {
            Condition::IfAbsent
        } else if word.eq_ignore_ascii_case(b"XX") {
            Condition::IfPresent
        } else {
            return None;
        };
        let fits = self.condition == Condition::Always || self.condition == condition;
        self.condition = condition;
        fits.then_some(at + 1)
    }
}

/// Whether a word of `SET` is the option `GET`.
pub(super) fn is_get(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"GET")
}

/// Parses the words behind `GETEX key`.
pub(super) fn parse_getex(args: &Args<'_>) -> Result<Lifetime, CmdError> {
    let mut lifetime = Lifetime::Kept;
    let mut at = 2;
    while at < args.len() {
        let word = &args[at];
        let next = match DeadlineKind::of(word) {
            Some(kind) => lifetime.take_deadline(Lifetime::Kept, kind, args, at),
            None if word.eq_ignore_ascii_case(b"PERSIST") => {
                lifetime.take_word(Lifetime::Endless, at)
            }
            None => None,
        };
        at = next.ok_or(CmdError::Syntax)?;
    }
    Ok(lifetime)
}
