//! Running a command that may run, and what follows from it.
//!
//! [`call`] runs the handler and does the bookkeeping around it: statistics, error counts,
//! propagation, messages to subscribers, and what `CLIENT REPLY` wants of the reply. Whether the
//! command may run was asked before ([`super::dispatch`]); who runs commands within a command
//! (`EXEC`) calls it for each of them ([`Ctx::nested`]).

use super::activity::{Activity, Parked};
use super::blocking::acks::AckWait;
use super::context::{Command, Ctx};
use super::error::CmdError;
use super::host::ClientFilter;
use super::observe::{note_if_slow, observe};
use super::session::{Kind, ReplyMode};
use crate::resp::args::Args;
use crate::resp::writer::Reply;
use crate::sentinel::{Answer, Verdict};

/// Runs the handler of an admitted command and does what follows from it.
#[inline]
pub fn call(ctx: &mut Ctx<'_>, command: &'static Command, args: &mut Args<'_>) {
    let reply_start = ctx.reply.len();
    let started = ctx.env.last_command_end_ns;
    ctx.env.stats.note_errors();
    // A command that changes the database selects it for the next one, not for itself.
    let db = ctx.session.db;
    let wanted = ctx.env.wants_changes();
    let offset = ctx.env.replication.offset();
    if wanted | ctx.env.observers.see_all() {
        args.pin();
        ctx.env.observers.speaker = ctx.session.id;
    }
    debug_assert!(ctx.env.unit.is_unmarked(), "every command has ended");

    if let Err(error) = (command.row.handler)(ctx, args) {
        reply_error(ctx, &error.text());
    }

    ctx.env.end_command(db, args, wanted, command.flags);
    if wanted && ctx.env.replication.offset() != offset {
        ctx.session.write_offset = ctx.env.replication.offset();
    }
    let end = ctx.env.clock.ns();
    let mut spent = end.saturating_sub(started);
    ctx.env.last_command_end_ns = end;
    let mut total = spent;
    if let Activity::Resumed(before) = &ctx.session.activity {
        total += before.spent_ns;
    }
    if total >= ctx.env.observers.from_ns {
        observe(ctx, command, args, spent, total);
    }
    match &mut ctx.session.activity {
        Activity::Resumed(_) => spent = total,
        Activity::Parked(parked) => {
            // Nothing is counted before the command is done.
            parked.spent_ns += spent;
            parked.argv.get_or_insert_with(|| args.to_owned());
            return deliver(ctx);
        }
        _ => {}
    }
    count(ctx, command, spent);
    if ctx.env.unit.is_nested() {
        return;
    }
    ctx.env.stats.commands_ns += spent;
    settle_reply(ctx, reply_start);
    deliver(ctx);
}

impl Ctx<'_> {
    /// Runs commands within the one that is running. What they change leaves with the unit that
    /// it began; it is not propagated itself.
    pub fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.env.unit.begin_within();
        let result = run(self);
        self.env.unit.end_within(outer);
        result
    }
}

/// Enters a command that is done into the statistics.
#[inline]
fn count(ctx: &mut Ctx<'_>, command: &Command, spent_ns: u64) {
    if ctx.env.is_replaying {
        // It was counted when somebody asked for it.
        return;
    }
    let stats = &mut ctx.env.stats;
    stats.commands_processed += 1;
    let failed = stats.note_errors();
    let figures = &mut stats.commands[command.id];
    figures.calls += 1;
    figures.failed += u64::from(failed);
    figures.nanoseconds += spent_ns;
    if ctx.env.config.latency_tracking {
        figures.latency.get_or_insert_default().record(spent_ns);
    }
}

/// Hands out what the command had to say to subscribers.
#[inline]
pub(super) fn deliver(ctx: &mut Ctx<'_>) {
    if !ctx.env.outbox.is_empty() {
        ctx.host.deliver(ctx.env, ctx.session, ctx.reply);
    }
}

