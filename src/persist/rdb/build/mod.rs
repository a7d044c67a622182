//! Making values of what the stream holds.
//!
//! Two ways lead to a collection. One that the stream holds as a single string, a listpack or one
//! of its predecessors, is judged and converted as a whole ([`packed::judge`]). One that is spread
//! over many parts is made member by member while the parts come in, by the [`Builder`] of its
//! type; however large it is, no more of the stream than one part is needed at once.
//!
//! Which form a value takes is not what it was saved as but what today's limits say, decided as
//! the reference decides it when it loads: this shows in `OBJECT ENCODING` and in memory.
//!
//! Nothing here is trusted. Structures are checked to their last byte, members that must differ
//! are compared, and a length that is announced reserves no more than the bytes still to come
//! could hold.

mod hash;
mod list;
mod listpack;
mod means;
pub(super) mod packed;
mod set;
mod stream;
#[cfg(test)]
mod tests;
mod unique;
mod zset;

pub use self::means::BuildLimits;
pub(super) use self::means::Means;
use super::error::RdbErrorKind;
use super::format::ValueType;
use super::structure::{Of, Token};
use crate::keyspace::Object;

/// A collection in the making.
pub(super) enum Builder {
    List(list::ListBuilder),
    Set(set::SetBuilder),
    ZSet(zset::ZSetBuilder),
    Hash(hash::HashBuilder),
    Stream(Box<stream::StreamBuilder>),
}

impl Builder {
    /// The builder for a type that comes in parts.
    pub(super) fn new(value_type: ValueType, limits: &BuildLimits) -> Option<Builder> {
        use ValueType as T;
        Some(match value_type {
            T::List => Builder::List(list::ListBuilder::of_elements(&limits.list)),
            T::ListQuicklist => Builder::List(list::ListBuilder::of_ziplists(&limits.list)),
            T::ListQuicklist2 => Builder::List(list::ListBuilder::of_nodes(&limits.list)),
            T::Set => Builder::Set(set::SetBuilder::default()),
            T::Zset | T::Zset2 => Builder::ZSet(zset::ZSetBuilder::new(&limits.zset)),
            T::Hash
            | T::HashTtlPreGa
            | T::HashTtl
            | T::HashListpackTtlPreGa
            | T::HashListpackTtl
            | T::HashTtlValkey => Builder::Hash(hash::HashBuilder::default()),
            T::Stream | T::Stream2 | T::Stream3 => Builder::Stream(Box::default()),
            _ => return None,
        })
    }

    /// Takes the next part.
    #[inline]
    pub(super) fn take(
        &mut self,
        token: Token<'_>,
        means: &mut Means<'_>,
    ) -> Result<(), RdbErrorKind> {
        match (self, token) {
            (Builder::Hash(hash), Token::Text(text, raw)) => hash.text(text, raw, means),
            (Builder::Hash(hash), Token::Repeat(Of::Members, told)) => {
                hash.start(told, means);
                Ok(())
            }
            (Builder::Hash(hash), Token::FieldExpires(true)) => {
                hash.give_up();
                Ok(())
            }
            (Builder::Set(set), Token::Text(_, raw)) => set.member(raw, means),
            (Builder::Set(set), Token::Repeat(_, told)) => {
                set.start(told, means);
                Ok(())
            }
            (Builder::ZSet(zset), Token::Text(_, raw)) => zset.member(raw),
            (Builder::ZSet(zset), Token::Score(score)) => zset.score(score),
            (Builder::ZSet(zset), Token::Repeat(_, told)) => {
                zset.start(told, means);
                Ok(())
            }
            (Builder::List(list), token) => list.take(token, means),
            (Builder::Stream(stream), token) => stream.take(token),
            _ => Ok(()),
        }
    }

    /// Whether it came by something that no collection here can have: a field that expires.
    pub(super) fn has_given_up(&self) -> bool {
        matches!(self, Builder::Hash(hash) if hash.has_given_up())
    }

    /// The collection, or none if it has no members.
    pub(super) fn finish(self, limits: &BuildLimits) -> Result<Option<Object>, RdbErrorKind> {
        Ok(match self {
            Builder::List(list) => list.finish(&limits.list),
            Builder::Set(set) => set.finish(),
            Builder::ZSet(zset) => zset.finish(&limits.zset),
            Builder::Hash(hash) => hash.finish()?,
            Builder::Stream(stream) => Some(stream.finish()?),
        })
    }
}
