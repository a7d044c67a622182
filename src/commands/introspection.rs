//! `COMMAND`: what the command table says of itself.
//!
//! Every reply is read off the rows, so a command is described by being in the table; the two
//! shapes of a description are in [`describe`].

mod describe;

use super::acl;
use super::context::{CmdResult, Command, CommandTable, Ctx};
use super::error::CmdError;
use super::keyspec;
use super::row::{Acl, Arg, CommandGroup, Flags, KeyRef, Row};
use super::wording;
use crate::base::glob::glob_match;
use crate::resp::args::{Args, OwnedArgs};
use crate::resp::writer::Aggregate;

const ANY_TIME: Flags = Flags::LOADING.union(Flags::STALE).union(Flags::SENTINEL);

const SUB: Row = Row {
    arity: -2,
    flags: ANY_TIME,
    acl: Acl::CONNECTION,
    group: CommandGroup::Server,
    since: "7.0.0",
    complexity: "O(N), N being the number of commands asked for",
    ..Row::BASE
};

const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
const NAMES: &[Arg] = &[Arg::string("command-name").optional().multiple()];
const WHOLE_COMMAND: &[Arg] = &[
    Arg::string("command"),
    Arg::string("arg").optional().multiple(),
];

/// The rows of this family.
pub static ROWS: &[Row] = &[Row {
    name: "command",
    arity: -1,
    since: "2.8.13",
    complexity: "O(N), N being the number of commands",
    summary: "Describes all commands.",
    tips: ANY_ORDER,
    subcommands: SUBCOMMANDS,
    handler: all,
    ..SUB
}];

const SUBCOMMANDS: &[Row] = &[
    Row {
        name: "count",
        arity: 2,
        since: "2.8.13",
        complexity: "O(1)",
        summary: "Tells how many commands there are.",
        handler: count,
        ..SUB
    },
    Row {
        name: "info",
        since: "2.8.13",
        summary: "Describes some commands, or all.",
        history: &[("7.0.0", "Without names it describes all commands.")],
        tips: ANY_ORDER,
        args: NAMES,
        handler: info,
        ..SUB
    },
    Row {
        name: "docs",
        summary: "Documents some commands, or all.",
        tips: ANY_ORDER,
        args: NAMES,
        handler: docs,
        ..SUB
    },
    Row {
        name: "list",
        complexity: "O(N), N being the number of commands",
        summary: "Lists the names of commands.",
        tips: ANY_ORDER,
        args: &[Arg::one_of(
            "filterby",
            &[
                Arg::string("module-name").token("MODULE"),
                Arg::string("category").token("ACLCAT"),
                Arg::new("pattern", super::row::ArgKind::Pattern).token("PATTERN"),
            ],
        )
        .token("FILTERBY")
        .optional()],
        handler: list,
        ..SUB
    },
    Row {
        name: "getkeys",
        arity: -3,
        since: "2.8.13",
        complexity: "O(N), N being the number of arguments of the command",
        summary: "Finds the keys in a whole command.",
        args: WHOLE_COMMAND,
        handler: get_keys,
        ..SUB
    },
    Row {
        name: "getkeysandflags",
        arity: -3,
        complexity: "O(N), N being the number of arguments of the command",
        summary: "Finds the keys in a whole command and tells what is done with each.",
        args: WHOLE_COMMAND,
        handler: get_keys_and_flags,
        ..SUB
    },
    Row {
        name: "help",
        arity: 2,
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Explains the subcommands.",
        handler: help,
        ..SUB
    },
];

fn all(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let table = ctx.table;
    ctx.reply.array(table.iter().count());
    for command in table.iter() {
        describe::info(ctx.reply, table, command);
    }
    Ok(())
}

fn count(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.reply.int(ctx.table.iter().count() as i64);
    Ok(())
}

