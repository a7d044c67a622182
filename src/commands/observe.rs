//! A command that somebody looks at has run: it is told to monitors, and entered into the slow log
//! and among the latencies.
//!
//! Words that are secrets ([`RowOf::secrets`](super::row::RowOf::secrets)) are shown to nobody.

use super::activity::Activity;
use super::context::{Command, Ctx};
use super::gates::Loading;
use super::observers::slow_from_ns;
use super::row::Flags;
use super::slowlog::log::SlowCommand;
use crate::base::quoting::quote;
use crate::resp::args::{Args, HEAD_BYTES};

/// What stands in place of a secret.
const REDACTED: &[u8] = b"(redacted)";

/// Words beyond these are only counted in the slow log.
const WORDS_MAX: usize = 32;

/// Shows a command that has run, or has begun to wait, to those who look at it. It took
/// `spent_ns`; one that waited took `total_ns` in all.
#[cold]
pub fn observe(
    ctx: &mut Ctx<'_>,
    command: &Command,
    args: &Args<'_>,
    spent_ns: u64,
    total_ns: u64,
) {
    if ctx.env.is_replaying {
        return;
    }
    let event = match command.flags.contains(Flags::FAST) {
        true => "fast-command",
        false => "command",
    };
    ctx.env.note_latency(event, spent_ns);
    let (waits, again) = match &ctx.session.activity {
        Activity::Parked(parked) => (true, parked.spent_ns > 0),
        activity => (false, activity.resumed().is_some()),
    };
    if !waits {
        note_if_slow(ctx, command, args, total_ns);
    }
    let hidden = Flags::ADMIN.union(Flags::SKIP_MONITOR);
    if !again && !command.flags.intersects(hidden) {
        show_to_monitors(ctx, command, args);
    }
}

/// The word at a place; something else where that is a secret.
fn shown<'a>(command: &Command, args: &'a Args<'_>, at: usize) -> (&'a [u8], usize) {
    match command.row.secrets {
        Some(is_secret) if is_secret(args, at) => (REDACTED, REDACTED.len()),
        _ => args.head(at),
    }
}

/// Enters a command that is done into the slow log, if it took long enough for that.
pub(super) fn note_if_slow(ctx: &mut Ctx<'_>, command: &Command, args: &Args<'_>, spent_ns: u64) {
    let is_slow = spent_ns >= slow_from_ns(ctx.env.config.slowlog_log_slower_than);
    if !is_slow || command.flags.contains(Flags::SKIP_SLOWLOG) {
        return;
    }
    let client = ctx.session.client();
    let slow = SlowCommand {
        unix_s: ctx.env.now.unix_s(),
        spent_us: spent_ns / 1000,
        words: shortened(command, args),
        addr: client.addr.clone(),
        name: client.name.clone(),
    };
    let kept = ctx.env.config.slowlog_max_len;
    ctx.env.observers.slow_log.note(slow, kept);
}

/// The words of a command as the slow log keeps them: not too many, and none too long.
fn shortened(command: &Command, args: &Args<'_>) -> Vec<Box<[u8]>> {
    let fits = args.len() <= WORDS_MAX;
    let whole = if fits { args.len() } else { WORDS_MAX - 1 };
    let mut words: Vec<Box<[u8]>> = Vec::with_capacity(args.len().min(WORDS_MAX));
    for at in 0..whole {
        let (head, len) = shown(command, args, at);
        words.push(match len.saturating_sub(HEAD_BYTES) {
            0 => head.into(),
            more => {
                let note = format!("... ({more} more bytes)");
                [head, note.as_bytes()].concat().into()
            }
        });
    }
    if !fits {
        let note = format!("... ({} more arguments)", args.len() - whole);
        words.push(note.into_bytes().into());
    }
    words
}

/// Sends a command to all monitors.
pub(super) fn show_to_monitors(ctx: &mut Ctx<'_>, command: &Command, args: &Args<'_>) {
    if ctx.env.observers.monitors.is_empty() || ctx.env.gates.loading != Loading::No {
        return;
    }
    let (seconds, micros) = {
        let us = ctx.env.now.unix_us;
        (us.div_euclid(1_000_000), us.rem_euclid(1_000_000))
    };
    let client = ctx.session.client();
    let place = match client {
        client if client.unix_socket => {
            let path = ctx.env.config.unixsocket.as_deref().unwrap_or_default();
            format!("unix:{}", String::from_utf8_lossy(path))
        }
        client if client.addr.is_empty() => "lua".to_owned(),
        client => client.addr.clone(),
    };
    let db = ctx.session.db;
    let mut line = format!("+{seconds}.{micros:06} [{db} {place}]").into_bytes();
    for at in 0..args.len() {
        line.push(b' ');
        match command.row.secrets {
            Some(is_secret) if is_secret(args, at) => quote(REDACTED, &mut line),
            _ => quote(&args[at], &mut line),
        }
    }
    line.extend_from_slice(b"\r\n");
    let monitors = ctx.env.observers.monitors.iter().copied();
    ctx.env.outbox.send_line(&line, monitors);
}
