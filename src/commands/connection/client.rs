//! `CLIENT`: what a client may know and change of its own connection, and of others.

use super::super::blocking::Timeout;
use super::super::context::{CmdResult, Ctx};
use super::super::error::CmdError;
use super::super::gates::PauseMode;
use super::super::host::ClientFilter;
use super::super::row::{Acl, Arg, CommandGroup, Flags, Row};
use super::super::session::ReplyMode;
use super::super::wording;
use super::{filter, track};
use crate::base::numbers::parse_i64;
use crate::resp::args::Args;

const ANY_TIME: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::SENTINEL);

const SUB: Row = Row {
    flags: ANY_TIME,
    acl: Acl::CONNECTION,
    group: CommandGroup::Connection,
    complexity: "O(1)",
    ..Row::BASE
};

const ADMIN_SUB: Row = Row {
    flags: ANY_TIME.union(Flags::ADMIN),
    ..SUB
};

const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const ON_OR_OFF: &[Arg] = &[Arg::one_of(
    "enabled",
    &[Arg::pure("on", "ON"), Arg::pure("off", "OFF")],
)];

/// The row of `CLIENT`.
pub const CLIENT: Row = Row {
    name: "client",
    arity: -2,
    flags: Flags::SENTINEL,
    group: CommandGroup::Connection,
    since: "2.4.0",
    complexity: "That of the subcommand",
    summary: "Holds the commands about client connections.",
    subcommands: SUBCOMMANDS,
    ..Row::BASE
};

const SUBCOMMANDS: &[Row] = &[
    Row {
        name: "id",
        arity: 2,
        since: "5.0.0",
        summary: "Tells the number of this connection.",
        handler: id,
        ..SUB
    },
    Row {
        name: "info",
        arity: 2,
        since: "6.2.0",
        summary: "Describes this connection.",
        tips: &["nondeterministic_output"],
        handler: info,
        ..SUB
    },
    Row {
        name: "list",
        arity: -2,
        since: "2.4.0",
        complexity: "O(N), N being the number of connections",
        summary: "Describes the open connections.",
        history: &[
            ("2.8.12", "Shows the number of each connection as `id`."),
            ("5.0.0", "Takes `TYPE` to show one kind of client only."),
            ("6.0.0", "Shows `user`."),
            (
                "6.2.0",
                "Shows `argv-mem`, `tot-mem`, `laddr` and `redir`; takes `ID`.",
            ),
            ("7.0.0", "Shows `resp`, `multi-mem`, `rbs` and `rbp`."),
            ("7.0.3", "Shows `ssub`."),
        ],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::one_of(
                "client-type",
                &[
                    Arg::pure("normal", "NORMAL"),
                    Arg::pure("master", "MASTER"),
                    Arg::pure("replica", "REPLICA"),
                    Arg::pure("pubsub", "PUBSUB"),
                ],
            )
            .token("TYPE")
            .since("5.0.0")
            .optional(),
            Arg::integer("client-id")
                .token("ID")
                .since("6.2.0")
                .optional()
                .multiple(),
        ],
        handler: list,
        ..ADMIN_SUB
    },
    Row {
        name: "kill",
        arity: -3,
        since: "2.4.0",
        complexity: "O(N), N being the number of connections",
        summary: "Closes connections.",
        history: &[
            ("2.8.12", "Takes conditions as option and value."),
            ("2.8.12", "`ID` is one of them."),
            ("3.2.0", "`TYPE` may be `master`."),
            (
                "5.0.0",
                "`TYPE` may be `replica`; `slave` goes on meaning the same.",
            ),
            ("6.2.0", "`LADDR` is one of them."),
        ],
        args: filter::KILL_ARGS,
        handler: kill,
        ..ADMIN_SUB
    },
    Row {
        name: "setname",
        arity: 3,
        since: "2.6.9",
        summary: "Names this connection.",
        tips: EVERYWHERE,
        args: &[Arg::string("connection-name")],
        handler: set_name,
        ..SUB
    },
    Row {
        name: "getname",
        arity: 2,
        since: "2.6.9",
        summary: "Tells the name of this connection.",
        handler: get_name,
        ..SUB
    },
    Row {
        name: "setinfo",
        arity: 4,
        since: "7.2.0",
        summary: "Notes the client library of this connection.",
        tips: EVERYWHERE,
        args: &[Arg::one_of(
            "attr",
            &[
                Arg::string("libname").token("LIB-NAME"),
                Arg::string("libver").token("LIB-VER"),
            ],
        )],
        handler: set_info,
        ..SUB
    },
    Row {
        name: "reply",
        arity: 3,
        since: "3.2.0",
        summary: "Says which replies this connection wants.",
        args: &[Arg::one_of(
            "action",
            &[
                Arg::pure("on", "ON"),
                Arg::pure("off", "OFF"),
                Arg::pure("skip", "SKIP"),
            ],
        )],
        handler: reply,
        ..SUB
    },
    Row {
        name: "tracking",
        arity: -3,
        since: "6.0.0",
        complexity: "O(1), and O(N) for N prefixes",
        summary: "Has this connection told when keys change that it has read, or not.",
        args: track::TRACKING_ARGS,
        handler: track::tracking,
        ..SUB
    },
    Row {
        name: "caching",
        arity: 3,
        since: "6.0.0",
        summary: "Says whether the keys of the next command are tracked.",
        args: &[Arg::one_of(
            "mode",
            &[Arg::pure("yes", "YES"), Arg::pure("no", "NO")],
        )],
        handler: track::caching,
        ..SUB
    },
    Row {
        name: "no-evict",
        arity: 3,
        since: "7.0.0",
        summary: "Keeps this connection from being closed to save memory, or not.",
        args: ON_OR_OFF,
        handler: no_evict,
        ..ADMIN_SUB
    },
    Row {
        name: "no-touch",
        arity: 3,
        flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
        since: "7.2.0",
        summary: "Keeps this connection's commands from counting as use of keys, or not.",
        args: ON_OR_OFF,
        handler: no_touch,
        ..SUB
    },
    Row {
        name: "pause",
        arity: -3,
        since: "3.0.0",
        summary: "Holds commands back for a while.",
        history: &[("6.2.0", "Takes a mode; `WRITE` lets reads pass.")],
        args: &[
            Arg::integer("timeout"),
            Arg::one_of(
                "mode",
                &[Arg::pure("write", "WRITE"), Arg::pure("all", "ALL")],
            )
            .since("6.2.0")
            .optional(),
        ],
        handler: pause,
        ..ADMIN_SUB
    },
    Row {
        name: "unpause",
        arity: 2,
        since: "6.2.0",
        complexity: "O(N), N being the number of connections held back",
        summary: "Lets commands pass again.",
        handler: unpause,
        ..ADMIN_SUB
    },
    Row {
        name: "unblock",
        arity: -3,
        since: "5.0.0",
        complexity: "O(log N), N being the number of connections",
        summary: "Wakes another connection from a blocking command.",
        args: &[
            Arg::integer("client-id"),
            Arg::one_of(
                "unblock-type",
                &[Arg::pure("timeout", "TIMEOUT"), Arg::pure("error", "ERROR")],
            )
            .optional(),
        ],
        handler: unblock,
        ..ADMIN_SUB
    },
    Row {
        name: "getredir",
        arity: 2,
        since: "6.0.0",
        summary: "Tells where this connection's invalidation messages go.",
        handler: track::get_redir,
        ..SUB
    },
    Row {
        name: "trackinginfo",
        arity: 2,
        since: "6.2.0",
        summary: "Describes how keys are tracked for this connection.",
        handler: track::tracking_info,
        ..SUB
    },
    Row {
        name: "help",
        arity: 2,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::SENTINEL),
        since: "5.0.0",
        summary: "Explains the subcommands.",
        handler: help,
        ..SUB
    },
];

