//! `DEBUG`: what tests need and nobody else should use.
//!
//! The subcommands are no rows of the command table, since the reference shows none of them; they
//! have a table of their own here, which `HELP` reads as well.

pub mod digest;
mod inspect;
mod protocol;
mod refused;

use super::config::NO_CONFIG_FILE;
use super::context::{CmdResult, Ctx, Handler};
use super::error::CmdError;
use super::host::{DebugRequest, PeakReset};
use super::operand::positive;
use super::row::{CommandGroup, Flags, Guard, Row};
use super::wording;
use crate::base::errno::os_text;
use crate::base::memsize;
use crate::base::numbers::{parse_f64, parse_i64};
use crate::config::{self, Extent};
use crate::data::list::ListLimits;
use crate::keyspace::NewValue;
use crate::resp::args::{Args, encode_command};

/// The rows of this family.
pub static ROWS: &[Row] = &[Row {
    name: "debug",
    arity: -2,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE),
    guard: Some(Guard {
        command: "DEBUG",
        directive: "enable-debug-command",
        setting: |settings| settings.enable_debug_command,
    }),
    group: CommandGroup::Server,
    complexity: "That of the subcommand",
    summary: "Holds the commands for tests of the server.",
    syscmd: true,
    handler: debug,
    ..Row::BASE
}];

/// A subcommand.
struct Tool {
    name: &'static str,
    /// The words it takes behind its name, at least and at most.
    words: (usize, usize),
    /// What `HELP` says: the arguments, then a line of explanation.
    help: (&'static str, &'static str),
    run: Handler,
}

const ANY: usize = usize::MAX;

/// The refusal of what could not be done; why stands in the log.
pub const NOT_RESTARTED: CmdError =
    CmdError::Fixed("ERR failed to restart the server. Check server logs.");