/// How a command ends that waited and is not run again.
#[derive(Clone, Copy, Debug)]
pub enum WaitEnd<'a> {
    /// Nothing came for it.
    OutOfTime,
    /// It waited for acknowledgements, and gets to know how many there are.
    Acked(AckWait),
    /// Somebody does not let it wait longer.
    Refused(&'a CmdError),
    /// It waited for this.
    Answered(&'a Answer),
}

/// Ends a command that waited and is not run again.
pub fn conclude(ctx: &mut Ctx<'_>, parked: Parked, end: WaitEnd<'_>) {
    let reply_start = ctx.reply.len();
    ctx.env.stats.note_errors();
    match end {
        WaitEnd::OutOfTime => ctx.reply.null_array(),
        WaitEnd::Acked(acks) => ctx.env.reply_acks(acks, ctx.reply),
        WaitEnd::Refused(error) => reply_error(ctx, &error.text()),
        WaitEnd::Answered(answer) => reply_answer(ctx, answer),
    }
    let argv = parked.argv.expect("a parked command has argv");
    if let Some(command) = ctx.table.find(&argv.args()) {
        if parked.spent_ns >= ctx.env.observers.from_ns {
            note_if_slow(ctx, command, &argv.args(), parked.spent_ns);
        }
        count(ctx, command, parked.spent_ns);
    }
    settle_reply(ctx, reply_start);
}

fn reply_answer(ctx: &mut Ctx<'_>, answer: &Answer) {
    match answer {
        Answer::Ok => ctx.reply.ok(),
        Answer::Error(text) => reply_error(ctx, text.as_bytes()),
        Answer::Verdict(verdict) => reply_verdict(ctx.reply, verdict),
    }
}

/// Replies to a peer: whether a master is down, and for whom we have voted in which epoch.
pub(super) fn reply_verdict(reply: &mut Reply, verdict: &Verdict) {
    let (leader, epoch) = match &verdict.vote {
        Some((leader, epoch)) => (leader.as_str(), *epoch),
        None => ("*", 0),
    };
    reply.array(3);
    reply.int(verdict.down.into());
    reply.bulk(leader);
    reply.int(epoch as i64);
}

/// Replies with an error, and counts it.
pub(super) fn reply_error(ctx: &mut Ctx<'_>, text: &[u8]) {
    ctx.reply.error(text);
    ctx.env.stats.count_error(text);
}

/// Decides what becomes of the reply that begins at `reply_start`: `CLIENT REPLY` may not want it,
/// and a replica must not get it.
#[inline]
pub(super) fn settle_reply(ctx: &mut Ctx<'_>, reply_start: usize) {
    if ctx.session.reply_mode != ReplyMode::On {
        withhold_reply(ctx, reply_start);
    }
    if ctx.session.kind == Kind::Replica && ctx.reply.len() > reply_start {
        refuse_to_reply(ctx, reply_start);
    }
}

/// A reply would stand in the middle of the stream that a replica reads, so one that asks for it
/// has to go.
#[cold]
fn refuse_to_reply(ctx: &mut Ctx<'_>, reply_start: usize) {
    let command = ctx.session.last_command;
    let reply = &ctx.reply.as_bytes()[reply_start..];
    if let Some(error) = reply.strip_prefix(b"-") {
        let error = String::from_utf8_lossy(error.trim_ascii_end());
        let text = format!(
            "== CRITICAL == This master is sending an error to its replica: '{error}' after \
             processing the command '{command}'"
        );
        ctx.host.log(log::Level::Warn, &text);
        ctx.env.stats.unexpected_error_replies += 1;
    }
    ctx.reply.truncate(reply_start);
    let this = ClientFilter {
        ids: Some(vec![ctx.session.id]),
        ..ClientFilter::default()
    };
    let client = ctx.host.describe_clients(ctx.env, ctx.session, &this);
    let client = String::from_utf8_lossy(client.trim_ascii_end());
    let text =
        format!("Replica generated a reply to command '{command}', disconnecting it: {client}");
    ctx.host.log(log::Level::Warn, &text);
    ctx.session.activity.close();
}

#[cold]
fn withhold_reply(ctx: &mut Ctx<'_>, reply_start: usize) {
    match ctx.session.reply_mode {
        ReplyMode::On => {}
        ReplyMode::Off => ctx.reply.truncate(reply_start),
        ReplyMode::SkipThis => {
            ctx.reply.truncate(reply_start);
            ctx.session.reply_mode = ReplyMode::SkipNext;
        }
        ReplyMode::SkipNext => {
            ctx.reply.truncate(reply_start);
            ctx.session.reply_mode = ReplyMode::On;
        }
    }
}
