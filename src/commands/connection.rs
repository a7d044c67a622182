//! The connection itself: greeting, authentication ([`login`]), liveness, and `CLIENT`
//! ([`client`]).
//!
//! All of it changes the session, or asks the host about other connections; no key is touched.

mod client;
mod filter;
mod login;
mod track;

use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::monitor;
use super::pubsub;
use super::row::{Acl, Arg, CommandGroup, Deprecation, Flags, Row};
use super::session::Kind;
use super::transaction;
use super::wording;
use crate::base::numbers::parse_i64;
use crate::base::version::REDIS_VERSION;
use crate::resp::args::Args;
use crate::resp::writer::Protocol;

/// Before authentication, and whatever the state of the data set.
const ALWAYS: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::NO_AUTH)
    .union(Flags::ALLOW_BUSY);

const CONNECTION: Row = Row {
    acl: Acl::CONNECTION,
    group: CommandGroup::Connection,
    complexity: "O(1)",
    ..Row::BASE
};

/// The rows of this family.
pub static ROWS: &[Row] = &[
    Row {
        name: "ping",
        arity: -1,
        flags: Flags::FAST
            .union(Flags::SENTINEL)
            .union(Flags::IN_SUBSCRIBED_STATE)
            .union(Flags::DENIED_ON_DISK_ERROR),
        summary: "Asks the server for a sign of life.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        args: &[Arg::string("message").optional()],
        handler: ping,
        ..CONNECTION
    },
    Row {
        name: "echo",
        arity: 2,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
        summary: "Sends a string back.",
        args: &[Arg::string("message")],
        handler: echo,
        ..CONNECTION
    },
    Row {
        name: "quit",
        arity: -1,
        flags: ALWAYS
            .union(Flags::IN_SUBSCRIBED_STATE)
            .union(Flags::NOT_QUEUED),
        summary: "Ends the connection.",
        deprecated: Some(Deprecation {
            since: "7.2.0",
            replaced_by: "just closing the connection",
        }),
        handler: quit,
        ..CONNECTION
    },
    Row {
        name: "reset",
        arity: 1,
        flags: ALWAYS
            .union(Flags::IN_SUBSCRIBED_STATE)
            .union(Flags::NOT_QUEUED),
        since: "6.2.0",
        summary: "Puts the connection back into its first state.",
        handler: reset,
        ..CONNECTION
    },
    Row {
        name: "hello",
        arity: -1,
        flags: ALWAYS.union(Flags::SENTINEL),
        since: "6.0.0",
        summary: "Greets the server: chooses the protocol, authenticates, names the connection.",
        history: &[(
            "6.2.0",
            "Without arguments it leaves the protocol alone and only describes the connection.",
        )],
        args: &[Arg::block(
            "arguments",
            &[
                Arg::integer("protover"),
                Arg::block("auth", &[Arg::string("username"), Arg::string("password")])
                    .token("AUTH")
                    .optional(),
                Arg::string("clientname").token("SETNAME").optional(),
            ],
        )
        .optional()],
        secrets: Some(login::is_secret_of_hello),
        handler: hello,
        ..CONNECTION
    },
    Row {
        name: "auth",
        arity: -2,
        flags: ALWAYS.union(Flags::SENTINEL),
        complexity: "O(N), N being the number of the user's passwords",
        summary: "Proves who is at the other end of the connection.",
        history: &[("6.0.0", "Takes a user name in front of the password.")],
        args: &[
            Arg::string("username").since("6.0.0").optional(),
            Arg::string("password"),
        ],
        secrets: Some(|_, at| at > 0),
        handler: login::auth,
        ..CONNECTION
    },
    client::CLIENT,
];