const TOOLS: &[Tool] = &[
    Tool {
        name: "aof-flush-sleep",
        words: (1, 1),
        help: (
            " <microsec>",
            "Let each write of the append-only file take so much longer.",
        ),
        run: aof_flush_sleep,
    },
    Tool {
        name: "assert",
        words: (0, ANY),
        help: ("", "Crash by a failed assertion."),
        run: |ctx, _| ctx.host.debug(ctx.env, DebugRequest::Assert),
    },
    Tool {
        name: "change-repl-id",
        words: (0, 0),
        help: (
            "",
            "Begin a new replication history, so that replicas need a full sync.",
        ),
        run: change_replication_id,
    },
    Tool {
        name: "client-eviction",
        words: (0, 0),
        help: (
            "",
            "Show how many clients may be closed to save memory, by size.",
        ),
        run: inspect::client_sizes,
    },
    Tool {
        name: "config-rewrite-force-all",
        words: (0, 0),
        help: (
            "",
            "Write the configuration file with a line for every directive.",
        ),
        run: rewrite_config,
    },
    Tool {
        name: "crash-and-recover",
        words: (0, ANY),
        help: (
            " [<milliseconds>]",
            "Crash, and start again after a delay (default 0).",
        ),
        run: crash_and_recover,
    },
    Tool {
        name: "digest",
        words: (0, 0),
        help: ("", "Show a fingerprint of all databases."),
        run: digest_all,
    },
    Tool {
        name: "digest-value",
        words: (0, ANY),
        help: (
            " <key> [<key> ...]",
            "Show a fingerprint of each key's value.",
        ),
        run: digest_values,
    },
    Tool {
        name: "error",
        words: (1, 1),
        help: (" <string>", "Reply with an error of this text."),
        run: error,
    },
    Tool {
        name: "htstats",
        words: (1, ANY),
        help: (" <dbid> [full]", "Describe the hash tables of a database."),
        run: inspect::table_stats,
    },
    Tool {
        name: "htstats-key",
        words: (1, ANY),
        help: (" <key> [full]", "Describe the hash table of a value."),
        run: inspect::table_stats_of_key,
    },
    Tool {
        name: "leak",
        words: (1, 1),
        help: (" <string>", "Lose the memory of a copy of this text."),
        run: leak,
    },
    Tool {
        name: "log",
        words: (1, 1),
        help: (" <message>", "Write a line to the log."),
        run: log_line,
    },
    Tool {
        name: "mallctl",
        words: (1, 1),
        help: (" <name>", "Show one of the allocator's numbers."),
        run: inspect::allocator_number,
    },
    Tool {
        name: "object",
        words: (1, 1),
        help: (" <key>", "Describe how a value is stored."),
        run: inspect::object,
    },
    Tool {
        name: "oom",
        words: (0, ANY),
        help: ("", "Crash by asking for more memory than there is."),
        run: |ctx, _| ctx.host.debug(ctx.env, DebugRequest::OutOfMemory),
    },
    Tool {
        name: "panic",
        words: (0, ANY),
        help: ("", "Crash by a panic."),
        run: |ctx, _| ctx.host.debug(ctx.env, DebugRequest::Panic),
    },
    Tool {
        name: "pause-cron",
        words: (1, 1),
        help: (" <0|1>", "Stop periodic work, or go on with it."),
        run: |ctx, args| switch(ctx, args, 2, DebugRequest::PauseCron),
    },
    Tool {
        name: "populate",
        words: (1, 3),
        help: (
            " <count> [<prefix>] [<size>]",
            "Add string keys <prefix>:<number> (default key:<number>); replicas are not told.",
        ),
        run: populate,
    },
    Tool {
        name: "protocol",
        words: (1, 1),
        help: (
            " <type>",
            "Reply with a sample of a type of reply; a wrong name lists them.",
        ),
        run: protocol::sample,
    },
    Tool {
        name: "loadaof",
        words: (0, 0),
        help: (
            "",
            "Write what the append-only file has still to be given, and load the data set anew \
             from that file.",
        ),
        run: loadaof,
    },
    Tool {
        name: "quicklist-packed-threshold",
        words: (1, 1),
        help: (
            " <size>",
            "Give elements of lists from this size on a node alone; 0 restores the default.",
        ),
        run: quicklist_packed_threshold,
    },
    Tool {
        name: "reload",
        words: (0, ANY),
        help: (
            " [MERGE] [NOFLUSH] [NOSAVE]",
            "Save and load again; keep old keys, do not empty first, do not save first.",
        ),
        run: reload,
    },
    Tool {
        name: "replicate",
        words: (1, ANY),
        help: (
            " <word> [<word> ...]",
            "Send replicas a command that is not run here.",
        ),
        run: replicate,
    },
    Tool {
        name: "replybuffer",
        words: (2, 2),
        help: (
            " (PEAK-RESET-TIME (NEVER|RESET|<milliseconds>)|RESIZING <0|1>)",
            "Say when a client's reply buffer forgets how large it had to be, and whether it fits.",
        ),
        run: reply_buffer,
    },
    Tool {
        name: "restart",
        words: (0, ANY),
        help: (
            " [<milliseconds>]",
            "Save all, and start again after a delay (default 0).",
        ),
        run: restart,
    },
    Tool {
        name: "sdslen",
        words: (1, 1),
        help: (
            " <key>",
            "Show what a key and its text take; what is embedded in the key's entry has no \
             memory of its own.",
        ),
        run: inspect::text_sizes,
    },
    Tool {
        name: "segfault",
        words: (0, ANY),
        help: ("", "Crash by a bad memory access."),
        run: |ctx, _| ctx.host.debug(ctx.env, DebugRequest::Segfault),
    },
    Tool {
        name: "set-active-expire",
        words: (1, 1),
        help: (
            " <0|1>",
            "Let keys expire only when they are looked up, or also by themselves.",
        ),
        run: |ctx, args| switch(ctx, args, 2, DebugRequest::ActiveExpire),
    },
    Tool {
        name: "set-disable-deny-scripts",
        words: (1, 1),
        help: (
            " <0|1>",
            "Refuse scripts what is not meant for them, or let them call nearly all.",
        ),
        run: let_scripts_call_all,
    },
    Tool {
        name: "set-skip-checksum-validation",
        words: (1, 1),
        help: (
            " <0|1>",
            "Compare checksums of snapshots and payloads, or take them as right.",
        ),
        run: skip_checksums,
    },
    Tool {
        name: "sleep",
        words: (1, 1),
        help: (
            " <seconds>",
            "Stop the server for a while; fractions are allowed.",
        ),
        run: sleep,
    },
];

