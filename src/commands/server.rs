//! The server as a whole: its clock, its snapshots, its end.

use std::fmt::Write as _;

use super::art;
use super::blocking::Block;
use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::host::{Leaving, RewriteRequest, ShutdownOptions};
use super::row::{Acl, Arg, CommandGroup, Flags, Row};
use super::session::Kind;
use crate::base::numbers::parse_i64;
use crate::base::version::REDIS_VERSION;
use crate::resp::args::Args;

const SERVER: Row = Row {
    group: CommandGroup::Server,
    complexity: "O(1)",
    ..Row::BASE
};

/// The rows of this family.
pub static ROWS: &[Row] = &[
    Row {
        name: "time",
        arity: 1,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
        since: "2.6.0",
        summary: "Tells the server's time.",
        tips: &["nondeterministic_output"],
        handler: time,
        ..SERVER
    },
    Row {
        name: "save",
        arity: 1,
        flags: Flags::ADMIN
            .union(Flags::NOSCRIPT)
            .union(Flags::NO_ASYNC_LOADING)
            .union(Flags::NO_MULTI),
        complexity: "O(N), N being the number of keys in all databases",
        summary: "Writes the snapshot file; serves nobody meanwhile.",
        handler: save,
        ..SERVER
    },
    Row {
        name: "bgsave",
        arity: -1,
        flags: Flags::ADMIN
            .union(Flags::NOSCRIPT)
            .union(Flags::NO_ASYNC_LOADING),
        summary: "Writes the snapshot file in a child process.",
        history: &[("3.2.2", "Takes `SCHEDULE`.")],
        args: &[Arg::pure("schedule", "SCHEDULE").since("3.2.2").optional()],
        handler: bgsave,
        ..SERVER
    },
    Row {
        name: "bgrewriteaof",
        arity: 1,
        flags: Flags::ADMIN
            .union(Flags::NOSCRIPT)
            .union(Flags::NO_ASYNC_LOADING),
        summary: "Writes the append-only file anew in a child process, as short as can be.",
        handler: bgrewriteaof,
        ..SERVER
    },
    Row {
        name: "lastsave",
        arity: 1,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
        acl: Acl::ADMIN.union(Acl::DANGEROUS),
        summary: "Tells when the data set was last saved, in seconds since 1970.",
        tips: &["nondeterministic_output"],
        handler: last_save,
        ..SERVER
    },
    Row {
        name: "shutdown",
        arity: -1,
        flags: Flags::ADMIN
            .union(Flags::NOSCRIPT)
            .union(Flags::LOADING)
            .union(Flags::STALE)
            .union(Flags::NO_MULTI)
            .union(Flags::SENTINEL)
            .union(Flags::ALLOW_BUSY),
        complexity: "O(N) with a save, N being the number of keys in all databases, else O(1)",
        summary: "Saves the data set where that is configured, and ends the server.",
        history: &[("7.0.0", "Takes `NOW`, `FORCE` and `ABORT`.")],
        args: &[
            Arg::one_of(
                "save-selector",
                &[Arg::pure("nosave", "NOSAVE"), Arg::pure("save", "SAVE")],
            )
            .optional(),
            Arg::pure("now", "NOW").since("7.0.0").optional(),
            Arg::pure("force", "FORCE").since("7.0.0").optional(),
            Arg::pure("abort", "ABORT").since("7.0.0").optional(),
        ],
        handler: shutdown,
        ..SERVER
    },
    Row {
        name: "lolwut",
        arity: -1,
        flags: Flags::READONLY.union(Flags::FAST),
        since: "5.0.0",
        complexity: "",
        summary: "Shows the version, with a picture if version 5 or 6 is asked for.",
        args: &[Arg::integer("version").token("VERSION").optional()],
        handler: lolwut,
        ..SERVER
    },
];

fn time(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let now = ctx.env.now;
    ctx.reply.array(2);
    ctx.reply.bulk_int(now.unix_s());
    ctx.reply.bulk_int(now.unix_us - now.unix_s() * 1_000_000);
    Ok(())
}