fn info(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if args.len() == 2 {
        return all(ctx, args);
    }
    let table = ctx.table;
    ctx.reply.array(args.len() - 2);
    for name in args.iter().skip(2) {
        match table.by_full_name(name) {
            Some(command) => describe::info(ctx.reply, table, command),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

fn docs(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let table = ctx.table;
    if args.len() == 2 {
        ctx.reply.map(table.iter().count());
        table
            .iter()
            .for_each(|command| describe::named_docs(ctx.reply, table, command));
        return Ok(());
    }
    let found = args
        .iter()
        .skip(2)
        .filter_map(|name| table.by_full_name(name));
    let open = ctx.reply.begin(Aggregate::Map);
    let documented = found
        .map(|command| describe::named_docs(ctx.reply, table, command))
        .count();
    ctx.reply.end(open, documented);
    Ok(())
}

/// Which commands `LIST` shows.
enum Filter<'a> {
    Everything,
    /// There are no modules, so none.
    OfModule,
    /// The empty set if nobody knows the category.
    InCategory(Acl),
    Matching(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn parse(args: &'a Args<'_>) -> Result<Filter<'a>, CmdError> {
        if args.len() == 2 {
            return Ok(Filter::Everything);
        }
        if args.len() != 5 || !args[2].eq_ignore_ascii_case(b"filterby") {
            return Err(CmdError::Syntax);
        }
        let (by, value): (&[u8], &'a [u8]) = (&args[3], &args[4]);
        match by {
            _ if by.eq_ignore_ascii_case(b"module") => Ok(Filter::OfModule),
            _ if by.eq_ignore_ascii_case(b"aclcat") => {
                let category = acl::request::category(value);
                Ok(Filter::InCategory(category.unwrap_or_default()))
            }
            _ if by.eq_ignore_ascii_case(b"pattern") => Ok(Filter::Matching(value)),
            _ => Err(CmdError::Syntax),
        }
    }

    fn admits(&self, command: &Command) -> bool {
        match self {
            Filter::Everything => true,
            Filter::OfModule => false,
            Filter::InCategory(category) => command.row.acl_categories().intersects(*category),
            Filter::Matching(pattern) => glob_match(pattern, command.full_name.as_bytes(), true),
        }
    }
}

fn list(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let filter = Filter::parse(args)?;
    let open = ctx.reply.begin_array();
    let mut shown = 0;
    for command in ctx
        .table
        .iter_all()
        .filter(|command| filter.admits(command))
    {
        ctx.reply.bulk(command.full_name);
        shown += 1;
    }
    ctx.reply.end(open, shown);
    Ok(())
}

fn get_keys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let inner = OwnedArgs::new(args.iter_from(2));
    let inner = inner.args();
    let keys = find_keys(ctx.table, &inner)?;
    ctx.reply.array(keys.len());
    for key in keys {
        ctx.reply.bulk(&inner[key.index]);
    }
    Ok(())
}

fn get_keys_and_flags(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let inner = OwnedArgs::new(args.iter_from(2));
    let inner = inner.args();
    let keys = find_keys(ctx.table, &inner)?;
    ctx.reply.array(keys.len());
    for key in keys {
        ctx.reply.array(2);
        ctx.reply.bulk(&inner[key.index]);
        describe::names(ctx.reply, key.flags.names());
    }
    Ok(())
}

/// The keys of a whole command that is only looked at.
fn find_keys(table: &CommandTable, inner: &Args<'_>) -> Result<Vec<KeyRef>, CmdError> {
    let refuse = |text| Err(CmdError::Fixed(text));
    let Some(command) = table.find(inner) else {
        return refuse("ERR Invalid command specified");
    };
    if !keyspec::has_keys(command.row) {
        return refuse("ERR The command has no key arguments");
    }
    if !command.accepts(inner.len()) {
        return refuse("ERR Invalid number of arguments specified for command");
    }
    let mut keys = Vec::new();
    keyspec::keys_of(command.row, inner, &mut keys);
    if !keys.is_empty() || command.flags.contains(Flags::NO_MANDATORY_KEYS) {
        return Ok(keys);
    }
    refuse("ERR Invalid arguments specified for command")
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(ctx, args, HELP)
}

const HELP: &[&str] = &[
    "(no subcommand)",
    "    Describe all commands.",
    "COUNT",
    "    Tell how many commands there are.",
    "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
    "    List the names of all commands, or of some.",
    "INFO [<command-name> ...]",
    "    Describe these commands, or all.",
    "DOCS [<command-name> ...]",
    "    Document these commands, or all.",
    "GETKEYS <full-command>",
    "    Find the keys in a whole command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Find the keys in a whole command and tell what is done with each.",
];

#[cfg(test)]
mod tests;