fn debug(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let name = &args[1];
    if name.eq_ignore_ascii_case(b"help") && args.len() == 2 {
        return help(ctx, args);
    }
    let words = args.len() - 2;
    let tool = TOOLS.iter().find(|tool| {
        name.eq_ignore_ascii_case(tool.name.as_bytes())
            && (tool.words.0..=tool.words.1).contains(&words)
    });
    match tool {
        Some(tool) => (tool.run)(ctx, args),
        None => Err(refused::refusal(args)),
    }
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let lines: Vec<String> = TOOLS
        .iter()
        .flat_map(|tool| {
            let (arguments, explanation) = tool.help;
            [
                format!("{}{arguments}", tool.name.to_ascii_uppercase()),
                format!("    {explanation}"),
            ]
        })
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    wording::help(ctx, args, &lines)
}

/// Whether a word switches on: it does so as any number but zero.
fn is_on(word: &[u8]) -> bool {
    parse_i64(word).is_some_and(|number| number != 0)
}

/// Asks the server for something that the word at `index` switches on or off.
fn switch(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    index: usize,
    request: fn(bool) -> DebugRequest,
) -> CmdResult {
    ctx.host.debug(ctx.env, request(is_on(&args[index])))?;
    ctx.reply.ok();
    Ok(())
}

fn change_replication_id(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    log::info!("Changing replication IDs after receiving DEBUG change-repl-id");
    ctx.env.replication.begin_history();
    ctx.reply.ok();
    Ok(())
}

fn rewrite_config(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let Some(path) = &ctx.env.config_file else {
        return Err(NO_CONFIG_FILE);
    };
    let users = ctx.env.users.lines();
    config::rewrite_file(path, &ctx.env.config, &users, Extent::Everything).map_err(|error| {
        let reason = os_text(&error);
        CmdError::err(format!("CONFIG-REWRITE-FORCE-ALL failed: {reason}"))
    })?;
    ctx.reply.ok();
    Ok(())
}

fn digest_all(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let digest = digest::data_set(&ctx.env.keyspace);
    ctx.reply.simple(digest.to_string());
    Ok(())
}

fn digest_values(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.reply.array(args.len() - 2);
    for key in args.iter_from(2) {
        let mut one = digest::Digest::default();
        // A key whose time has come is still there for this command.
        if let Some(entry) = ctx.env.keyspace.db(ctx.session.db).get(key) {
            digest::value(entry, &mut one);
        }
        ctx.reply.simple(one.to_string());
    }
    Ok(())
}

fn error(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    // Not an error of ours: it is replied, but not counted.
    ctx.reply.error(&args[2]);
    Ok(())
}

fn leak(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    std::mem::forget(args[2].to_vec());
    ctx.reply.ok();
    Ok(())
}

fn log_line(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    log::warn!("DEBUG LOG: {}", String::from_utf8_lossy(&args[2]));
    ctx.reply.ok();
    Ok(())
}

