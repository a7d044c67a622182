//! Sorted sets, member by member. They come in no order that could be relied on.

use super::means::Means;
use crate::data::zset::{Builder, ZSet, ZSetLimits};
use crate::keyspace::Object;
use crate::persist::rdb::cursor::RawString;
use crate::persist::rdb::error::{Flaw, RdbErrorKind};

/// The shortest member in a stream: its length, a byte of text, and a score of old.
const MEMBER_BYTES: u64 = 3;

/// A sorted set in the making.
pub(in super::super) struct ZSetBuilder {
    members: Builder,
    /// The member whose score comes next.
    member: Vec<u8>,
}

impl ZSetBuilder {
    pub(super) fn new(limits: &ZSetLimits) -> ZSetBuilder {
        ZSetBuilder {
            members: Builder::new(limits.hasher.clone(), 0),
            member: Vec::new(),
        }
    }

    pub(super) fn start(&mut self, told: u64, means: &Means<'_>) {
        let room = means.room(told, MEMBER_BYTES);
        self.members = Builder::new(means.limits.zset.hasher.clone(), room);
    }

    #[inline]
    pub(super) fn member(&mut self, raw: RawString<'_>) -> Result<(), RdbErrorKind> {
        if let RawString::Plain(bytes) = raw {
            self.member.clear();
            self.member.extend_from_slice(bytes);
        } else {
            raw.resolve(&mut self.member)?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn score(&mut self, score: f64) -> Result<(), RdbErrorKind> {
        if score.is_nan() {
            return Err(Flaw::Score.into());
        }
        if self.members.update(&self.member, |_| score) {
            Ok(())
        } else {
            Err(Flaw::DuplicateScored.into())
        }
    }

    pub(super) fn finish(self, limits: &ZSetLimits) -> Option<Object> {
        if self.members.is_empty() {
            return None;
        }
        Some(Object::from(ZSet::compact(self.members.finish(), limits)))
    }
}
