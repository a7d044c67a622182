//! Scripts: `EVAL` and its like run Lua on the server, `SCRIPT` keeps what they run.
//!
//! A script is one command to everybody else: nothing runs in between, and what it changes leaves
//! as one execution unit, as the commands that it called and not as the script itself. So replicas
//! and the append-only file never run one.
//!
//! [`vm`] is the interpreter, which starts with the first script and is shared by all; [`cache`]
//! knows scripts by their hashes; [`api`] and [`libraries`] are what they find there, [`values`]
//! how replies become values and values replies. [`run`] has their commands carried out, and
//! others served while one takes long ([`busy`]).
//!
//! What a script may do is asked of each command that it calls. One that says in its first line
//! what it does ([`shebang`]) is asked once, before it runs: here for what it says, and by the
//! dispatcher, to which the command that runs it is what the script is
//! ([`refine`](cache::Scripts::refine)).

mod api;
pub mod busy;
pub mod cache;
mod given;
pub mod host;
mod libraries;
mod raised;
pub mod registration;
mod run;
pub mod shebang;
mod values;
pub mod vm;

use std::rc::Rc;

use self::busy::ScriptKind;
use self::cache::Script;
use self::host::Caller;
use self::run::{Permissions, Run, Title};
use self::shebang::ScriptFlags;
use self::values::ReplyOf;
use self::vm::{Kept, Vm};
use super::call::reply_error;
use super::context::{CmdResult, Ctx};
use super::error::CmdError;
use super::observe::show_to_monitors;
use super::row::{Acl, Arg, CommandGroup, Flags, KeyFlags, KeySpec, Row};
use super::unit::operations::Audience;
use super::wording::help;
use crate::base::numbers::parse_i64;
use crate::resp::args::Args;

/// What every command is that runs code of users.
pub const RUNS_ANY: Flags = Flags::NOSCRIPT
    .union(Flags::SKIP_MONITOR)
    .union(Flags::NO_MANDATORY_KEYS)
    .union(Flags::STALE);

const RUNS: Flags = RUNS_ANY.union(Flags::RUNS_SCRIPT);

/// What code may do with its keys if nobody says otherwise.
pub const WRITES: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);

/// What code that writes nothing may do with its keys.
pub const READS: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);

const BY_TEXT: &[Arg] = &[
    Arg::string("script"),
    Arg::integer("numkeys"),
    Arg::key("key", 0).optional().multiple(),
    Arg::string("arg").optional().multiple(),
];

const BY_HASH: &[Arg] = &[
    Arg::string("sha1"),
    Arg::integer("numkeys"),
    Arg::key("key", 0).optional().multiple(),
    Arg::string("arg").optional().multiple(),
];

const EVAL: Row = Row {
    arity: -3,
    flags: RUNS.union(Flags::MAY_REPLICATE),
    acl: Acl::SCRIPTING,
    keys: &[KeySpec::counted(WRITES, 2)],
    group: CommandGroup::Scripting,
    since: "2.6.0",
    complexity: "That of the script",
    ..Row::BASE
};

const SCRIPT: Row = Row {
    flags: Flags::NOSCRIPT,
    acl: Acl::SCRIPTING,
    group: CommandGroup::Scripting,
    since: "2.6.0",
    ..Row::BASE
};

