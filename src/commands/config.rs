//! `CONFIG`: the directives, read and set while the server runs.
//!
//! What a directive accepts and what its change requires is the table's business
//! ([`crate::config`]); here are only the words of the commands.

use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::gates::Loading;
use super::row::{Arg, CommandGroup, Flags, Row};
use super::wording;
use crate::base::errno::os_text;
use crate::config::{self, Extent, SetContext, Traits};
use crate::resp::args::Args;

const SUB: Row = Row {
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE),
    group: CommandGroup::Server,
    since: "2.0.0",
    complexity: "O(N), N being the number of directives given",
    ..Row::BASE
};

const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// The refusal to rewrite what does not exist.
pub(super) const NO_CONFIG_FILE: CmdError =
    CmdError::Fixed("ERR The server is running without a config file");

/// The rows of this family.
pub static ROWS: &[Row] = &[Row {
    name: "config",
    flags: Flags::empty(),
    complexity: "That of the subcommand",
    summary: "Holds the commands about the configuration.",
    subcommands: SUBCOMMANDS,
    ..SUB
}];

const SUBCOMMANDS: &[Row] = &[
    Row {
        name: "get",
        arity: -3,
        summary: "Shows directives and their values.",
        history: &[("7.0.0", "Takes several names or patterns.")],
        args: &[Arg::string("parameter").multiple()],
        handler: get,
        ..SUB
    },
    Row {
        name: "set",
        arity: -4,
        summary: "Changes directives while the server runs.",
        history: &[("7.0.0", "Takes several directives.")],
        tips: EVERYWHERE,
        secrets: Some(is_secret),
        args: &[Arg::block("data", &[Arg::string("parameter"), Arg::string("value")]).multiple()],
        handler: set,
        ..SUB
    },
    Row {
        name: "rewrite",
        arity: 2,
        since: "2.8.0",
        complexity: "O(1)",
        summary: "Writes the values in force into the configuration file.",
        tips: EVERYWHERE,
        handler: rewrite,
        ..SUB
    },
    Row {
        name: "resetstat",
        arity: 2,
        complexity: "O(1)",
        summary: "Sets the counters of INFO to zero.",
        tips: EVERYWHERE,
        handler: reset_stat,
        ..SUB
    },
    Row {
        name: "help",
        arity: 2,
        flags: Flags::LOADING.union(Flags::STALE),
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Explains the subcommands.",
        handler: help,
        ..SUB
    },
];

fn get(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let patterns: Vec<&[u8]> = args.iter_from(2).collect();
    let found = config::get(&ctx.env.config, &patterns);
    ctx.reply.map(found.len());
    for (name, value) in found {
        ctx.reply.bulk(name);
        ctx.reply.bulk(value);
    }
    Ok(())
}

/// Whether a word of `CONFIG SET` is the value of a directive that holds a secret.
fn is_secret(args: &Args<'_>, at: usize) -> bool {
    let is_value = at > 2 && at % 2 == 1;
    is_value && config::Row::find(&args[at - 1]).is_some_and(|row| row.is(Traits::SENSITIVE))
}

fn set(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if args.len() % 2 == 1 {
        return Err(CmdError::Syntax);
    }
    let words: Vec<&[u8]> = args.iter_from(2).collect();
    let pairs: Vec<(&[u8], &[u8])> = words.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    set_directives(ctx, &pairs)?;
    ctx.reply.ok();
    Ok(())
}

/// Sets directives, all of them or none.
pub(super) fn set_directives(ctx: &mut Ctx<'_>, pairs: &[(&[u8], &[u8])]) -> CmdResult {
    let set_context = SetContext {
        loading: ctx.env.gates.loading != Loading::No,
        client_is_local: ctx.session.client().is_local,
    };
    let refusal = |error: config::SetError| CmdError::Text(error.reply());
    let change = config::plan(&ctx.env.config, pairs, set_context).map_err(refusal)?;
    let settings = change
        .carry_out(|hook, settings| ctx.host.apply_config(ctx.env, hook, settings))
        .map_err(refusal)?;
    ctx.env.config = settings;
    ctx.host.config_changed(ctx.env);
    ctx.env.renew_observers();
    Ok(())
}

fn rewrite(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let Some(path) = &ctx.env.config_file else {
        return Err(NO_CONFIG_FILE);
    };
    let users = ctx.env.users.lines();
    if let Err(error) = config::rewrite_file(path, &ctx.env.config, &users, Extent::Changed) {
        log::warn!("CONFIG REWRITE failed: {}", os_text(&error));
        return Err(CmdError::err(format!(
            "Rewriting config file: {}",
            os_text(&error)
        )));
    }
    log::info!("CONFIG REWRITE executed with success.");
    ctx.reply.ok();
    Ok(())
}

fn reset_stat(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.env.stats.reset();
    ctx.env.replication.source_mut().reset_stats();
    ctx.env.persistence.saves = 0;
    ctx.host.reset_rates();
    ctx.reply.ok();
    Ok(())
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(ctx, args, HELP)
}

const HELP: &[&str] = &[
    "GET <pattern> [<pattern> ...]",
    "    Show the directives whose names match, with their values.",
    "SET <directive> <value> [<directive> <value> ...]",
    "    Change directives, all of them or none.",
    "RESETSTAT",
    "    Set the counters of INFO to zero.",
    "REWRITE",
    "    Write the values in force into the configuration file.",
];

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