fn id(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.reply.int(ctx.session.id as i64);
    Ok(())
}

fn info(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let filter = ClientFilter {
        ids: Some(vec![ctx.session.id]),
        ..ClientFilter::default()
    };
    describe(ctx, &filter);
    Ok(())
}

fn describe(ctx: &mut Ctx<'_>, filter: &ClientFilter) {
    let lines = ctx.host.describe_clients(ctx.env, ctx.session, filter);
    ctx.reply.verbatim("txt", &lines);
}

fn list(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let filter = filter::for_list(args)?;
    describe(ctx, &filter);
    Ok(())
}

fn kill(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if args.len() == 3 {
        // The form of old names one connection, which may be the client's own.
        let filter = ClientFilter {
            addr: Some(args[2].to_vec()),
            ..ClientFilter::default()
        };
        if ctx.host.kill_clients(ctx.env, ctx.session, &filter) == 0 {
            return Err(CmdError::err("No such client"));
        }
        ctx.reply.ok();
        return Ok(());
    }
    let filter = filter::for_kill(args, &ctx.env.users)?;
    let killed = ctx.host.kill_clients(ctx.env, ctx.session, &filter);
    ctx.reply.int(killed as i64);
    Ok(())
}

/// Whether text can stand in a line of `CLIENT LIST`, whose fields are parted by blanks.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