fn ping(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if args.len() > 2 {
        return Err(CmdError::Arity("ping".into()));
    }
    let listens = ctx.session.subscriptions.is_some();
    if listens && ctx.session.protocol == Protocol::Resp2 {
        // Such a client takes everything for a message, so this looks like one.
        ctx.reply.array(2);
        ctx.reply.bulk("pong");
        ctx.reply.bulk(args.get(1).unwrap_or_default());
        return Ok(());
    }
    match args.get(1) {
        None => ctx.reply.simple("PONG"),
        Some(message) => ctx.reply.bulk(message),
    }
    Ok(())
}

fn echo(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.reply.bulk(&args[1]);
    Ok(())
}

fn quit(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.reply.ok();
    ctx.session.activity.close_after_replies();
    Ok(())
}

fn reset(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    monitor::forget(ctx.env, ctx.session);
    ctx.env.stop_tracking(ctx.session.id);
    if ctx.session.kind != Kind::Normal {
        return Err(CmdError::err("can only reset normal client connections"));
    }
    transaction::forget(ctx.env, ctx.session);
    pubsub::forget(ctx.env, ctx.session);
    ctx.session.reset(&ctx.env.users);
    ctx.reply.protocol = ctx.session.protocol;
    ctx.reply.simple("RESET");
    Ok(())
}

/// What `HELLO` was asked to do.
#[derive(Default)]
struct Greeting<'a> {
    protocol: Option<Protocol>,
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Greeting<'a> {
    fn parse(args: &'a Args<'_>) -> Result<Greeting<'a>, CmdError> {
        let mut greeting = Greeting::default();
        if let Some(version) = args.get(1) {
            greeting.protocol = match parse_i64(version) {
                Some(2) => Some(Protocol::Resp2),
                Some(3) => Some(Protocol::Resp3),
                Some(_) => return Err(CmdError::Fixed("NOPROTO unsupported protocol version")),
                None => {
                    return Err(CmdError::err(
                        "Protocol version is not an integer or out of range",
                    ));
                }
            };
        }
        let mut at = 2;
        while at < args.len() {
            let option = &args[at];
            let left = args.len() - 1 - at;
            if option.eq_ignore_ascii_case(b"auth") && left >= 2 {
                greeting.credentials = Some((&args[at + 1], &args[at + 2]));
                at += 3;
            } else if option.eq_ignore_ascii_case(b"setname") && left >= 1 {
                client::check_name(&args[at + 1])?;
                greeting.name = Some(&args[at + 1]);
                at += 2;
            } else {
                return Err(wording::quoting(
                    "Syntax error in HELLO option '",
                    option,
                    "'",
                ));
            }
        }
        Ok(greeting)
    }
}

fn hello(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let greeting = Greeting::parse(args)?;
    if let Some((user, password)) = greeting.credentials {
        login::authenticate(ctx, &args[0], user, password)?;
    }
    if !ctx.session.authenticated {
        return Err(CmdError::Fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = greeting.name {
        client::name_it(ctx, name);
    }
    if let Some(protocol) = greeting.protocol {
        ctx.session.protocol = protocol;
        ctx.reply.protocol = protocol;
    }
    describe_connection(ctx);
    Ok(())
}

/// The map that answers `HELLO`.
fn describe_connection(ctx: &mut Ctx<'_>) {
    let version = match ctx.session.protocol {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    };
    let role = match (&ctx.env.sentinel, ctx.env.gates.replica) {
        (Some(_), _) => None,
        (None, true) => Some("replica"),
        (None, false) => Some("master"),
    };
    let mode = match role {
        Some(_) => "standalone",
        None => "sentinel",
    };
    let reply = &mut *ctx.reply;
    reply.map(6 + usize::from(role.is_some()));
    reply.bulk("server");
    reply.bulk("redis");
    reply.bulk("version");
    reply.bulk(REDIS_VERSION);
    reply.bulk("proto");
    reply.int(version);
    reply.bulk("id");
    reply.int(ctx.session.id as i64);
    reply.bulk("mode");
    reply.bulk(mode);
    if let Some(role) = role {
        reply.bulk("role");
        reply.bulk(role);
    }
    reply.bulk("modules");
    reply.array(0);
}

#[cfg(test)]
mod tests;