/// The rows of this family.
pub static ROWS: &[Row] = &[
    Row {
        name: "eval",
        keys: &[KeySpec::counted(WRITES, 2)
            .notes("Only the script knows what it does with them; it may change all.")],
        summary: "Runs a Lua script.",
        args: BY_TEXT,
        handler: eval,
        ..EVAL
    },
    Row {
        name: "evalsha",
        summary: "Runs a Lua script that the server knows, by its SHA-1 hash.",
        args: BY_HASH,
        handler: evalsha,
        ..EVAL
    },
    Row {
        name: "eval_ro",
        flags: RUNS.union(Flags::READONLY),
        keys: &[KeySpec::counted(READS, 2)
            .notes("Only the script knows what it does with them; it may read all.")],
        since: "7.0.0",
        summary: "Runs a Lua script that writes nothing.",
        args: BY_TEXT,
        handler: eval_ro,
        ..EVAL
    },
    Row {
        name: "evalsha_ro",
        flags: RUNS.union(Flags::READONLY),
        keys: &[KeySpec::counted(READS, 2)],
        since: "7.0.0",
        summary: "Runs a Lua script that writes nothing and that the server knows, by its SHA-1 \
            hash.",
        args: BY_HASH,
        handler: evalsha_ro,
        ..EVAL
    },
    Row {
        name: "script",
        flags: Flags::empty(),
        acl: Acl::empty(),
        complexity: "That of the subcommand",
        summary: "Holds the commands about scripts that the server knows.",
        subcommands: SUBCOMMANDS,
        ..SCRIPT
    },
];

static SUBCOMMANDS: &[Row] = &[
    Row {
        name: "load",
        arity: 3,
        flags: Flags::NOSCRIPT.union(Flags::STALE),
        complexity: "O(N), N being the length of the script",
        summary: "Keeps a script without running it.",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: &[Arg::string("script")],
        handler: script_load,
        ..SCRIPT
    },
    Row {
        name: "exists",
        arity: -3,
        complexity: "O(N), N being the number of hashes",
        summary: "Tells which scripts the server knows.",
        tips: &[
            "request_policy:all_shards",
            "response_policy:agg_logical_and",
        ],
        args: &[Arg::string("sha1").multiple()],
        handler: script_exists,
        ..SCRIPT
    },
    Row {
        name: "flush",
        arity: -2,
        complexity: "O(N), N being the number of scripts",
        summary: "Forgets all scripts.",
        history: &[("6.2.0", "Knows `ASYNC` and `SYNC`.")],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: &[Arg::one_of(
            "flush-type",
            &[Arg::pure("async", "ASYNC"), Arg::pure("sync", "SYNC")],
        )
        .optional()
        .since("6.2.0")],
        handler: script_flush,
        ..SCRIPT
    },
    Row {
        name: "kill",
        arity: 2,
        flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
        complexity: "O(1)",
        summary: "Ends the script that runs, if it has written nothing.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        handler: script_kill,
        ..SCRIPT
    },
    Row {
        name: "debug",
        arity: 3,
        complexity: "O(1)",
        since: "3.2.0",
        summary: "Would choose how scripts are debugged.",
        args: &[Arg::one_of(
            "mode",
            &[
                Arg::pure("yes", "YES"),
                Arg::pure("sync", "SYNC"),
                Arg::pure("no", "NO"),
            ],
        )],
        handler: script_debug,
        ..SCRIPT
    },
    Row {
        name: "help",
        arity: 2,
        flags: Flags::LOADING.union(Flags::STALE),
        complexity: "O(1)",
        since: "5.0.0",
        summary: "Tells what subcommands there are.",
        handler: script_help,
        ..SCRIPT
    },
];

const NO_SCRIPT: CmdError = CmdError::Fixed("NOSCRIPT No matching script. Please use EVAL.");

// ---- Running ----

/// Whether the command that runs a script is one for scripts that write nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// It is not.
    Any,
    /// It is.
    ReadOnly,
}

fn eval(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    run_text(ctx, args, Variant::Any)
}

fn eval_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    run_text(ctx, args, Variant::ReadOnly)
}

fn evalsha(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    run_known(ctx, args, Variant::Any)
}

fn evalsha_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    run_known(ctx, args, Variant::ReadOnly)
}

/// Shows the command to monitors before the script runs: what it calls comes behind it.
pub fn show_first(ctx: &mut Ctx<'_>, args: &Args<'_>) {
    if !ctx.env.observers.monitors.is_empty()
        && let Some(command) = ctx.table.find(args)
    {
        show_to_monitors(ctx, command, args);
    }
}

fn run_text(ctx: &mut Ctx<'_>, args: &Args<'_>, variant: Variant) -> CmdResult {
    show_first(ctx, args);
    let keys = number_of_keys(args)?;
    let script = learn(ctx, &args[1])?;
    run_script(ctx, args, keys, &script, variant)
}

