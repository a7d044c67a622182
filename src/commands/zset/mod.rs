//! Sorted sets: the commands of the reference's `sorted-set` group.
//!
//! One file a topic: [`add`] and [`remove`] for members, [`score`] for what is known of one or
//! counted, [`range`] for parts of the order, [`pop`] and [`wait`] for its ends, [`combine`] for
//! several sets, [`walk`] for chance and for seeing everybody in the end. What more than one of
//! them needs is here and in [`bounds`].

pub mod add;
mod bounds;
pub mod combine;
pub mod pop;
pub mod range;
pub mod remove;
pub mod score;
#[cfg(test)]
mod tests;
pub mod wait;
pub mod walk;

use super::context::Ctx;
use super::error::CmdError;
use super::events::Class;
use super::row::Arg;
use super::string::store_result;
use super::wording::element;
use crate::base::numbers::parse_f64;
use crate::data::zset::{Scored, ZSet};
use crate::keyspace::NewValue;
use crate::resp::writer::{Protocol, Reply};

/// The option that lists members with their scores.
const WITH_SCORES: Arg = Arg::pure("withscores", "WITHSCORES").optional();

/// A score or weight among the arguments.
#[inline]
pub(super) fn double(word: &[u8]) -> Result<f64, CmdError> {
    parse_f64(word).ok_or(CmdError::NotFloat)
}

/// Replies with a score, or a null where there is none.
fn reply_score(reply: &mut Reply, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

/// How members are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Listing {
    /// Members only.
    Plain,
    /// Each with its score: as pairs in RESP3, in turn in RESP2.
    WithScores,
    /// Each with its score, in turn in any protocol.
    InTurn,
    /// Each with its score, as pairs in any protocol.
    Pairs,
}

impl Listing {
    /// With scores or without.
    fn new(with_scores: bool) -> Listing {
        if with_scores {
            Listing::WithScores
        } else {
            Listing::Plain
        }
    }

    fn nests(self, reply: &Reply) -> bool {
        match self {
            Listing::Plain | Listing::InTurn => false,
            Listing::WithScores => reply.protocol == Protocol::Resp3,
            Listing::Pairs => true,
        }
    }

    /// Begins the reply of so many members.
    fn begin(self, reply: &mut Reply, members: usize) {
        let in_turn = self != Listing::Plain && !self.nests(reply);
        reply.array(if in_turn { members * 2 } else { members });
    }

    /// Replies with one of them.
    #[inline]
    fn member(self, reply: &mut Reply, (member, score): Scored<'_>) {
        if self.nests(reply) {
            reply.array(2);
        }
        element(reply, member);
        if self != Listing::Plain {
            reply.double(score);
        }
    }

    /// Replies with all of them.
    fn all<'a>(self, reply: &mut Reply, members: impl ExactSizeIterator<Item = Scored<'a>>) {
        self.begin(reply, members.len());
        members.for_each(|member| self.member(reply, member));
    }
}

/// Puts a computed set under a key, over whatever that one held, and replies with how many members
/// there are; an empty one deletes the key. It counts as so many changes.
pub(super) fn store(ctx: &mut Ctx<'_>, key: &[u8], set: ZSet, event: &str, changes: u64) {
    let len = set.len();
    let result = (len > 0).then(|| NewValue::Object(set.into()));
    store_result(ctx, key, result, (Class::ZSET, event), changes);
    ctx.reply.int(len as i64);
}
