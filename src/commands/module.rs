//! `MODULE`: there are none, and none can be loaded.

use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::row::{Arg, CommandGroup, Flags, Guard, Row};
use super::wording;
use crate::resp::args::Args;

/// What the subcommands have in common that change which modules there are.
const CHANGES: Row = Row {
    arity: -3,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::NO_ASYNC_LOADING),
    guard: Some(Guard {
        command: "MODULE",
        directive: "enable-module-command",
        setting: |settings| settings.enable_module_command,
    }),
    ..MODULE
};

const MODULE: Row = Row {
    arity: 2,
    group: CommandGroup::Server,
    since: "4.0.0",
    complexity: "O(1)",
    ..Row::BASE
};

const NAMED_VALUE: &[Arg] = &[Arg::string("name"), Arg::string("value")];

/// The rows of this family.
pub static ROWS: &[Row] = &[Row {
    name: "module",
    arity: -2,
    complexity: "That of the subcommand",
    summary: "A container for commands about modules.",
    subcommands: &[
        Row {
            name: "help",
            flags: Flags::LOADING.union(Flags::STALE),
            since: "5.0.0",
            summary: "Explains the subcommands.",
            handler: help,
            ..MODULE
        },
        Row {
            name: "list",
            flags: Flags::ADMIN.union(Flags::NOSCRIPT),
            complexity: "O(N), N being the number of modules",
            summary: "Lists the modules that are loaded: none.",
            tips: &["nondeterministic_output_order"],
            handler: list,
            ..MODULE
        },
        Row {
            name: "load",
            summary: "Loads a module, which no file is for this server.",
            args: &[
                Arg::string("path"),
                Arg::string("arg").optional().multiple(),
            ],
            handler: load,
            ..CHANGES
        },
        Row {
            name: "loadex",
            since: "7.0.0",
            summary: "Loads a module with settings, which no file is for this server.",
            args: &[
                Arg::string("path"),
                Arg::block("configs", NAMED_VALUE)
                    .token("CONFIG")
                    .optional()
                    .multiple_token(),
                Arg::string("args").token("ARGS").optional().multiple(),
            ],
            handler: load,
            ..CHANGES
        },
        Row {
            name: "unload",
            arity: 3,
            summary: "Takes a module out again, of which there is none.",
            args: &[Arg::string("name")],
            handler: unload,
            ..CHANGES
        },
    ],
    ..MODULE
}];

fn list(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    ctx.reply.array(0);
    Ok(())
}

fn load(_: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let path = String::from_utf8_lossy(&args[2]);
    log::warn!("Module {path} failed to load: this server takes no modules");
    Err(CmdError::Fixed(
        "ERR Error loading the extension. Please check the server logs.",
    ))
}

fn unload(_: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    Err(CmdError::Fixed(
        "ERR Error unloading module: no such module with that name",
    ))
}

fn help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    wording::help(
        ctx,
        args,
        &[
            "LIST",
            "    List the modules: there are none.",
            "LOAD <path> [<arg> ...]",
            "    Load a module from <path>; refused, since this server takes none.",
            "LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]",
            "    The same with settings for it.",
            "UNLOAD <name>",
            "    Unload a module.",
        ],
    )
}
