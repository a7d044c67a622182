//! Lists: the commands of the reference's `list` group.
//!
//! One file a topic: [`push`] and [`pop`] for the ends, [`read`] for looking, [`change`] for what
//! happens inside a list, [`transfer`] from one list to another, [`many`] for the first of several
//! lists, [`blocking`] for waiting. What more than one of them needs is here.
//!
//! `LEFT` is the head of a list, where index 0 is, and `RIGHT` its tail.

pub mod blocking;
pub mod change;
pub mod many;
pub mod pop;
pub mod push;
pub mod read;
#[cfg(test)]
mod tests;
pub mod transfer;

use super::context::Ctx;
use super::error::CmdError;
use super::events::Class;
use super::row::Arg;
use super::wording::element;
use crate::data::list::{End, List, ListRef, Side};
use crate::resp::writer::Reply;
use std::ops::ControlFlow;

/// The documented choice between the ends of a list.
const ENDS: &[Arg] = &[Arg::pure("left", "LEFT"), Arg::pure("right", "RIGHT")];

/// The end that a word names.
fn end(word: &[u8]) -> Result<End, CmdError> {
    if word.eq_ignore_ascii_case(b"left") {
        Ok(End::Head)
    } else if word.eq_ignore_ascii_case(b"right") {
        Ok(End::Tail)
    } else {
        Err(CmdError::Syntax)
    }
}

/// The index that a client's index means in a list of this length; negative ones count from the
/// tail.
fn absolute(index: i64, len: usize) -> Option<usize> {
    let from_head = if index < 0 {
        index.checked_add(len as i64)?
    } else {
        index
    };
    usize::try_from(from_head).ok().filter(|index| *index < len)
}

/// The part of a list of this length from `start` to `stop`, both included: where it begins and how
/// long it is. What lies outside of the list is cut off.
fn span(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let from_head = |index: i64| if index < 0 { index + len } else { index };
    let (start, stop) = (from_head(start).max(0), from_head(stop).min(len - 1));
    if start > stop {
        (0, 0)
    } else {
        (start as usize, (stop - start) as usize + 1)
    }
}

/// Replies with `count` elements from `index` on, toward one side.
#[inline]
fn reply_elements(reply: &mut Reply, list: ListRef<'_>, index: usize, count: usize, toward: Side) {
    reply.array(count);
    let mut left = count;
    if left == 0 {
        return;
    }
    list.visit(index, toward, |found| {
        element(reply, found);
        left -= 1;
        if left == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
}

/// Takes up to `count` elements from one end and replies with them; returns how many there were.
fn pop_elements(reply: &mut Reply, list: &mut List, end: End, count: usize) -> usize {
    let len = list.len();
    let count = count.min(len);
    match end {
        End::Head => {
            reply_elements(reply, list.as_ref(), 0, count, Side::After);
            list.remove_range(0, count)
        }
        End::Tail => {
            let last = len.saturating_sub(1);
            reply_elements(reply, list.as_ref(), last, count, Side::Before);
            list.remove_range(len - count, count)
        }
    }
}

/// Tells that `count` elements were taken from one end of a list, and whether none was left.
fn popped(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize, gone: bool) {
    let event = match end {
        End::Head => "lpop",
        End::Tail => "rpop",
    };
    ctx.took(Class::LIST, event, key, count, gone);
}

/// The event of adding to one end.
fn push_event(end: End) -> &'static str {
    match end {
        End::Head => "lpush",
        End::Tail => "rpush",
    }
}
