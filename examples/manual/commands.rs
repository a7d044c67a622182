//! Commands as a page shows them: how each is written, and the sentence that its row has for it.

use tanist::commands::FAMILIES;
use tanist::commands::context::CommandTable;
use tanist::commands::row::{Arg, ArgKind, CommandGroup, Row};
use tanist::commands::table::Mode;

use super::roff::{Roff, bold, escaped};

/// The commands of one kind of server.
pub fn table(mode: Mode) -> CommandTable {
    CommandTable::build(mode, FAMILIES, &[]).expect("the rows make a table")
}

fn joined(args: &[Arg], between: &str) -> String {
    let shown: Vec<String> = args.iter().map(synopsis).collect();
    shown.join(between)
}

/// An argument in the usual notation: `[NX | XX]`, `key [key ...]`.
pub fn synopsis(arg: &Arg) -> String {
    let value = match arg.kind {
        ArgKind::PureToken => String::new(),
        ArgKind::OneOf if arg.optional => joined(arg.args, " | "),
        ArgKind::OneOf => format!("<{}>", joined(arg.args, " | ")),
        ArgKind::Block => joined(arg.args, " "),
        _ if arg.display.is_empty() => arg.name.to_owned(),
        _ => arg.display.to_owned(),
    };
    let with_token = |value: &str| format!("{} {value}", arg.token).trim().to_owned();
    let shown = match (arg.multiple, arg.multiple_token) {
        (false, _) => with_token(&value),
        (true, false) => with_token(&format!("{value} [{value} ...]")),
        (true, true) => format!("{0} [{0} ...]", with_token(&value)),
    };
    if arg.optional {
        format!("[{shown}]")
    } else {
        shown
    }
}

fn write_one(roff: &mut Roff, name: &str, row: &Row) {
    let name = name.replace('|', " ").to_uppercase();
    let arguments = joined(row.args, " ");
    let tag = format!("{} {}", bold(&name), escaped(&arguments));
    roff.tags([tag.trim_end()]);
    roff.fill(row.summary);
    let mut facts = format!("Since Redis {}.", row.since);
    if !row.complexity.is_empty() {
        facts.push_str(&format!(" {}", row.complexity));
        if !facts.ends_with('.') {
            facts.push('.');
        }
    }
    if let Some(deprecated) = row.deprecated {
        let since = deprecated.since;
        facts.push_str(&format!(" Deprecated since {since}."));
    }
    roff.indented_paragraph(&facts);
}

/// Writes the commands of a group, in the order of their names. A command that is nothing without a
/// subcommand has only these.
pub fn write(roff: &mut Roff, mode: Mode, group: CommandGroup) {
    let table = table(mode);
    let mut commands: Vec<_> = table
        .iter_all()
        .filter(|command| command.row.group == group && command.row.subcommands.is_empty())
        .collect();
    commands.sort_by_key(|command| command.full_name);
    for command in commands {
        write_one(roff, command.full_name, command.row);
    }
}

/// The groups of which a kind of server has commands, in the order of the table.
pub fn groups(mode: Mode) -> Vec<CommandGroup> {
    let mut groups = Vec::new();
    for command in table(mode).iter_all() {
        if !groups.contains(&command.row.group) {
            groups.push(command.row.group);
        }
    }
    groups
}