fn run_known(ctx: &mut Ctx<'_>, args: &Args<'_>, variant: Variant) -> CmdResult {
    show_first(ctx, args);
    if args[1].len() != 40 {
        return Err(NO_SCRIPT);
    }
    let keys = number_of_keys(args)?;
    let script = ctx.env.scripts.find(&args[1]).cloned().ok_or(NO_SCRIPT)?;
    run_script(ctx, args, keys, &script, variant)
}

fn number_of_keys(args: &Args<'_>) -> Result<usize, CmdError> {
    let keys = parse_i64(&args[2]).ok_or(CmdError::NotInteger)?;
    check_number_of_keys(keys, args)
}

/// The number of keys that a command announces in its second argument, if it has so many.
///
/// # Errors
///
/// It has not.
pub fn check_number_of_keys(keys: i64, args: &Args<'_>) -> Result<usize, CmdError> {
    if keys > args.len() as i64 - 3 {
        let text = "Number of keys can't be greater than number of args";
        return Err(CmdError::err(text));
    }
    usize::try_from(keys).map_err(|_| CmdError::err("Number of keys can't be negative"))
}

/// The script with this text.
fn learn(ctx: &mut Ctx<'_>, body: &[u8]) -> Result<Rc<Script>, CmdError> {
    let env = &mut *ctx.env;
    let vm = env.scripts.vm(|| env.rng.next_u64())?;
    env.scripts.learn(&vm, body)
}

/// Code that is about to run.
pub struct Code<'a> {
    /// Where it runs.
    pub vm: &'a Vm,
    /// What runs.
    pub function: &'a Kept,
    /// How clients know it.
    pub name: &'a str,
    /// What it says of itself; none if it is to be asked of each of its commands.
    pub flags: Option<ScriptFlags>,
}

impl Code<'_> {
    fn says(&self, flag: ScriptFlags) -> bool {
        self.flags.is_some_and(|flags| flags.contains(flag))
    }
}

fn run_script(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    keys: usize,
    script: &Script,
    variant: Variant,
) -> CmdResult {
    let env = &mut *ctx.env;
    let vm = env.scripts.vm(|| env.rng.next_u64())?;
    let code = Code {
        vm: &vm,
        function: &script.function,
        name: script.name(),
        flags: script.flags,
    };
    run(ctx, args, keys, &code, variant)
}

/// Runs code for a command whose third argument is the first key, and replies with what it returns.
///
/// # Errors
///
/// It may not run.
pub fn run(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    keys: usize,
    code: &Code<'_>,
    variant: Variant,
) -> CmdResult {
    admit(ctx, code, variant)?;
    let permissions = Permissions {
        read_only: variant == Variant::ReadOnly || code.says(ScriptFlags::NO_WRITES),
        allow_oom: code.says(ScriptFlags::ALLOW_OOM),
    };
    let (result, protocol) = ctx.nested(|ctx| {
        let title = Title {
            kind: code.vm.kind(),
            name: code.name,
            command: args,
        };
        let mut run = Run::new(ctx, title, permissions);
        let words = args.iter_from(3);
        let result = code.vm.run(
            code.function,
            code.name,
            words.take(keys),
            args.iter_from(3 + keys),
            &mut Caller(&mut run),
        );
        let protocol = run.protocol();
        drop(run);
        ctx.env.unit.set_audience(Audience::ALL);
        (result, protocol)
    });
    // Errors of the code's commands are theirs.
    ctx.env.stats.note_errors();
    match result {
        Ok(ended) => {
            let mut out = ReplyOf {
                names: code.vm.names(),
                reply: ctx.reply,
                stats: &mut ctx.env.stats,
                protocol,
            };
            out.write_end(code.vm, &ended);
        }
        Err(failure) if failure.counted => {
            ctx.reply.error(failure.text);
            ctx.env.stats.note_failure();
        }
        Err(failure) => reply_error(ctx, &failure.text),
    }
    Ok(())
}

