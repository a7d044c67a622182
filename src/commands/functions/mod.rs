//! Functions: `FCALL` calls what libraries have registered, `FUNCTION` keeps libraries.
//!
//! A library is loaded once and stays: it is part of the data, in snapshots and append-only files
//! and at replicas. Otherwise a function is a script ([`super::scripting`] runs both), but for its
//! arguments, which it is given.

pub mod libraries;
mod metadata;

use std::rc::Rc;

use self::libraries::{ENGINE, Library, Limit, LoadOptions, Taken};
use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::keys::dump::payload_options;
use super::row::{Acl, Arg, CommandGroup, Flags, KeySpec, Row};
use super::scripting::busy::{self, ScriptKind};
use super::scripting::{self, Code, Variant, check_number_of_keys, show_first};
use super::wording::{bad_subcommand, help};
use crate::base::glob::glob_match;
use crate::base::numbers::parse_i64;
use crate::persist::rdb::payload;
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// How long the code of a library may take to register its functions.
const REGISTRATION_NS_MAX: u64 = 500_000_000;

const CALLS: Flags = scripting::RUNS_ANY.union(Flags::RUNS_FUNCTION);

const CALL_ARGS: &[Arg] = &[
    Arg::string("function"),
    Arg::integer("numkeys"),
    Arg::key("key", 0).optional().multiple(),
    Arg::string("arg").optional().multiple(),
];

const FCALL: Row = Row {
    arity: -3,
    acl: Acl::SCRIPTING,
    group: CommandGroup::Scripting,
    since: "7.0.0",
    complexity: "That of the function",
    args: CALL_ARGS,
    ..Row::BASE
};

const FUNCTION: Row = Row {
    flags: Flags::NOSCRIPT,
    acl: Acl::SCRIPTING,
    group: CommandGroup::Scripting,
    since: "7.0.0",
    ..Row::BASE
};

const CHANGES: Row = Row {
    flags: Flags::NOSCRIPT.union(Flags::WRITE),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..FUNCTION
};

/// The rows of this family.
pub static ROWS: &[Row] = &[
    Row {
        name: "fcall",
        flags: CALLS.union(Flags::MAY_REPLICATE),
        keys: &[KeySpec::counted(scripting::WRITES, 2)
            .notes("Only the function knows what it does with them; it may change all.")],
        summary: "Calls a function.",
        handler: fcall,
        ..FCALL
    },
    Row {
        name: "fcall_ro",
        flags: CALLS.union(Flags::READONLY),
        keys: &[KeySpec::counted(scripting::READS, 2)
            .notes("Only the function knows what it does with them; it may read all.")],
        summary: "Calls a function that writes nothing.",
        handler: fcall_ro,
        ..FCALL
    },
    Row {
        name: "function",
        flags: Flags::empty(),
        acl: Acl::empty(),
        complexity: "That of the subcommand",
        summary: "Holds the commands about libraries of functions.",
        subcommands: SUBCOMMANDS,
        ..FUNCTION
    },
];

static SUBCOMMANDS: &[Row] = &[
    Row {
        name: "delete",
        arity: 3,
        complexity: "O(1)",
        summary: "Deletes a library with its functions.",
        args: &[Arg::string("library-name")],
        handler: delete,
        ..CHANGES
    },
    Row {
        name: "dump",
        arity: 2,
        complexity: "O(N), N being the number of functions",
        summary: "Gives all libraries as one payload.",
        handler: dump,
        ..FUNCTION
    },
    Row {
        name: "flush",
        arity: -2,
        complexity: "O(N), N being the number of functions",
        summary: "Deletes all libraries.",
        args: &[Arg::one_of(
            "flush-type",
            &[Arg::pure("async", "ASYNC"), Arg::pure("sync", "SYNC")],
        )
        .optional()],
        handler: flush,
        ..CHANGES
    },
    Row {
        name: "help",
        arity: 2,
        flags: Flags::LOADING.union(Flags::STALE),
        complexity: "O(1)",
        summary: "Tells what subcommands there are.",
        handler: function_help,
        ..FUNCTION
    },
    Row {
        name: "kill",
        arity: 2,
        flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
        complexity: "O(1)",
        summary: "Ends the function that runs.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        handler: kill,
        ..FUNCTION
    },
    Row {
        name: "list",
        arity: -2,
        complexity: "O(N), N being the number of functions",
        summary: "Describes the libraries.",
        tips: &["nondeterministic_output_order"],
        args: &[
            Arg::string("library-name-pattern")
                .token("LIBRARYNAME")
                .optional(),
            Arg::pure("withcode", "WITHCODE").optional(),
        ],
        handler: list,
        ..FUNCTION
    },
    Row {
        name: "load",
        arity: -3,
        flags: Flags::NOSCRIPT.union(Flags::WRITE).union(Flags::DENYOOM),
        complexity: "O(N), N being what the library does when it is loaded",
        summary: "Loads a library.",
        args: &[
            Arg::pure("replace", "REPLACE").optional(),
            Arg::string("function-code"),
        ],
        handler: load,
        ..CHANGES
    },
    Row {
        name: "restore",
        arity: -3,
        flags: Flags::NOSCRIPT.union(Flags::WRITE).union(Flags::DENYOOM),
        complexity: "O(N), N being the number of functions in the payload",
        summary: "Loads the libraries of a payload.",
        args: &[
            Arg::string("serialized-value"),
            Arg::one_of(
                "policy",
                &[
                    Arg::pure("flush", "FLUSH"),
                    Arg::pure("append", "APPEND"),
                    Arg::pure("replace", "REPLACE"),
                ],
            )
            .optional(),
        ],
        handler: restore,
        ..CHANGES
    },
    Row {
        name: "stats",
        arity: 2,
        flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
        complexity: "O(1)",
        summary: "Tells which function runs, and how many there are.",
        tips: &[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ],
        handler: stats,
        ..FUNCTION
    },
];

