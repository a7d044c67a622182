//! Streams that drifted apart: two servers at the same offset of the same history that have not
//! seen the same bytes. That must never be, so if it is, one of them has a fault, or its file has
//! been damaged or was changed; to go on from there would make the difference permanent and silent.
//!
//! A replica of ours that asks a master of ours to continue tells it before what the stream comes
//! to at its place ([`StreamSum`]). The master compares, where it holds that place, and refuses if
//! the sums differ; then the replica asks for everything. Both say so loudly.

use super::action::Action;
use super::context::Context;
use super::extensions::StreamSum;
use super::identity::Decision;
use super::replconf::ReplconfReply;

/// The channel on which drifts are told.
const CHANNEL: &str = "__replica__:stream-sum";

/// What the error begins with by which a master says that sums differ.
pub(super) const ERROR: &[u8] = b"-DRIFT";

/// The master's part: whether the replica `name` may continue from there, as far as sums tell.
pub(super) fn judge(cx: &mut Context, name: &str, stated: StreamSum) -> ReplconfReply {
    let next = stated.offset as i64 + 1;
    let held = cx.history.can_continue(stated.id.as_bytes(), next) == Decision::Continue;
    let ours = cx.history.sum_up_to(stated.offset);
    let StreamSum { id, offset, sum } = stated;
    match ours {
        Some(ours) if held && ours != sum => {
            note(
                cx,
                &format!("Replica {name} asks to continue from {id}:{offset}"),
                (sum, ours),
                &format!("replica {name} {id} {offset}"),
            );
            let text = format!("DRIFT the stream up to {offset} comes to {ours:016x} here");
            ReplconfReply::Error(text.into_bytes())
        }
        _ => ReplconfReply::Ok,
    }
}

/// The replica's part: its master at `address` has said that the sums differ.
pub(super) fn on_refused(cx: &mut Context, address: &str) {
    let identity = cx.history.identity();
    let (id, offset) = (identity.id(), identity.offset());
    let ours = cx.history.sum().unwrap_or_default();
    *cx.drifts += 1;
    cx.warning(format!(
        "STREAM DRIFT: MASTER {address} has seen other bytes than we have (ours come to \
         {ours:016x}) up to {id}:{offset}. One of us has a fault or a damaged file. We do not \
         continue, and ask for a full sync."
    ));
    publish(cx, format!("master {address} {id} {offset}"));
}

fn note(cx: &mut Context, what: &str, (theirs, ours): (u64, u64), message: &str) {
    *cx.drifts += 1;
    cx.warning(format!(
        "STREAM DRIFT: {what}, and has seen other bytes than we have: they come to {theirs:016x} \
         there and to {ours:016x} here. One of us has a fault or a damaged file. It needs a full \
         sync."
    ));
    publish(cx, message.to_owned());
}

fn publish(cx: &mut Context, message: String) {
    cx.push(Action::Publish {
        channel: CHANNEL,
        message,
    });
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;
