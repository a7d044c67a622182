//! `SENTINEL`, and what a Sentinel does with commands that servers have, too.
//!
//! The Sentinel itself ([`crate::sentinel`]) decides; here are the words of the commands. Some
//! answers have to wait until something is durable, or until somebody else has answered: then the
//! client is parked ([`Ctx::block_for_answer`]), and gets the [`Answer`](crate::sentinel::Answer)
//! when there is one.

mod aids;
mod options;
mod orders;
mod rows;
mod show;

use super::context::{CmdResult, Ctx};
use super::env::Env;
use super::error::CmdError;
use crate::resp::args::Args;
use crate::sentinel::Sentinel;
use crate::sentinel::instance::Master;
pub use rows::ROWS;
pub use show::quorum_words;

/// The channel on which Sentinels announce themselves.
const HELLO_CHANNEL: &[u8] = b"__sentinel__:hello";

const NO_SUCH_MASTER: CmdError = CmdError::Fixed("ERR No such master with that name");

/// The Sentinel that this server is.
///
/// # Panics
///
/// It is none: then it has none of these commands.
fn of(env: &mut Env) -> &mut Sentinel {
    let sentinel = env.sentinel.as_deref_mut();
    sentinel.expect("only a Sentinel has these commands")
}

/// The master of a name.
fn master<'a>(sentinel: &'a Sentinel, name: &[u8]) -> Result<&'a Master, CmdError> {
    sentinel.master(name).ok_or(NO_SUCH_MASTER)
}

/// Has the client wait for an answer that the Sentinel will give.
fn wait_for_answer(ctx: &mut Ctx<'_>) -> CmdResult {
    match ctx.block_for_answer() {
        true => Ok(()),
        false => Err(CmdError::err("the answer cannot be waited for here")),
    }
}

/// Has the client wait until what was changed is durable.
fn answer_when_saved(ctx: &mut Ctx<'_>) -> CmdResult {
    of(ctx.env).answer_when_saved(ctx.session.id);
    wait_for_answer(ctx)
}

/// `PUBLISH` from a peer, which so announces itself; others have nothing to publish here.
fn publish(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if &args[1] != HELLO_CHANNEL {
        return Err(CmdError::err(
            "Only HELLO messages are accepted by Sentinel instances.",
        ));
    }
    let now = ctx.env.now;
    of(ctx.env).on_hello(&args[2], now);
    ctx.reply.int(1);
    Ok(())
}

/// `ROLE`: that it is a Sentinel, and of which masters.
fn role(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let sentinel = of(ctx.env);
    ctx.reply.array(2);
    ctx.reply.bulk("sentinel");
    ctx.reply.array(sentinel.masters_len());
    for master in sentinel.masters() {
        ctx.reply.bulk(&master.name);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