fn save(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.host.save(ctx.env)?;
    ctx.reply.ok();
    Ok(())
}

fn bgsave(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let schedule = match args.get(1) {
        None => false,
        Some(word) if args.len() == 2 && word.eq_ignore_ascii_case(b"schedule") => true,
        Some(_) => return Err(CmdError::Syntax),
    };
    let line = ctx.host.bgsave(ctx.env, schedule)?;
    ctx.reply.simple(line);
    Ok(())
}

fn bgrewriteaof(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let line = match ctx.host.rewrite_aof(ctx.env) {
        RewriteRequest::Started => "Background append only file rewriting started",
        RewriteRequest::Scheduled => "Background append only file rewriting scheduled",
        RewriteRequest::Running => {
            return Err(CmdError::Fixed(
                "ERR Background append only file rewriting already in progress",
            ));
        }
        RewriteRequest::Failed => {
            return Err(CmdError::Fixed(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for \
                 more information.",
            ));
        }
    };
    ctx.reply.simple(line);
    Ok(())
}

fn last_save(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.reply.int(ctx.env.persistence.last_save_unix_s);
    Ok(())
}

/// What the words of `SHUTDOWN` ask for.
#[derive(Debug, PartialEq, Eq)]
enum Shutdown {
    Begin(ShutdownOptions),
    Abort,
}

impl Shutdown {
    fn parse<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Shutdown, CmdError> {
        let mut options = ShutdownOptions::default();
        let mut abort = false;
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"nosave" if options.save != Some(true) => options.save = Some(false),
                b"save" if options.save != Some(false) => options.save = Some(true),
                b"now" => options.now = true,
                b"force" => options.force = true,
                b"abort" => abort = true,
                _ => return Err(CmdError::Syntax),
            }
        }
        match abort {
            false => Ok(Shutdown::Begin(options)),
            true if options == ShutdownOptions::default() => Ok(Shutdown::Abort),
            true => Err(CmdError::Syntax),
        }
    }
}

fn shutdown(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if ctx.session.kind == Kind::Internal {
        return Err(CmdError::Fixed(
            "ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client",
        ));
    }
    match Shutdown::parse(args.iter().skip(1))? {
        Shutdown::Begin(mut options) => {
            if ctx.env.sentinel.is_some() {
                // It has nothing to save.
                options.save = Some(false);
            }
            if let Some(kind) = ctx.env.gates.busy
                && options.save != Some(false)
            {
                // What the script has done so far is half of something.
                return Err(kind.refusal());
            }
            match ctx.host.shutdown(ctx.env, ctx.session.id, options)? {
                Leaving::Now => ctx.session.activity.close_after_replies(),
                Leaving::AfterReplicas => {
                    // Who may not wait is not told how it ends; a refusal is in the log.
                    let _ = ctx.block(Block::until_told(), []);
                }
            }
        }
        Shutdown::Abort => {
            ctx.host.abort_shutdown(ctx.env)?;
            ctx.reply.ok();
        }
    }
    Ok(())
}

fn lolwut(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let mut text = String::new();
    if args.len() >= 3 && args[1].eq_ignore_ascii_case(b"version") {
        let number = |word: &[u8]| parse_i64(word).ok_or(CmdError::NotInteger);
        let numbers = match number(&args[2])? {
            5 => 3,
            6 => 2,
            _ => 0,
        };
        let sizes = args.iter_from(3).take(numbers).map(number);
        let sizes = sizes.collect::<Result<Vec<i64>, CmdError>>()?;
        if numbers > 0 {
            let columns = sizes
                .first()
                .map_or(66, |n| *n.clamp(&1, &art::COLUMNS_MAX));
            let rows = sizes.get(1).map_or(20, |n| *n.clamp(&1, &art::ROWS_MAX));
            text = art::automaton(&mut ctx.env.rng, columns as usize, rows as usize);
        }
    }
    let _ = writeln!(text, "Redis ver. {REDIS_VERSION}");
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