// ---- Calling ----

fn fcall(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    call(ctx, args, Variant::Any)
}

fn fcall_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    call(ctx, args, Variant::ReadOnly)
}

fn call(ctx: &mut Ctx<'_>, args: &Args<'_>, variant: Variant) -> CmdResult {
    show_first(ctx, args);
    let libraries = &ctx.env.functions;
    let (Some(function), Some(vm)) = (libraries.find(&args[1]), libraries.interpreter()) else {
        return Err(CmdError::err("Function not found"));
    };
    // The function may be deleted or replaced by what it calls.
    let (function, vm) = (Rc::clone(function), Rc::clone(vm));
    let keys = parse_i64(&args[2]).ok_or(CmdError::Fixed("ERR Bad number of keys provided"))?;
    let keys = check_number_of_keys(keys, args)?;
    let code = Code {
        vm: &vm,
        function: &function.code,
        name: &function.name,
        flags: Some(function.flags),
    };
    scripting::run(ctx, args, keys, &code, variant)
}

// ---- Libraries ----

fn load(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let last = args.len() - 1;
    let mut taken = Taken::Refuse;
    for option in args.iter_from(2).take(last - 2) {
        if !option.eq_ignore_ascii_case(b"replace") {
            return Err(CmdError::err([b"Unknown option given: ", option].concat()));
        }
        taken = Taken::Replace;
    }
    let env = &mut *ctx.env;
    let options = LoadOptions {
        taken,
        limit: (!ctx.session.must_be_obeyed()).then(|| Limit {
            clock: env.clock,
            until_ns: env.clock.ns() + REGISTRATION_NS_MAX,
        }),
        seed: env.rng.next_u64(),
    };
    let name = env.functions.load(&args[last], &options);
    let name = name.map_err(CmdError::err)?;
    ctx.changed(1);
    ctx.reply.bulk(name);
    Ok(())
}

fn delete(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if !ctx.env.functions.delete(&args[2]) {
        return Err(CmdError::err("Library not found"));
    }
    ctx.changed(1);
    ctx.reply.ok();
    Ok(())
}

/// The interpreter belongs to this thread, so libraries go at once either way.
fn flush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let is = |word: &[u8]| args[2].eq_ignore_ascii_case(word);
    match args.len() {
        2 => {}
        3 if is(b"sync") || is(b"async") => {}
        3 => {
            let text = "FUNCTION FLUSH only supports SYNC|ASYNC option";
            return Err(CmdError::err(text));
        }
        _ => return Err(bad_subcommand(args)),
    }
    ctx.env.functions.clear();
    ctx.changed(1);
    ctx.reply.ok();
    Ok(())
}

fn dump(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let options = payload_options(ctx.env);
    let payload = payload::dump_libraries(ctx.env.functions.codes(), options);
    ctx.reply.bulk(payload);
    Ok(())
}

