//! `REPLICAOF`, `FAILOVER` and `ROLE`, and the commands with which replicas and masters speak to
//! each other.
//!
//! Handlers only parse; the replication machines decide, and the server carries out what follows.

use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::row::{Acl, Arg, CommandGroup, Deprecation, Flags, Row};
use super::session::Kind;
use crate::base::numbers::parse_i64;
use crate::config::MasterAddress;
use crate::replication::FailoverRequest;
use crate::replication::info::{ReplicaInfo, RoleInfo};
use crate::resp::args::Args;

const SERVER: Row = Row {
    group: CommandGroup::Server,
    complexity: "O(1)",
    ..Row::BASE
};

const REPLICAOF_ROW: Row = Row {
    name: "replicaof",
    arity: 3,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::STALE)
        .union(Flags::NO_ASYNC_LOADING),
    since: "5.0.0",
    summary: "Makes the server a replica of another, or a master.",
    args: &[Arg::one_of(
        "args",
        &[
            Arg::block("host-port", &[Arg::string("host"), Arg::integer("port")]),
            Arg::block("no-one", &[Arg::pure("no", "NO"), Arg::pure("one", "ONE")]),
        ],
    )],
    handler: replicaof,
    ..SERVER
};

const SYNC_FLAGS: Flags = Flags::ADMIN
    .union(Flags::NOSCRIPT)
    .union(Flags::NO_ASYNC_LOADING)
    .union(Flags::NO_MULTI);

/// The row of `ROLE`. A Sentinel has one that does something else.
pub const ROLE: Row = Row {
    name: "role",
    arity: 1,
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST),
    acl: Acl::ADMIN.union(Acl::DANGEROUS),
    since: "2.8.12",
    summary: "Tells whether the server is a master or a replica, and how far it is.",
    handler: role,
    ..SERVER
};

/// The rows of this family.
pub static ROWS: &[Row] = &[
    REPLICAOF_ROW,
    Row {
        name: "slaveof",
        since: "1.0.0",
        deprecated: Some(Deprecation {
            since: "5.0.0",
            replaced_by: "`REPLICAOF`",
        }),
        ..REPLICAOF_ROW
    },
    Row {
        name: "failover",
        arity: -1,
        flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::STALE),
        since: "6.2.0",
        summary: "Hands the role of master over to a replica, with no write lost.",
        args: &[
            Arg::block(
                "target",
                &[
                    Arg::string("host"),
                    Arg::integer("port"),
                    Arg::pure("force", "FORCE").optional(),
                ],
            )
            .token("TO")
            .optional(),
            Arg::pure("abort", "ABORT").optional(),
            Arg::integer("milliseconds").token("TIMEOUT").optional(),
        ],
        handler: failover,
        ..SERVER
    },
    ROLE,
    Row {
        name: "psync",
        arity: -3,
        flags: SYNC_FLAGS,
        since: "2.8.0",
        complexity: "",
        summary: "Makes the connection a replica's, which continues where it was if possible.",
        args: &[Arg::string("replicationid"), Arg::integer("offset")],
        handler: psync,
        ..SERVER
    },
    Row {
        name: "sync",
        arity: 1,
        flags: SYNC_FLAGS,
        complexity: "",
        summary: "Makes the connection a replica's, which gets a snapshot first.",
        handler: psync,
        ..SERVER
    },
    Row {
        name: "replconf",
        arity: -1,
        flags: Flags::ADMIN
            .union(Flags::NOSCRIPT)
            .union(Flags::LOADING)
            .union(Flags::STALE)
            .union(Flags::ALLOW_BUSY),
        since: "3.0.0",
        summary: "Carries what replicas and masters tell each other besides data.",
        syscmd: true,
        handler: replconf,
        ..SERVER
    },
];

fn replicaof(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (host, port) = (&args[1], &args[2]);
    if ctx.env.replication.is_failing_over() {
        return Err(CmdError::err("REPLICAOF not allowed while failing over."));
    }
    let target = if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        None
    } else {
        if ctx.session.kind == Kind::Replica {
            return Err(CmdError::err(
                "Command is not valid when client is a replica.",
            ));
        }
        let port = parse_i64(port).and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or_else(|| CmdError::err("Invalid master port"))?;
        Some(MasterAddress {
            host: String::from_utf8_lossy(host).into_owned(),
            port,
        })
    };
    let line = ctx.host.replicaof(ctx.env, ctx.session, target)?;
    ctx.reply.simple(line);
    Ok(())
}

fn failover(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if args.len() == 2 && args[1].eq_ignore_ascii_case(b"abort") {
        if !ctx.host.abort_failover(ctx.env) {
            return Err(CmdError::err("No failover in progress."));
        }
    } else {
        let request = parse_failover(args)?;
        ctx.host.failover(ctx.env, request)?;
    }
    ctx.reply.ok();
    Ok(())
}

fn parse_failover<'a>(args: &'a Args<'_>) -> Result<FailoverRequest<'a>, CmdError> {
    let mut request = FailoverRequest::default();
    let mut at = 1;
    while at < args.len() {
        let left = args.len() - at - 1;
        at += match args[at].to_ascii_lowercase().as_slice() {
            b"timeout" if left >= 1 && request.timeout_ms.is_none() => {
                let ms = parse_i64(&args[at + 1]).ok_or(CmdError::NotInteger)?;
                if ms <= 0 {
                    return Err(CmdError::err("FAILOVER timeout must be greater than 0"));
                }
                request.timeout_ms = Some(ms as u64);
                2
            }
            b"to" if left >= 2 && request.to.is_none() => {
                let port = parse_i64(&args[at + 2]).ok_or(CmdError::NotInteger)?;
                request.to = Some((&args[at + 1], port));
                3
            }
            b"force" if !request.force => {
                request.force = true;
                1
            }
            _ => return Err(CmdError::Syntax),
        };
    }
    Ok(request)
}

fn role(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let role = ctx.env.replication.role(ctx.env.now);
    let reply = &mut *ctx.reply;
    match role {
        RoleInfo::Master { offset, replicas } => {
            reply.array(3);
            reply.bulk("master");
            reply.int(offset as i64);
            reply.array(replicas.len());
            for ReplicaInfo {
                ip, port, offset, ..
            } in replicas
            {
                reply.array(3);
                reply.bulk(ip);
                reply.bulk_int(port);
                reply.bulk_int(offset as i64);
            }
        }
        RoleInfo::Replica {
            host,
            port,
            state,
            offset,
        } => {
            reply.array(5);
            reply.bulk("slave");
            reply.bulk(host);
            reply.int(port.into());
            reply.bulk(state);
            reply.int(offset);
        }
    }
    Ok(())
}

fn psync(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.host.psync(ctx.env, ctx.session, ctx.reply, args)
}

fn replconf(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.host.replconf(ctx.env, ctx.session, ctx.reply, args)
}

#[cfg(test)]
#[path = "replication_tests.rs"]
mod tests;
