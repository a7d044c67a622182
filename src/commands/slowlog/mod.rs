//! `SLOWLOG`: which commands took long. What enters them is [`super::observe`].

pub mod log;

use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::row::{Arg, CommandGroup, Flags, Row};
use super::wording;
use crate::base::numbers::parse_i64;
use crate::resp::args::Args;

const SUB: Row = Row {
    arity: 2,
    flags: Flags::ADMIN.union(Flags::LOADING).union(Flags::STALE),
    group: CommandGroup::Server,
    since: "2.2.12",
    complexity: "O(1)",
    ..Row::BASE
};

/// The rows of this family.
pub static ROWS: &[Row] = &[Row {
    name: "slowlog",
    arity: -2,
    flags: Flags::empty(),
    complexity: "That of the subcommand",
    summary: "Holds the commands about commands that took long.",
    subcommands: SUBCOMMANDS,
    ..SUB
}];

const SUBCOMMANDS: &[Row] = &[
    Row {
        name: "get",
        arity: -2,
        complexity: "O(N), N being the number of commands shown",
        summary: "Shows the commands that took long, the latest first.",
        history: &[(
            "4.0.0",
            "Shows the address and the name of the client as well.",
        )],
        tips: &["request_policy:all_nodes", "nondeterministic_output"],
        args: &[Arg::integer("count").optional()],
        handler: get,
        ..SUB
    },
    Row {
        name: "help",
        flags: Flags::LOADING.union(Flags::STALE),
        since: "6.2.0",
        summary: "Explains the subcommands.",
        handler: help,
        ..SUB
    },
    Row {
        name: "len",
        summary: "Counts the commands that took long.",
        tips: &[
            "request_policy:all_nodes",
            "response_policy:agg_sum",
            "nondeterministic_output",
        ],
        handler: len,
        ..SUB
    },
    Row {
        name: "reset",
        complexity: "O(N), N being the number of commands forgotten",
        summary: "Forgets the commands that took long.",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        handler: reset,
        ..SUB
    },
];

/// How many are shown where nothing is said.
const SHOWN: usize = 10;

fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let wanted = match args.get(2) {
        Some(_) if args.len() > 3 => return Err(wording::bad_subcommand(args)),
        None => SHOWN,
        Some(word) => match parse_i64(word) {
            Some(-1) => usize::MAX,
            Some(count) if count >= 0 => count as usize,
            _ => {
                return Err(CmdError::err("count should be greater than or equal to -1"));
            }
        },
    };
    let log = &ctx.env.observers.slow_log;
    let count = wanted.min(log.len());
    ctx.reply.array(count);
    for (number, command) in log.iter().take(count) {
        ctx.reply.array(6);
        ctx.reply.int(*number as i64);
        ctx.reply.int(command.unix_s);
        ctx.reply.int(command.spent_us as i64);
        ctx.reply.array(command.words.len());
        for word in &command.words {
            ctx.reply.bulk(word);
        }
        ctx.reply.bulk(&command.addr);
        ctx.reply.bulk(&command.name);
    }
    Ok(())
}

fn len(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.reply.int(ctx.env.observers.slow_log.len() as i64);
    Ok(())
}

fn reset(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.env.observers.slow_log.clear();
    ctx.reply.ok();
    Ok(())
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(ctx, args, HELP)
}

const HELP: &[&str] = &[
    "GET [<count>]",
    "    Show the latest commands that took long (default: 10, -1 means all), each with",
    "    its number, when it ran, microseconds, arguments, address and name of its client.",
    "LEN",
    "    Count the commands that took long.",
    "RESET",
    "    Forget the commands that took long.",
];

#[cfg(test)]
mod tests;
