//! From arguments to a running handler and back to replicas.
//!
//! [`process`] finds the row, asks the gates in the reference's order and has the command run by
//! [`call`]. It knows no command by name; whatever differs between commands is a flag on their row.
//!
//! A command of a client that has begun a transaction passes the gates and then waits for `EXEC`,
//! which runs it through [`call`], too.

use super::acl::refusal;
use super::call::{call, deliver, reply_error, settle_reply};
use super::context::{CmdResult, Command, Ctx};
use super::env::Env;
use super::error::CmdError;
use super::eviction::Room;
use super::gates::{Loading, PauseMode};
use super::observe::show_to_monitors;
use super::row::Flags;
use super::session::{Kind, Session};
use super::transaction::{self, Scope};
use crate::config::Settings;
use crate::resp::args::Args;
use crate::resp::writer::Protocol;
use crate::sys::crash;

/// What became of a command that a client sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a command that is held back must be kept"]
pub enum Outcome {
    /// It was run, queued for `EXEC`, or refused.
    Done,
    /// A pause holds it back: nothing was done, and it is to come again when the pause has ended.
    HeldBack,
}

/// Runs one command of a client, from lookup to propagation. Exactly one reply is written, unless
/// the client wants none, the connection is to be closed, or a pause holds the command back.
pub fn process(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Outcome {
    let table = ctx.table;
    if let Some(command) = table.find(args) {
        return process_found(ctx, command, args);
    }
    crash::note_command(&"unknown");
    if is_http(&args[0]) {
        refuse_http(ctx);
    } else {
        let error = table.unknown(args);
        reject(ctx, None, args, &error);
    }
    Outcome::Done
}

/// Runs one command that was looked up before, when its keys were prefetched.
#[inline]
pub fn process_found(ctx: &mut Ctx<'_>, command: &'static Command, args: &mut Args<'_>) -> Outcome {
    if ctx.env.is_now_past() {
        let now = ctx.host.now(ctx.env);
        ctx.env.set_now(now);
    }
    ctx.session.last_command = command.full_name;
    crash::note_command(&command.full_name);
    let flags = flags_of(ctx.env, command, args);
    if !command.accepts(args.len()) {
        reject(ctx, Some(command), args, &command.arity_error());
    } else if let Err(error) = admit(ctx, command, args, flags) {
        reject(ctx, Some(command), args, &error);
    } else if let Some(mode) = ctx.env.gates.pause
        && is_held_back(mode, ctx.session, flags)
    {
        return Outcome::HeldBack;
    } else if ctx.session.transaction.is_some() && !command.flags.contains(Flags::NOT_QUEUED) {
        queue(ctx, command, args, flags);
    } else {
        call(ctx, command, args);
    }
    Outcome::Done
}

/// What a command is. One that runs a script or a function is what that says of itself.
#[inline]
fn flags_of(env: &Env, command: &Command, args: &Args<'_>) -> Flags {
    if !command.flags.intersects(Flags::RUNS_CODE) {
        return command.flags;
    }
    match command.flags.contains(Flags::RUNS_FUNCTION) {
        true => env.functions.refine(command.flags, args),
        false => env.scripts.refine(command.flags, args),
    }
}

/// Whether a pause holds back a command that would be run otherwise.
#[cold]
fn is_held_back(mode: PauseMode, session: &Session, flags: Flags) -> bool {
    let held = match mode {
        PauseMode::All => Flags::all(),
        PauseMode::Write => Flags::WRITE.union(Flags::MAY_REPLICATE),
    };
    let may_be_held = matches!(session.kind, Kind::Normal | Kind::Master);
    may_be_held && Scope::of(flags, session).any.intersects(held)
}

/// Keeps a command for the `EXEC` of its transaction.
#[cold]
fn queue(ctx: &mut Ctx<'_>, command: &Command, args: &Args<'_>, flags: Flags) {
    let reply_start = ctx.reply.len();
    transaction::queue(ctx, command, args, flags);
    ctx.env.last_command_end_ns = ctx.env.clock.ns();
    settle_reply(ctx, reply_start);
}

/// Whether the gates let a command pass. The order is the reference's: a client sees the first
/// reason only.
#[inline]
fn admit(ctx: &mut Ctx<'_>, command: &Command, args: &Args<'_>, flags: Flags) -> CmdResult {
    let (env, session) = (&*ctx.env, &*ctx.session);
    if flags.contains(Flags::GUARDED) {
        admit_guarded(&env.config, session, command)?;
    }
    if !session.authenticated && !flags.contains(Flags::NO_AUTH) && session.needs_login(&env.users)
    {
        return Err(CmdError::NoAuth);
    }
    if session.transaction.is_some() && flags.contains(Flags::NO_MULTI) {
        return Err(CmdError::err("Command not allowed inside a transaction"));
    }
    if !session.user.is_unrestricted() {
        refusal::admit(ctx, command, args)?;
    }
    if ctx.env.config.maxmemory > 0 {
        admit_to_memory(ctx, flags)?;
    }
    let (env, session) = (&*ctx.env, &*ctx.session);
    if env.gates.all_open() && session.is_plain() {
        return Ok(());
    }
    admit_past_gates(env, session, command, flags)
}

/// Makes room where there is a limit on memory. Commands that we must obey are run even so: to
/// refuse one would make our data differ from our master's. A transaction may not grow either.
fn admit_to_memory(ctx: &mut Ctx<'_>, flags: Flags) -> CmdResult {
    if ctx.env.is_replaying || ctx.env.gates.busy.is_some() {
        // Nothing may go that is not said to have gone, or in the middle of a script.
        return Ok(());
    }
    let room = ctx.make_room();
    // What is told of a key that went is about what it was before this command.
    deliver(ctx);
    ctx.env.eviction.note_room(room == Room::None);
    if room != Room::None || ctx.session.must_be_obeyed() {
        return Ok(());
    }
    let queued = ctx.session.transaction.is_some() && !flags.contains(Flags::NOT_QUEUED);
    let scope = Scope::of(flags, ctx.session);
    if queued || scope.any.contains(Flags::DENYOOM) {
        return Err(CmdError::OutOfMemory);
    }
    Ok(())
}

/// The gates proper, for when at least one of them is closed or the client is not just any.
#[cold]
fn admit_past_gates(env: &Env, session: &Session, command: &Command, flags: Flags) -> CmdResult {
    let gates = &env.gates;
    let Scope { any, all } = Scope::of(flags, session);
    let obeyed = session.must_be_obeyed();
    let writes = any.contains(Flags::WRITE);
    let denied_on_disk_error = writes || flags.contains(Flags::DENIED_ON_DISK_ERROR);
    if (gates.snapshots_fail || gates.aof_fails) && denied_on_disk_error {
        if !obeyed {
            return Err(match gates.snapshots_fail {
                true => CmdError::SnapshotsFail,
                false => CmdError::AofFails(env.persistence.aof_failure.clone()),
            });
        }
        let goes_on = env.config.replica_ignore_disk_write_errors || !writes;
        assert!(goes_on, "Replica was unable to write command to disk.");
    }
    if gates.replicas_missing && writes && !obeyed {
        return Err(CmdError::NoReplicas);
    }
    if gates.replica && gates.read_only && writes && !obeyed {
        return Err(CmdError::ReadOnly);
    }
    admit_subscriber(session, command)?;
    if gates.stale && !all.contains(Flags::STALE) {
        return Err(CmdError::MasterDown);
    }
    let refused_while_loading = match gates.loading {
        Loading::No => false,
        Loading::Exclusive => !all.contains(Flags::LOADING),
        Loading::Aside => any.contains(Flags::NO_ASYNC_LOADING),
    };
    if refused_while_loading && session.kind != Kind::Internal {
        return Err(CmdError::Loading);
    }
    if let Some(kind) = gates.busy
        && !flags.contains(Flags::ALLOW_BUSY)
    {
        return Err(kind.refusal());
    }
    let touches_keys = any.intersects(
        Flags::WRITE
            .union(Flags::READONLY)
            .union(Flags::MAY_REPLICATE),
    );
    if matches!(session.kind, Kind::Replica | Kind::Monitor) && touches_keys {
        return Err(CmdError::Fixed(
            "ERR Replica can't interact with the keyspace",
        ));
    }
    Ok(())
}

/// A RESP2 client with subscriptions cannot tell replies from messages.
fn admit_subscriber(session: &Session, command: &Command) -> CmdResult {
    let confused = session.subscriptions.is_some() && session.protocol == Protocol::Resp2;
    if !confused || command.flags.contains(Flags::IN_SUBSCRIBED_STATE) {
        return Ok(());
    }
    Err(CmdError::err(format!(
        "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
         allowed in this context",
        command.full_name
    )))
}

/// Whether the command's guard lets this client run it.
#[cold]
fn admit_guarded(settings: &Settings, session: &Session, command: &Command) -> CmdResult {
    let Some(guard) = command.row.guard else {
        return Ok(());
    };
    if (guard.setting)(settings).allows(session.client().is_local) {
        return Ok(());
    }
    Err(CmdError::err(format!(
        "{} command not allowed. If the {} option is set to \"local\", you can run it from a local \
         connection, otherwise you need to set this option in the configuration file, and then \
         restart the server.",
        guard.command, guard.directive
    )))
}

/// Refuses a command before it runs.
#[cold]
fn reject(ctx: &mut Ctx<'_>, command: Option<&Command>, args: &Args<'_>, error: &CmdError) {
    let reply_start = ctx.reply.len();
    let mut text = error.text();
    if let Some(transaction) = &mut ctx.session.transaction {
        transaction.spoil();
    }
    if let Some(command) = command.filter(|c| c.flags.contains(Flags::RUNS_QUEUE)) {
        // Those who saw the transaction begin are to see that it is over.
        show_to_monitors(ctx, command, args);
        transaction::forget(ctx.env, ctx.session);
        let why = b"EXECABORT Transaction discarded because of: ";
        // The plain code is left out of it, the telling ones stay.
        let reason = text.strip_prefix(b"ERR ").unwrap_or(&text);
        text = [&why[..], reason].concat().into();
    }
    reply_error(ctx, &text);
    if let Some(command) = command {
        ctx.env.stats.commands[command.id].rejected += 1;
    }
    ctx.env.last_command_end_ns = ctx.env.clock.ns();
    settle_reply(ctx, reply_start);
    deliver(ctx);
}

/// A browser or a forged request from a web page speaks to us: its first line begins so.
fn is_http(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"host:") || word.eq_ignore_ascii_case(b"post")
}

#[cold]
fn refuse_http(ctx: &mut Ctx<'_>) {
    let text = format!(
        "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: \
         commands to Redis. This is likely due to an attacker attempting to use Cross Protocol \
         Scripting to compromise your Redis instance. Connection from {} aborted.",
        ctx.session.client().addr
    );
    ctx.host.log(log::Level::Error, &text);
    ctx.session.activity.close();
}
