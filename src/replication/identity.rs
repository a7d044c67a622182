//! Who we are in the replication tree: which history our data belongs to, and how far we are.
//!
//! Two servers hold the same data exactly when they are at the same offset of the same history. A
//! history has a name, 40 characters drawn by the master that began it; an offset counts the bytes
//! of its stream. Everything that replication decides rests on never lying about the pair, so it
//! lives in one value whose fields only the operations below may change:
//!
//! - [`begin_history`](Identity::begin_history): nothing we did before can be continued. A new
//!   name, no previous one; the offset stays, it only has to grow.
//! - [`adopt`](Identity::adopt): a snapshot of our master was loaded; its history is ours now.
//! - [`continue_as`](Identity::continue_as): our master said `+CONTINUE` under another name, since
//!   it was promoted meanwhile. Up to here the two histories are one, so the old name is kept as
//!   the previous one.
//! - [`shift`](Identity::shift): we were promoted ourselves. The same, with a name of our own.
//! - [`restore_as_replica`](Identity::restore_as_replica) and
//!   [`restore_as_master`](Identity::restore_as_master): a snapshot on disk said who we were.
//! - [`advance`](Identity::advance): bytes were added to the stream.
//!
//! ```text
//!   history A   1 ................ 500 | 501 ....          A's master goes on, or dies
//!                                     \
//!   history B                          501 ............    B's master was A's replica at 500
//!
//!   B's master: id B, previous (A, second offset 501). A replica that asks for `A 501`, or less,
//!   has nothing that B lacks and may continue; one that asks for `A 502` has seen a byte that B
//!   never will, and needs a snapshot.
//! ```
//!
//! An id is compared without regard to case, as the reference does.

use crate::base::rng::Rng;
use std::fmt;

/// The name of a history: 40 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplId([u8; ReplId::LEN]);

impl ReplId {
    /// Characters in an id.
    pub const LEN: usize = 40;

    /// What stands for "no history" on the wire and in `INFO`.
    pub const NONE: ReplId = ReplId([b'0'; ReplId::LEN]);

    /// A fresh id.
    pub fn random(rng: &mut Rng) -> ReplId {
        ReplId(rng.hex_id())
    }

    /// The id that `text` spells, if it has the right length and no byte that would break a
    /// line-based protocol or a log line.
    pub fn parse(text: &[u8]) -> Option<ReplId> {
        let id: [u8; ReplId::LEN] = text.try_into().ok()?;
        id.iter().all(u8::is_ascii_graphic).then_some(ReplId(id))
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The characters as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("ids are ASCII")
    }

    /// Whether `text` spells this id.
    pub fn is(&self, text: &[u8]) -> bool {
        self.0.eq_ignore_ascii_case(text)
    }
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The largest offset that is believed when somebody says where in a history we are. No stream
/// gets that long, and what is counted on from there still fits the signed 64 bits that offsets
/// have on the wire.
pub const OFFSET_MAX: u64 = i64::MAX as u64 / 2;

/// The history that ours grew out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its name.
    pub id: ReplId,
    /// The largest offset that a replica of it may ask for: one past the last byte in common.
    pub second_offset: u64,
}

/// So many histories that ours grew out of are remembered, the youngest of them.
pub const ANCESTORS_MAX: usize = 8;

/// A history that ours grew out of, remembered to tell where others part from ours. It gives
/// nobody the right to continue; [`Previous`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// Its name.
    pub id: ReplId,
    /// The last byte in common.
    pub end: u64,
    /// Whether the two part there. If not, they have at least so much in common.
    pub is_exact: bool,
}

/// Our place in the replication tree; see the module's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    id: ReplId,
    previous: Option<Previous>,
    offset: u64,
    /// The youngest first.
    ancestors: Vec<Ancestor>,
}

/// Whether a replica that asks to continue may, and if not, why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may: our history is its own up to there, and the bytes are still held.
    Continue,
    /// It asked for a snapshot in the first place (`PSYNC ? -1`).
    SnapshotWanted,
    /// It belongs to a history that we know nothing of.
    UnknownHistory,
    /// It went further in our previous history than we did.
    Diverged,
    /// It is of our history, but we do not hold the bytes that it misses.
    NotHeld,
}

impl Identity {
    /// A server that has just started: a new history, nothing in it.
    pub fn new(rng: &mut Rng) -> Identity {
        Identity {
            id: ReplId::random(rng),
            previous: None,
            offset: 0,
            ancestors: Vec::new(),
        }
    }

    /// The history that our data belongs to.
    pub fn id(&self) -> ReplId {
        self.id
    }

    /// The history before it, if replicas of that one may continue with us.
    pub fn previous(&self) -> Option<Previous> {
        self.previous
    }

