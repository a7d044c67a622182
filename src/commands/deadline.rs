//! When a key is to expire, as clients say it.
//!
//! A number can be seconds or milliseconds, counted from now or from the epoch. Replicas and files
//! only ever see the one form that means the same everywhere and later: Unix milliseconds. Where a
//! deadline has passed before it was set, the key is deleted instead.

use super::context::Ctx;
use super::env::Env;
use super::events::Class;
use super::gates::Loading;
use super::unit::deletion_verb;

/// How the number of an expiry is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeadlineKind {
    /// Seconds from now (`EX`, `EXPIRE`).
    Seconds,
    /// Milliseconds from now (`PX`, `PEXPIRE`).
    Milliseconds,
    /// A Unix time in seconds (`EXAT`, `EXPIREAT`).
    UnixSeconds,
    /// A Unix time in milliseconds (`PXAT`, `PEXPIREAT`).
    UnixMilliseconds,
}

impl DeadlineKind {
    /// The option word's kind.
    pub fn of(word: &[u8]) -> Option<DeadlineKind> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match word.len() {
            2 if is("EX") => Some(DeadlineKind::Seconds),
            2 if is("PX") => Some(DeadlineKind::Milliseconds),
            4 if is("EXAT") => Some(DeadlineKind::UnixSeconds),
            4 if is("PXAT") => Some(DeadlineKind::UnixMilliseconds),
            _ => None,
        }
    }

    /// Whether it counts from now on.
    pub fn is_relative(self) -> bool {
        matches!(self, DeadlineKind::Seconds | DeadlineKind::Milliseconds)
    }

    /// The Unix time in milliseconds that `number` stands for, if 64 bits can hold it.
    pub fn unix_ms(self, number: i64, now_ms: i64) -> Option<i64> {
        let ms = match self {
            DeadlineKind::Seconds | DeadlineKind::UnixSeconds => number.checked_mul(1000)?,
            DeadlineKind::Milliseconds | DeadlineKind::UnixMilliseconds => number,
        };
        ms.checked_add(if self.is_relative() { now_ms } else { 0 })
    }
}

/// Whether a deadline that a client gives has passed already, so that the key goes at once. On a
/// replica, and while data is loaded, it stays until a master's word or the end of the load.
pub fn has_passed(env: &Env, at_ms: i64) -> bool {
    at_ms <= env.now.unix_ms() && env.gates.loading == Loading::No && !env.gates.replica
}

/// Deletes a key whose new deadline has passed; replicas are told that and not the deadline.
pub fn delete_as_expired(ctx: &mut Ctx<'_>, key: &[u8]) {
    let lazily = ctx.env.config.lazyfree_lazy_expire;
    let removed = ctx.db().remove(key);
    ctx.env.discard(removed, lazily);
    ctx.wrote(Class::GENERIC, "del", key);
    ctx.propagate_instead(&[deletion_verb(lazily), key]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_becomes_unix_milliseconds() {
        let now = 1_700_000_000_123;
        for (word, number, expected) in [
            ("ex", 10, now + 10_000),
            ("PX", 10, now + 10),
            ("ExAt", 10, 10_000),
            ("PXAT", 10, 10),
            ("EX", -10, now - 10_000),
        ] {
            let kind = DeadlineKind::of(word.as_bytes()).expect("a known word");
            assert_eq!(kind.unix_ms(number, now), Some(expected), "{word}");
        }
        assert_eq!(DeadlineKind::of(b"E"), None);
        assert_eq!(DeadlineKind::of(b"EXATS"), None);
    }

    #[test]
    fn numbers_beyond_64_bits_stand_for_nothing() {
        let max = i64::MAX;
        assert_eq!(DeadlineKind::UnixSeconds.unix_ms(max / 1000 + 1, 0), None);
        assert_eq!(
            DeadlineKind::UnixSeconds.unix_ms(max / 1000, 5),
            Some(max / 1000 * 1000)
        );
        assert_eq!(DeadlineKind::Milliseconds.unix_ms(max, 1), None);
        assert_eq!(DeadlineKind::Seconds.unix_ms(i64::MIN / 1000 - 1, 1), None);
    }
}