/// Whether a connection may be called so; the empty name takes its name away.
pub(super) fn check_name(name: &[u8]) -> CmdResult {
    if is_plain(name) {
        return Ok(());
    }
    Err(CmdError::Fixed(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

fn set_name(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    check_name(&args[2])?;
    name_it(ctx, &args[2]);
    ctx.reply.ok();
    Ok(())
}

/// Gives the connection a name that was checked. Where there is none, there is nothing to name.
pub(super) fn name_it(ctx: &mut Ctx<'_>, name: &[u8]) {
    if let Some(client) = ctx.session.client_mut() {
        client.name = name.to_vec();
    }
}

fn get_name(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    match ctx.session.client().name.as_slice() {
        [] => ctx.reply.null(),
        name => ctx.reply.bulk(name),
    }
    Ok(())
}

fn set_info(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (attribute, value) = (&args[2], &args[3]);
    let is_name = attribute.eq_ignore_ascii_case(b"lib-name");
    if !is_name && !attribute.eq_ignore_ascii_case(b"lib-ver") {
        return Err(wording::quoting("Unrecognized option '", attribute, "'"));
    }
    if !is_plain(value) {
        let rule = " cannot contain spaces, newlines or special characters.";
        return Err(wording::quoting("", attribute, rule));
    }
    if let Some(client) = ctx.session.client_mut() {
        let field = match is_name {
            true => &mut client.lib_name,
            false => &mut client.lib_version,
        };
        *field = value.to_vec();
    }
    ctx.reply.ok();
    Ok(())
}

fn reply(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let mode = &mut ctx.session.reply_mode;
    match &args[2] {
        word if word.eq_ignore_ascii_case(b"on") => {
            *mode = ReplyMode::On;
            ctx.reply.ok();
        }
        word if word.eq_ignore_ascii_case(b"off") => *mode = ReplyMode::Off,
        word if word.eq_ignore_ascii_case(b"skip") => {
            if *mode != ReplyMode::Off {
                *mode = ReplyMode::SkipThis;
            }
        }
        _ => return Err(CmdError::Syntax),
    }
    Ok(())
}

fn parse_on_or_off(word: &[u8]) -> Result<bool, CmdError> {
    match word {
        _ if word.eq_ignore_ascii_case(b"on") => Ok(true),
        _ if word.eq_ignore_ascii_case(b"off") => Ok(false),
        _ => Err(CmdError::Syntax),
    }
}

fn no_evict(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let no_evict = parse_on_or_off(&args[2])?;
    if let Some(client) = ctx.session.client_mut() {
        client.no_evict = no_evict;
    }
    ctx.reply.ok();
    Ok(())
}

fn no_touch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.session.no_touch = parse_on_or_off(&args[2])?;
    ctx.reply.ok();
    Ok(())
}

fn pause(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if args.len() > 4 {
        return Err(wording::bad_subcommand(args));
    }
    let mode = match args.get(3) {
        None => PauseMode::All,
        Some(word) if word.eq_ignore_ascii_case(b"all") => PauseMode::All,
        Some(word) if word.eq_ignore_ascii_case(b"write") => PauseMode::Write,
        Some(_) => return Err(CmdError::err("CLIENT PAUSE mode must be WRITE or ALL")),
    };
    // Unlike where clients wait for keys, 0 is no time at all here.
    let timeout_ms = match Timeout::parse_ms(&args[2], ctx.now_ms())? {
        Timeout::Never => 0,
        Timeout::AfterMs(ms) => ms,
    };
    let until_mono_ms = ctx.env.now.mono_ms().saturating_add(timeout_ms);
    ctx.host.pause(ctx.env, mode, until_mono_ms);
    ctx.reply.ok();
    Ok(())
}

fn unpause(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.host.unpause(ctx.env);
    ctx.reply.ok();
    Ok(())
}

const UNBLOCKED: CmdError = CmdError::Fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK");

fn unblock(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let refusal = match args.get(3) {
        Some(_) if args.len() > 4 => return Err(wording::bad_subcommand(args)),
        None => None,
        Some(word) if word.eq_ignore_ascii_case(b"timeout") => None,
        Some(word) if word.eq_ignore_ascii_case(b"error") => Some(UNBLOCKED),
        Some(_) => {
            return Err(CmdError::err(
                "CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
    };
    let id = parse_i64(&args[2]).ok_or(CmdError::NotInteger)?;
    let woken = ctx.host.unblock(ctx.env, id as u64, refusal.as_ref());
    ctx.reply.int(i64::from(woken));
    Ok(())
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(ctx, args, HELP)
}

const HELP: &[&str] = &[
    "CACHING (YES|NO)",
    "    Track the keys of the next command, or do not.",
    "GETREDIR",
    "    Tell the connection to which invalidation messages go.",
    "GETNAME",
    "    Tell the name of this connection.",
    "ID",
    "    Tell the number of this connection.",
    "INFO",
    "    Describe this connection.",
    "KILL <ip:port>",
    "    Close the connection that comes from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close the connections that meet every condition:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      They come from this address.",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      They came in at this address of ours.",
    "    * ID <client-id>",
    "      This is their number.",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      They are of this kind.",
    "    * USER <username>",
    "      They authenticated as this user.",
    "    * SKIPME (YES|NO)",
    "      This connection is spared (the default), or not.",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)|ID <client-id> [<client-id> ...]]",
    "    Describe all connections, those of a kind, or those with these numbers.",
    "UNPAUSE",
    "    Let commands pass again.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Hold back writes, or everything, for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Send all replies, none, or all but that of the next command.",
    "SETNAME <name>",
    "    Name this connection.",
    "SETINFO <option> <value>",
    "    Note the client library of this connection:",
    "    * LIB-NAME: its name.",
    "    * LIB-VER: its version.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Wake a connection from a blocking command.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Tell this connection when keys change that it has read, or do not.",
    "TRACKINGINFO",
    "    Describe how keys are tracked for this connection.",
    "NO-EVICT (ON|OFF)",
    "    Keep this connection from being closed to save memory, or not.",
    "NO-TOUCH (ON|OFF)",
    "    Keep this connection's commands from counting as use of keys, or not.",
];