    /// Bytes of the stream that our data contains.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Our history, and those that it grew out of, the youngest first.
    pub fn lineage(&self) -> impl Iterator<Item = Ancestor> + '_ {
        let ours = Ancestor {
            id: self.id,
            end: self.offset,
            is_exact: true,
        };
        std::iter::once(ours).chain(self.ancestors.iter().copied())
    }

    /// The histories that ours grew out of, the youngest first.
    pub fn ancestors(&self) -> &[Ancestor] {
        &self.ancestors
    }

    /// Of a history without a byte there is nothing to have in common, as of the one that a server
    /// begins at its start and leaves when the first replica comes.
    fn remember(&mut self, ancestor: Ancestor) {
        if ancestor.end == 0 {
            return;
        }
        self.ancestors.insert(0, ancestor);
        self.ancestors.truncate(ANCESTORS_MAX);
    }

    /// Remembers how far our history and its ancestors go, as our master knows it, who is of the
    /// same history.
    pub fn learn(&mut self, ancestors: &[Ancestor]) {
        for &told in ancestors.iter().rev() {
            self.ancestors.retain(|known| known.id != told.id);
            self.remember(told);
        }
    }

    /// Begins a history that continues none. The offset stays where it is.
    pub fn begin_history(&mut self, rng: &mut Rng) {
        self.remember(Ancestor {
            id: self.id,
            end: self.offset,
            is_exact: true,
        });
        self.id = ReplId::random(rng);
        self.previous = None;
    }

    /// Takes over the history of a master whose snapshot at `offset` was loaded.
    pub fn adopt(&mut self, id: ReplId, offset: u64) {
        *self = Identity {
            id,
            previous: None,
            offset,
            ancestors: Vec::new(),
        };
    }

    /// Continues from here under another name that our master goes by.
    pub fn continue_as(&mut self, id: ReplId) {
        // Our master may have gone further under the old name than we had when we heard of it.
        self.go_on_as(id, false);
    }

    fn go_on_as(&mut self, id: ReplId, is_exact: bool) {
        self.remember(Ancestor {
            id: self.id,
            end: self.offset,
            is_exact,
        });
        self.previous = Some(Previous {
            id: self.id,
            second_offset: self.offset + 1,
        });
        self.id = id;
    }

    /// Continues from here under a name of our own.
    pub fn shift(&mut self, rng: &mut Rng) {
        self.go_on_as(ReplId::random(rng), true);
    }

    /// A replica starts from a snapshot: it is where it was.
    pub fn restore_as_replica(&mut self, id: ReplId, offset: u64) {
        self.adopt(id, offset);
    }

    /// A master starts from a snapshot. It cannot know what it wrote after saving it, so it goes
    /// on under a new name, and replicas that are not past the snapshot may continue.
    pub fn restore_as_master(&mut self, id: ReplId, offset: u64) {
        self.offset = offset;
        self.remember(Ancestor {
            id,
            end: offset,
            is_exact: true,
        });
        self.previous = Some(Previous {
            id,
            second_offset: offset + 1,
        });
    }

    /// Adds `bytes` to the stream.
    pub fn advance(&mut self, bytes: u64) {
        self.offset += bytes;
    }

    /// Whether a replica that asks for `PSYNC id offset` may continue, given the span of offsets
    /// that can be read from the log, `first..=next`, if there is a log.
    pub fn can_continue(&self, id: &[u8], offset: i64, held: Option<(u64, u64)>) -> Decision {
        let ours = self.id.is(id);
        let theirs = self.previous.filter(|previous| previous.id.is(id));
        match (ours, theirs) {
            (true, _) => {}
            (false, Some(previous)) => {
                if u64::try_from(offset).is_ok_and(|offset| offset > previous.second_offset) {
                    return Decision::Diverged;
                }
            }
            (false, None) if id.first() == Some(&b'?') => return Decision::SnapshotWanted,
            (false, None) => return Decision::UnknownHistory,
        }
        match (u64::try_from(offset), held) {
            (Ok(offset), Some((first, next))) if (first..=next).contains(&offset) => {
                Decision::Continue
            }
            _ => Decision::NotHeld,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: char) -> ReplId {
        ReplId::parse(letter.to_string().repeat(ReplId::LEN).as_bytes()).expect("40 characters")
    }

    fn at(letter: char, offset: u64) -> Identity {
        let mut identity = Identity::new(&mut Rng::from_seed(1));
        identity.adopt(id(letter), offset);
        identity
    }

    #[test]
    fn ids_are_exactly_forty_harmless_characters() {
        assert!(ReplId::parse(&[b'a'; 39]).is_none());
        assert!(ReplId::parse(&[b'a'; 41]).is_none());
        assert!(ReplId::parse(&[b'\n'; 40]).is_none());
        assert!(ReplId::parse(&[0; 40]).is_none());
        assert_eq!(id('c').as_str(), "c".repeat(40));
        assert_eq!(ReplId::NONE.to_string(), "0".repeat(40));
    }

    #[test]
    fn a_promotion_keeps_the_old_name_up_to_the_next_byte() {
        let mut identity = at('a', 500);
        identity.shift(&mut Rng::from_seed(2));
        let previous = Previous {
            id: id('a'),
            second_offset: 501,
        };
        assert_eq!(identity.previous(), Some(previous));
        assert_ne!(identity.id(), id('a'));
        assert_eq!(identity.offset(), 500);
    }

    #[test]
    fn following_a_renamed_master_keeps_the_old_name_too() {
        let mut identity = at('a', 77);
        identity.continue_as(id('b'));
        assert_eq!(identity.id(), id('b'));
        assert_eq!(
            identity.previous().map(|p| (p.id, p.second_offset)),
            Some((id('a'), 78))
        );
    }

    #[test]
    fn a_new_history_keeps_the_offset_and_forgets_the_rest() {
        let mut identity = at('a', 500);
        identity.shift(&mut Rng::from_seed(2));
        identity.begin_history(&mut Rng::from_seed(3));
        assert_eq!(identity.previous(), None);
        assert_eq!(identity.offset(), 500);
    }

    #[test]
    fn the_youngest_histories_that_have_bytes_are_remembered() {
        let mut identity = Identity::new(&mut Rng::from_seed(5));
        identity.begin_history(&mut Rng::from_seed(6));
        assert_eq!(identity.ancestors(), []);
        for n in 1..=ANCESTORS_MAX as u64 + 2 {
            identity.advance(10);
            identity.shift(&mut Rng::from_seed(6 + n));
        }
        let ends: Vec<u64> = identity.ancestors().iter().map(|known| known.end).collect();
        assert_eq!(ends, [100, 90, 80, 70, 60, 50, 40, 30]);
    }

    #[test]
    fn a_restarted_master_serves_replicas_of_its_snapshot_only() {
        let mut identity = Identity::new(&mut Rng::from_seed(4));
        let own = identity.id();
        identity.restore_as_master(id('a'), 300);
        assert_eq!((identity.id(), identity.offset()), (own, 300));
        let held = Some((301, 301));
        assert_eq!(
            identity.can_continue(id('a').as_bytes(), 301, held),
            Decision::Continue
        );
        assert_eq!(
            identity.can_continue(id('a').as_bytes(), 302, held),
            Decision::Diverged
        );
        assert_eq!(
            identity.can_continue(id('a').as_bytes(), 300, held),
            Decision::NotHeld
        );
    }

    /// The rule in one sentence, written independently of the code: continue if the name is ours,
    /// or the previous one and not past its end, and if the log reaches back to the offset and the
    /// offset does not lie beyond the log.
    fn expected(
        asked: &str,
        offset: i64,
        second: Option<i64>,
        held: Option<(i64, i64)>,
    ) -> Decision {
        let known = match asked {
            "current" => true,
            "previous" => second.is_some(),
            _ => false,
        };
        if !known {
            return if asked == "?" {
                Decision::SnapshotWanted
            } else {
                Decision::UnknownHistory
            };
        }
        if asked == "previous" && offset > second.unwrap() {
            return Decision::Diverged;
        }
        match held {
            Some((first, next)) if first <= offset && offset <= next => Decision::Continue,
            _ => Decision::NotHeld,
        }
    }

    #[test]
    fn every_combination_of_name_offset_and_log_is_decided_by_the_rule() {
        let mut tried = 0;
        for second in [None, Some(1), Some(50), Some(100), Some(101)] {
            for held in [None, Some((1, 101)), Some((50, 101)), Some((101, 101))] {
                let mut identity = at('c', 100);
                identity.previous = second.map(|second| Previous {
                    id: id('b'),
                    second_offset: second as u64,
                });
                for asked in [
                    "current", "CURRENT", "previous", "other", "none", "?", "", "short",
                ] {
                    let text = match asked {
                        "current" => "c".repeat(40),
                        "CURRENT" => "C".repeat(40),
                        "previous" => "b".repeat(40),
                        "other" => "d".repeat(40),
                        "none" => "0".repeat(40),
                        "short" => "c".repeat(39),
                        text => text.to_owned(),
                    };
                    for offset in [i64::MIN, -1, 0, 1, 49, 50, 51, 100, 101, 102, i64::MAX] {
                        let got = identity.can_continue(
                            text.as_bytes(),
                            offset,
                            held.map(|(a, b)| (a as u64, b as u64)),
                        );
                        let want = expected(&asked.to_lowercase(), offset, second, held);
                        assert_eq!(got, want, "{asked} {offset} {second:?} {held:?}");
                        tried += 1;
                    }
                }
            }
        }
        assert_eq!(tried, 5 * 4 * 8 * 11);
    }
}
