//! Collections that the stream holds as one string.
//!
//! A listpack that is sound and short enough is taken over as it is. A longer one, by the number
//! of its elements, becomes what large collections are; how long its elements are is looked at
//! only where every one of them is handled anyway. Forms of old versions become listpacks first.

use super::hash::tabled;
use super::listpack::judge_listpack;
use super::means::BuildLimits;
use super::unique::all_differ;
use crate::base::numbers::parse_f64;
use crate::data::element_table::SetTable;
use crate::data::hash::{Hash, HashLimits};
use crate::data::intset::{Intset, IntsetRef};
use crate::data::list::{End, List, ListLimits};
use crate::data::listpack::{Element, Listpack, ListpackRef, entry_bytes};
use crate::data::quicklist::Quicklist;
use crate::data::set::{Set, SetLimits};
use crate::data::zset::{Builder, SortedSet, ZSet, ZSetLimits};
use crate::keyspace::{Collection, Encoding, Object, Type};
use crate::persist::rdb::error::{Flaw, RdbErrorKind};
use crate::persist::rdb::format::ValueType;
use crate::persist::rdb::{ziplist, zipmap};

/// What becomes of a string.
pub(in super::super) enum Verdict {
    /// It is a collection as it stands; [`kept`] says what to store of it.
    AsItIs(Type, Encoding),
    /// Another form was made of it.
    Made(Object),
    /// It has no members.
    Empty,
}

impl<T: Collection> From<T> for Verdict {
    fn from(collection: T) -> Verdict {
        if collection.is_vacant() {
            Verdict::Empty
        } else {
            Verdict::Made(collection.into())
        }
    }
}

/// Judges a value of a type that comes as one string.
pub(in super::super) fn judge(
    value_type: ValueType,
    bytes: &[u8],
    limits: &BuildLimits,
) -> Result<Verdict, RdbErrorKind> {
    use ValueType as T;
    Ok(match value_type {
        T::HashListpack => {
            let flaw = Flaw::HashListpack;
            hash(judge_listpack(bytes, flaw)?, flaw, &limits.hash)?
        }
        T::SetListpack => set(judge_listpack(bytes, Flaw::SetListpack)?, &limits.set)?,
        T::ZsetListpack => {
            let flaw = Flaw::ZsetListpack;
            zset(judge_listpack(bytes, flaw)?, flaw, &limits.zset)?
        }
        T::SetIntset => intset(bytes, &limits.set)?,
        T::HashZiplist => {
            let pack = unpack_ziplist(bytes, Flaw::HashZiplist)?;
            match hash(pack.as_ref(), Flaw::HashZiplist, &limits.hash)? {
                Verdict::AsItIs(..) => Hash::Packed(pack).into(),
                verdict => verdict,
            }
        }
        T::ZsetZiplist => {
            let pack = unpack_ziplist(bytes, Flaw::ZsetZiplist)?;
            match zset(pack.as_ref(), Flaw::ZsetZiplist, &limits.zset)? {
                Verdict::AsItIs(..) => ZSet::Packed(pack).into(),
                verdict => verdict,
            }
        }
        T::HashZipmap => hash_of_zipmap(bytes, &limits.hash)?,
        T::ListZiplist => list_of_ziplist(bytes, &limits.list)?,
        _ => return Err(RdbErrorKind::UnknownType(value_type.id())),
    })
}

/// What a key holds of a string that is a collection as it stands.
pub(in super::super) fn kept(encoding: Encoding, bytes: &[u8]) -> &[u8] {
    match encoding {
        Encoding::Listpack => ListpackRef::from_framed(bytes).body(),
        _ => bytes,
    }
}

/// Converts a ziplist.
pub(super) fn unpack_ziplist(bytes: &[u8], flaw: Flaw) -> Result<Listpack, Flaw> {
    let mut pack = Listpack::with_capacity(bytes.len());
    let all = ziplist::visit(bytes, |element| push(&mut pack, element));
    all.ok_or(flaw)?;
    pack.shrink_to_fit();
    Ok(pack)
}

/// Adds an element; none if that makes it too large.
fn push(pack: &mut Listpack, element: Element<'_>) -> Option<()> {
    if !pack.as_ref().fits(entry_bytes(element)) {
        return None;
    }
    pack.push_back(element);
    Some(())
}

fn hash(pack: ListpackRef<'_>, flaw: Flaw, limits: &HashLimits) -> Result<Verdict, RdbErrorKind> {
    let len = pack.len();
    if !len.is_multiple_of(2) {
        return Err(flaw.into());
    }
    if len == 0 {
        return Ok(Verdict::Empty);
    }
    if len / 2 > limits.max_listpack_entries {
        let table = tabled(pack, 0, limits).ok_or(flaw)?;
        return Ok(Hash::Table(Box::new(table)).into());
    }
    if !all_differ(pack.iter().step_by(2), len / 2) {
        return Err(flaw.into());
    }
    Ok(Verdict::AsItIs(Type::Hash, Encoding::Listpack))
}

