//! `WAIT` and `WAITAOF`: how many replicas, and files, have what this client has written.
//!
//! A client that has to wait is parked without a key ([`super::blocking::acks`]), and all replicas
//! are asked, once at the end of the tick, how far they are. In a transaction the answer is what is
//! known at once.

use super::blocking::Timeout;
use super::blocking::acks::{AckNeed, AckOf, AckWait};
use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::operand::positive;
use super::row::{Acl, Arg, Flags, Row};
use crate::base::numbers::parse_i64;
use crate::resp::args::Args;

const WAIT_ROW: Row = Row {
    acl: Acl::CONNECTION,
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..Row::BASE
};

/// The rows of this family.
pub static ROWS: &[Row] = &[
    Row {
        name: "wait",
        arity: 3,
        since: "3.0.0",
        summary: "Waits until replicas have run what this client has written.",
        args: &[Arg::integer("numreplicas"), Arg::integer("timeout")],
        handler: wait,
        ..WAIT_ROW
    },
    Row {
        name: "waitaof",
        arity: 4,
        flags: Flags::NOSCRIPT,
        since: "7.2.0",
        summary: "Waits until append-only files hold on disk what this client has written.",
        args: &[
            Arg::integer("numlocal"),
            Arg::integer("numreplicas"),
            Arg::integer("timeout"),
        ],
        handler: wait_aof,
        ..WAIT_ROW
    },
];

/// Who relies on a file that is not written any more is told so.
pub const NO_FILE: CmdError =
    CmdError::Fixed("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");

fn wait(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if ctx.env.replication.is_replica() {
        return Err(CmdError::err(
            "WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if \
             a replica is configured to be writable (which is not the default) writes to replicas \
             are just local and are not propagated.",
        ));
    }
    let replicas = parse_i64(&args[1]).ok_or(CmdError::NotInteger)?;
    let timeout = Timeout::parse_ms(&args[2], ctx.now_ms())?;
    // Fewer than none are there from the beginning.
    let replicas = usize::try_from(replicas).unwrap_or(0);
    let of = AckOf::Run;
    wait_for(ctx, AckNeed { of, replicas }, timeout)
}

fn wait_aof(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let here = match parse_i64(&args[1]).ok_or(CmdError::NotInteger)? {
        0 => false,
        1 => true,
        _ => {
            return Err(CmdError::err(
                "value is out of range, value must between 0 and 1",
            ));
        }
    };
    let replicas = positive(&args[2])?;
    let timeout = Timeout::parse_ms(&args[3], ctx.now_ms())?;
    if ctx.env.replication.is_replica() {
        return Err(CmdError::err(
            "WAITAOF cannot be used with replica instances. Please also note that writes to \
             replicas are just local and are not propagated.",
        ));
    }
    if here && !ctx.env.config.appendonly {
        return Err(NO_FILE);
    }
    let of = AckOf::Stored { here };
    wait_for(ctx, AckNeed { of, replicas }, timeout)
}

fn wait_for(ctx: &mut Ctx<'_>, need: AckNeed, timeout: Timeout) -> CmdResult {
    let offset = ctx.session.write_offset;
    let wait = AckWait { offset, need };
    let parked = !ctx.env.has_acks(wait) && ctx.block_for_acks(wait, timeout);
    if parked {
        ctx.env.replication.request_acks();
    } else {
        ctx.env.reply_acks(wait, ctx.reply);
    }
    Ok(())
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;