fn restore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    if args.len() > 4 {
        return Err(bad_subcommand(args));
    }
    let policy = args.get(3).unwrap_or(b"append").to_ascii_lowercase();
    let taken = match &policy[..] {
        b"append" => Some(Taken::Refuse),
        b"replace" => Some(Taken::Replace),
        b"flush" => None,
        _ => {
            return Err(CmdError::err(
                "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let env = &mut *ctx.env;
    let codes = payload::libraries(&args[2], !env.skip_checksums);
    let codes = codes.map_err(|error| CmdError::err(error.to_string()))?;
    let codes = codes.iter().map(|code| &code[..]);
    let seed = env.rng.next_u64();
    let restored = match taken {
        Some(taken) => env.functions.restore(codes, taken, seed),
        None => env.functions.replace(codes, seed),
    };
    restored.map_err(CmdError::err)?;
    ctx.changed(1);
    ctx.reply.ok();
    Ok(())
}

/// What `FUNCTION LIST` was asked for.
#[derive(Default)]
struct Listing<'a> {
    pattern: Option<&'a [u8]>,
    with_code: bool,
}

impl<'a> Listing<'a> {
    fn parse(args: &'a Args<'_>) -> Result<Listing<'a>, CmdError> {
        let mut listing = Listing::default();
        let mut words = args.iter_from(2);
        while let Some(word) = words.next() {
            if !listing.with_code && word.eq_ignore_ascii_case(b"withcode") {
                listing.with_code = true;
            } else if listing.pattern.is_none() && word.eq_ignore_ascii_case(b"libraryname") {
                let missing = CmdError::Fixed("ERR library name argument was not given");
                listing.pattern = Some(words.next().ok_or(missing)?);
            } else {
                return Err(CmdError::err([b"Unknown argument ", word].concat()));
            }
        }
        Ok(listing)
    }
}

fn list(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let listing = Listing::parse(args)?;
    let reply = &mut *ctx.reply;
    let header = reply.begin_array();
    let mut count = 0;
    for (name, library) in ctx.env.functions.iter() {
        if listing
            .pattern
            .is_some_and(|pattern| !glob_match(pattern, name, true))
        {
            continue;
        }
        count += 1;
        describe(name, library, listing.with_code, reply);
    }
    reply.end(header, count);
    Ok(())
}

fn describe(name: &[u8], library: &Library, with_code: bool, reply: &mut Reply) {
    reply.map(3 + usize::from(with_code));
    reply.bulk("library_name");
    reply.bulk(name);
    reply.bulk("engine");
    reply.bulk(ENGINE);
    reply.bulk("functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        reply.map(3);
        reply.bulk("name");
        reply.bulk(&function.name);
        reply.bulk("description");
        match &function.description {
            Some(description) => reply.bulk(description),
            None => reply.null(),
        }
        reply.bulk("flags");
        reply.set(function.flags.names().count());
        for flag in function.flags.names() {
            reply.simple(flag);
        }
    }
    if with_code {
        reply.bulk("library_code");
        reply.bulk(&library.code);
    }
}

fn stats(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    let env = &*ctx.env;
    let running = env.scripts.busy.as_ref();
    if running.is_some_and(|running| running.kind == ScriptKind::Script) {
        return Err(ScriptKind::Script.refusal());
    }
    let libraries = &env.functions;
    let reply = &mut *ctx.reply;
    reply.map(2);
    reply.bulk("running_script");
    match running {
        None => reply.null(),
        Some(running) => {
            reply.map(3);
            reply.bulk("name");
            reply.bulk(&running.name);
            reply.bulk("command");
            reply.array(running.command.len());
            for word in &running.command {
                reply.bulk(word);
            }
            reply.bulk("duration_ms");
            let spent_ns = env.clock.ns().saturating_sub(running.started_ns);
            reply.int((spent_ns / 1_000_000) as i64);
        }
    }
    reply.bulk("engines");
    reply.map(1);
    reply.bulk(ENGINE);
    reply.map(2);
    reply.bulk("libraries_count");
    reply.int(libraries.count() as i64);
    reply.bulk("functions_count");
    reply.int(libraries.functions_count() as i64);
    Ok(())
}

fn kill(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    busy::kill(ctx.env.scripts.busy.as_mut(), ScriptKind::Function)?;
    ctx.reply.ok();
    Ok(())
}

fn function_help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    help(
        ctx,
        args,
        &[
            "DELETE <library-name>",
            "    Delete a library with its functions.",
            "DUMP",
            "    Give all libraries as one payload, for FUNCTION RESTORE.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all libraries.",
            "KILL",
            "    End the function that runs, unless it has written.",
            "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
            "    Describe the libraries, or those whose names match a pattern: their functions,",
            "    and their code as well if it is asked for.",
            "LOAD [REPLACE] <code>",
            "    Load a library, in the place of one with the same name if need be.",
            "RESTORE <payload> [APPEND|FLUSH|REPLACE]",
            "    Load the libraries of a payload: beside those that are there (the default), in",
            "    their place, or in the place of those with the same names.",
            "STATS",
            "    Tell which function runs, since when and for which command, and how many",
            "    libraries and functions there are.",
        ],
    )
}

#[cfg(test)]
mod tests;