fn populate(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let count = positive(&args[2])?;
    let prefix = args.get(3).unwrap_or(b"key");
    let size = args.get(4).map(positive).transpose()?.unwrap_or(0);
    ctx.db().reserve(count, 0);
    for number in 0..count {
        let key = [prefix, format!(":{number}").as_bytes()].concat();
        if ctx.db().contains(&key) {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        ctx.db().set(&key, NewValue::Owned(value), None);
    }
    ctx.reply.ok();
    Ok(())
}

fn reload(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (mut save, mut flush, mut merge) = (true, true, false);
    for option in args.iter_from(2) {
        match option.to_ascii_lowercase().as_slice() {
            b"merge" => merge = true,
            b"noflush" => flush = false,
            b"nosave" => save = false,
            _ => {
                return Err(CmdError::err(
                    "DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    ctx.host
        .debug(ctx.env, DebugRequest::Reload { save, flush, merge })?;
    ctx.reply.ok();
    Ok(())
}

fn loadaof(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.host.debug(ctx.env, DebugRequest::LoadAof)?;
    ctx.reply.ok();
    Ok(())
}

fn aof_flush_sleep(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let us = parse_i64(&args[2]).ok_or(CmdError::NotInteger)?;
    let us = u64::try_from(us).unwrap_or(0);
    ctx.host.debug(ctx.env, DebugRequest::AofFlushSleep(us))?;
    ctx.reply.ok();
    Ok(())
}

/// The most that a node of a list can be told to take, just below what its size field can hold.
const PLAIN_FROM_BYTES_MAX: u64 = (1 << 32) - (1 << 20);

fn quicklist_packed_threshold(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let bytes = memsize::parse(&args[2]).filter(|bytes| *bytes <= PLAIN_FROM_BYTES_MAX);
    ctx.env.list_plain_from_bytes = match bytes {
        None => {
            return Err(CmdError::Fixed(
                "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
            ));
        }
        Some(0) => ListLimits::PLAIN_FROM_BYTES,
        Some(bytes) => bytes as usize,
    };
    ctx.reply.ok();
    Ok(())
}

fn replicate(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let words: Vec<&[u8]> = args.iter_from(2).collect();
    let mut command = Vec::new();
    encode_command(&words, &mut command);
    // A word of our own to replicas: it belongs to no unit and to no database.
    ctx.env.replication.feed(None, &command);
    ctx.reply.ok();
    Ok(())
}

fn reply_buffer(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let (what, value) = (&args[2], &args[3]);
    if what.eq_ignore_ascii_case(b"resizing") {
        return switch(ctx, args, 3, DebugRequest::ReplyBufferResizing);
    }
    if !what.eq_ignore_ascii_case(b"peak-reset-time") {
        return Err(wording::bad_subcommand(args));
    }
    let time = match value.to_ascii_lowercase().as_slice() {
        b"never" => PeakReset::Never,
        b"reset" => PeakReset::Default,
        _ => match parse_i64(value).ok_or(CmdError::NotInteger)? {
            ms @ 0.. => PeakReset::AfterMs(ms as u64),
            _ => PeakReset::Never,
        },
    };
    ctx.host
        .debug(ctx.env, DebugRequest::ReplyBufferPeakReset(time))?;
    ctx.reply.ok();
    Ok(())
}

fn restart(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    start_again(ctx, args, true)
}

fn crash_and_recover(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    start_again(ctx, args, false)
}

fn skip_checksums(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.env.skip_checksums = is_on(&args[2]);
    ctx.reply.ok();
    Ok(())
}

fn let_scripts_call_all(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.env.scripts.may_call_all = is_on(&args[2]);
    ctx.reply.ok();
    Ok(())
}

fn start_again(ctx: &mut Ctx<'_>, args: &Args<'_>, graceful: bool) -> CmdResult {
    let delay_ms = match args.get(2) {
        None => 0,
        Some(word) => parse_i64(word).ok_or(CmdError::NotInteger)?.max(0) as u64,
    };
    ctx.host
        .debug(ctx.env, DebugRequest::Restart { graceful, delay_ms })?;
    // Coming back means that nothing was restarted.
    Err(NOT_RESTARTED)
}

fn sleep(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let seconds = parse_f64(&args[2]).unwrap_or(0.0).max(0.0);
    ctx.host
        .debug(ctx.env, DebugRequest::Sleep((seconds * 1e6) as u64))?;
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests;
