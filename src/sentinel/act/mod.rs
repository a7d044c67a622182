//! The acting half: facts and the time become decisions.
//!
//! A master is looked at as a whole, in this order: is somebody else's configuration newer; are
//! connections to be made and questions to be asked; who is down; is a failover to be begun, or how
//! does the one that is going on get on; do announcements name two masters in one epoch; which
//! server plays another part than it should.

pub(super) mod abort;
mod correct;
mod down;
pub(super) mod election;
mod emptied;
pub(super) mod failover;
pub(super) mod handover;
pub(super) mod links;
pub(super) mod members;
pub(super) mod place;
mod reconf;
pub(super) mod select;
pub(super) mod slaveof;
pub(super) mod switch;
mod tie;

use super::context::Cx;
use super::instance::Master;

/// A master is looked at this often in any case, in milliseconds.
const LOOK_PERIOD_MS: u64 = 1000;
/// A failover goes through so many states at once at most.
const STEPS_MAX: usize = 16;

/// Looks at a master.
pub(super) fn act_on(master: &mut Master, cx: &mut Cx<'_>) {
    cx.due_ms = cx.now_ms + LOOK_PERIOD_MS;
    switch::adopt_newer(master, cx);
    links::tend(master, cx);
    if !cx.tilt {
        down::check(master, cx);
        failover::begin_if_due(master, cx);
        for _ in 0..STEPS_MAX {
            if !failover::step(master, cx) {
                break;
            }
        }
        down::ask_peers(master, cx);
        tie::settle(master, cx);
        correct::correct(master, cx);
        members::forget_long_gone(master, cx);
    }
    master.due_ms = cx.due_ms.max(cx.now_ms + 1);
}