fn hash_of_zipmap(bytes: &[u8], limits: &HashLimits) -> Result<Verdict, RdbErrorKind> {
    let (mut pack, mut longest) = (Listpack::new(), 0);
    let all = zipmap::visit(bytes, |field, value| {
        longest = longest.max(field.len()).max(value.len());
        push(&mut pack, Element::from(field))?;
        push(&mut pack, Element::from(value))
    });
    all.ok_or(Flaw::Zipmap)?;
    let mut limits = limits.clone();
    if longest > limits.max_listpack_value {
        limits.max_listpack_entries = 0;
    }
    Ok(match hash(pack.as_ref(), Flaw::Zipmap, &limits)? {
        Verdict::AsItIs(..) => {
            pack.shrink_to_fit();
            Hash::Packed(pack).into()
        }
        verdict => verdict,
    })
}

fn set(pack: ListpackRef<'_>, limits: &SetLimits) -> Result<Verdict, RdbErrorKind> {
    let len = pack.len();
    if len == 0 {
        return Ok(Verdict::Empty);
    }
    if len > limits.max_listpack_entries {
        let mut table = SetTable::with_capacity(len, limits.hasher.clone());
        let mut members = pack.iter();
        if !members.all(|member| member.with_bytes(|member| table.insert(member))) {
            return Err(Flaw::SetListpack.into());
        }
        return Ok(Set::Table(Box::new(table)).into());
    }
    if !all_differ(pack.iter(), len) {
        return Err(Flaw::SetListpack.into());
    }
    Ok(Verdict::AsItIs(Type::Set, Encoding::Listpack))
}

fn intset(bytes: &[u8], limits: &SetLimits) -> Result<Verdict, RdbErrorKind> {
    let len = IntsetRef::validate(bytes).map_err(|_| Flaw::Intset)?.len();
    if len <= limits.max_intset_entries {
        return Ok(Verdict::AsItIs(Type::Set, Encoding::Intset));
    }
    let mut set = Set::Ints(Intset::from_bytes(bytes.to_vec()));
    set.convert(len, &limits.hasher);
    Ok(set.into())
}

fn zset(pack: ListpackRef<'_>, flaw: Flaw, limits: &ZSetLimits) -> Result<Verdict, RdbErrorKind> {
    let len = pack.len();
    if !len.is_multiple_of(2) || !is_in_order(pack) {
        return Err(flaw.into());
    }
    if len == 0 {
        return Ok(Verdict::Empty);
    }
    if len / 2 > limits.max_listpack_entries {
        let tree = ranked(pack, len / 2, limits).ok_or(flaw)?;
        return Ok(ZSet::Tree(Box::new(tree)).into());
    }
    if !all_differ(pack.iter().step_by(2), len / 2) {
        return Err(flaw.into());
    }
    Ok(Verdict::AsItIs(Type::ZSet, Encoding::Listpack))
}

/// Members and scores, in pairs; none where there is no score.
fn scored(pack: ListpackRef<'_>) -> impl Iterator<Item = (Element<'_>, Option<f64>)> {
    let mut elements = pack.iter();
    std::iter::from_fn(move || {
        let member = elements.next()?;
        let score = match elements.next()? {
            Element::Int(score) => Some(score as f64),
            Element::Bytes(text) => parse_f64(text).filter(|score| !score.is_nan()),
        };
        Some((member, score))
    })
}

/// Whether every member has a score, and they stand in the order of scores, then of members.
fn is_in_order(pack: ListpackRef<'_>) -> bool {
    let mut before: Option<(f64, Element<'_>)> = None;
    scored(pack).all(|(member, score)| {
        let Some(score) = score else {
            return false;
        };
        let last = before.replace((score, member));
        last.is_none_or(|(last_score, last)| {
            last_score < score
                || last_score == score
                    && last.with_bytes(|last| member.with_bytes(|member| last < member))
        })
    })
}

/// A listpack that is in order as a tree; none if a member comes twice.
fn ranked(pack: ListpackRef<'_>, len: usize, limits: &ZSetLimits) -> Option<SortedSet> {
    let mut members = Builder::new(limits.hasher.clone(), len);
    for (member, score) in scored(pack) {
        let score = score?;
        if !member.with_bytes(|member| members.update(member, |_| score)) {
            return None;
        }
    }
    Some(members.finish())
}

/// Lists of one ziplist stay what they become, however short they are.
fn list_of_ziplist(bytes: &[u8], limits: &ListLimits) -> Result<Verdict, RdbErrorKind> {
    let mut list = Quicklist::new(limits);
    let all = ziplist::visit(bytes, |element| {
        element.with_bytes(|text| list.push(End::Tail, text, limits.plain_from_bytes));
        Some(())
    });
    all.ok_or(Flaw::ListZiplist)?;
    Ok(List::Quick(Box::new(list)).into())
}