/// Whether a script may run. One that says nothing of itself may; its commands are asked for.
fn admit(ctx: &Ctx<'_>, code: &Code<'_>, variant: Variant) -> CmdResult {
    let (env, gates) = (&*ctx.env, &ctx.env.gates);
    let Some(flags) = code.flags else {
        return match gates.stale {
            true => Err(CmdError::MasterDown),
            false => Ok(()),
        };
    };
    let obeyed = ctx.session.must_be_obeyed();
    if gates.stale && !flags.contains(ScriptFlags::ALLOW_STALE) {
        return Err(CmdError::Fixed(
            "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and \
             'allow-stale' flag is not set on the script.",
        ));
    }
    if !flags.contains(ScriptFlags::NO_WRITES) {
        if gates.replica && gates.read_only && !obeyed {
            return Err(CmdError::Fixed(
                "READONLY Can not run script with write flag on readonly replica",
            ));
        }
        if gates.snapshots_fail && !obeyed {
            return Err(CmdError::Fixed(
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
                 persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read \
                 only scripts.",
            ));
        }
        if gates.aof_fails && !obeyed {
            let text = format!(
                "MISCONF Redis is configured to persist data to AOF, but it's currently unable \
                 to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read \
                 only scripts. AOF error: {}",
                env.persistence.aof_failure
            );
            return Err(CmdError::Text(text.into_bytes()));
        }
        if variant == Variant::ReadOnly {
            let text = "Can not execute a script with write flag using *_ro command.";
            return Err(CmdError::err(text));
        }
        if gates.replicas_missing && !obeyed {
            return Err(CmdError::NoReplicas);
        }
    }
    let grows = ScriptFlags::ALLOW_OOM.union(ScriptFlags::NO_WRITES);
    if !flags.intersects(grows) && env.is_out_of_room() {
        return Err(CmdError::Fixed(
            "OOM allow-oom flag is not set on the script, can not run it when used memory > \
             'maxmemory'",
        ));
    }
    Ok(())
}

// ---- `SCRIPT` ----

fn script_load(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let script = learn(ctx, &args[2])?;
    ctx.reply.bulk(script.name);
    Ok(())
}

fn script_exists(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    ctx.reply.array(args.len() - 2);
    for name in args.iter_from(2) {
        ctx.reply.int(ctx.env.scripts.contains(name).into());
    }
    Ok(())
}

/// The interpreter belongs to this thread, so it goes at once either way.
fn script_flush(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let known = |mode: &[u8]| {
        let modes: [&[u8]; 2] = [b"sync", b"async"];
        modes.iter().any(|known| mode.eq_ignore_ascii_case(known))
    };
    if args.len() > 3 || args.get(2).is_some_and(|mode| !known(mode)) {
        let text = "SCRIPT FLUSH only support SYNC|ASYNC option";
        return Err(CmdError::err(text));
    }
    ctx.env.scripts.flush();
    ctx.reply.ok();
    Ok(())
}

fn script_kill(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CmdResult {
    busy::kill(ctx.env.scripts.busy.as_mut(), ScriptKind::Script)?;
    ctx.reply.ok();
    Ok(())
}

fn script_debug(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    let mode = args[2].to_ascii_lowercase();
    match &mode[..] {
        b"no" => {
            ctx.reply.ok();
            Ok(())
        }
        b"yes" | b"sync" => Err(CmdError::err(
            "This server has no debugger for scripts; run them without SCRIPT DEBUG",
        )),
        _ => Err(CmdError::err("Use SCRIPT DEBUG YES/SYNC/NO")),
    }
}

fn script_help(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CmdResult {
    help(
        ctx,
        args,
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Would set how scripts are debugged; there is no debugger, so only NO is taken.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Tell which of these scripts the server knows.",
            "FLUSH [ASYNC|SYNC]",
            "    Forget all scripts.",
            "KILL",
            "    End the script that runs, if it has written nothing.",
            "LOAD <script>",
            "    Keep a script without running it.",
        ],
    )
}

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests;
