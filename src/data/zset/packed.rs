//! A sorted set in a listpack: member, score, member, score, in order.
//!
//! A score that is an integer is stored as one, any other as its text.

use std::cmp::Ordering;
use std::ops::Range;

use super::limits::ZSetLimits;
use crate::base::numbers::{DOUBLE_TEXT_BYTES_MAX, exact_i64, parse_f64, write_f64};
use crate::data::listpack::{Element, Listpack, ListpackRef, Pos};

/// A member and its score are two elements.
pub(super) const GROUP: usize = 2;

/// The score at a place.
#[inline]
pub(super) fn score(listpack: ListpackRef<'_>, pos: Pos) -> f64 {
    match listpack.get(pos) {
        Element::Int(score) => score as f64,
        // What others wrote into a file need not be a number.
        Element::Bytes(text) => parse_f64(text).unwrap_or(0.0),
    }
}

/// The place of the score behind a member.
#[inline]
pub(super) fn score_pos(listpack: ListpackRef<'_>, member: Pos) -> Pos {
    listpack
        .next(member)
        .expect("behind a member stands a score")
}

/// The place and score of a member.
#[inline]
pub(super) fn find(listpack: ListpackRef<'_>, member: &[u8]) -> Option<(Pos, f64)> {
    let pos = listpack.find(listpack.first()?, member, GROUP - 1)?;
    Some((pos, score(listpack, score_pos(listpack, pos))))
}

/// Whether another member may join.
pub(super) fn has_room(listpack: &Listpack, member: &[u8], limits: &ZSetLimits) -> bool {
    listpack.len() / GROUP < limits.max_listpack_entries
        && member.len() <= limits.max_listpack_value
        && listpack.as_ref().fits(member.len())
}

/// Inserts a member before the one at `pos`, or at the end.
pub(super) fn insert(listpack: &mut Listpack, pos: Option<Pos>, member: &[u8], score: f64) {
    let mut text = [0; DOUBLE_TEXT_BYTES_MAX];
    let element = match exact_i64(score) {
        Some(int) => Element::Int(int),
        None => {
            let len = write_f64(score, &mut text);
            Element::from(&text[..len])
        }
    };
    match pos {
        Some(pos) => {
            let member = listpack.insert_before(pos, member);
            listpack.insert_after(member, element);
        }
        None => {
            listpack.push_back(member);
            listpack.push_back(element);
        }
    }
}

/// Inserts a member that is not there where it belongs.
pub(super) fn insert_in_order(listpack: &mut Listpack, member: &[u8], new: f64) {
    let view = listpack.as_ref();
    let mut next = view.first();
    while let Some(pos) = next {
        let score_pos = score_pos(view, pos);
        let there = score(view, score_pos);
        let is_behind = || view.get(pos).with_bytes(|there| there.cmp(member)) == Ordering::Greater;
        if there > new || there == new && is_behind() {
            break;
        }
        next = view.next(score_pos);
    }
    insert(listpack, next, member, new);
}

/// Removes the member at a place.
pub(super) fn remove(listpack: &mut Listpack, pos: Pos) {
    listpack.remove_many(pos, GROUP);
}

/// Removes the members of these ranks.
pub(super) fn remove_ranks(listpack: &mut Listpack, ranks: Range<usize>) {
    listpack.remove_range((ranks.start * GROUP) as i64, ranks.len() * GROUP);
}
