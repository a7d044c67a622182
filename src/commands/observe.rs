//! A command that somebody looks at has run: it is told to monitors, and entered into the slow log
//! and among the latencies. What else takes long is noted by [`Env::measure`].
//!
//! Words that are secrets ([`RowOf::secrets`](super::row::RowOf::secrets)) are shown to nobody.

use super::activity::Activity;
use super::context::{Command, Ctx};
use super::env::Env;
use super::gates::Loading;
use super::row::Flags;
use super::slowlog::log::SlowCommand;
use super::tracking;
use crate::base::quoting::quote;
use crate::resp::args::{Args, HEAD_BYTES};

/// What stands in place of a secret.
const REDACTED: &[u8] = b"(redacted)";

/// Words beyond these are only counted in the slow log.
const WORDS_MAX: usize = 32;

impl Env {
    /// Looks again at what commands are observed; to be called when the settings have changed, or
    /// an observer has come or gone.
    pub fn renew_observers(&mut self) {
        let all = !self.observers.monitors.is_empty() || !self.tracking.is_off();
        let slow_ns = slow_from_ns(self.config.slowlog_log_slower_than);
        let spike_ns = spike_from_ns(self.config.latency_monitor_threshold);
        self.observers.from_ns = if all { 0 } else { slow_ns.min(spike_ns) };
        let kept = self.config.slowlog_max_len;
        self.observers.slow_log.shorten(kept);
    }

    /// Client `id` is to see every command from now on.
    pub fn add_monitor(&mut self, id: u64) {
        self.observers.monitors.push(id);
        self.renew_observers();
    }

    /// It is to see no more.
    pub fn remove_monitor(&mut self, id: u64) {
        self.observers.monitors.retain(|monitor| *monitor != id);
        self.renew_observers();
    }

    /// Whether the time that something takes is of interest. Nobody measures else.
    #[inline]
    pub fn monitors_latency(&self) -> bool {
        self.config.latency_monitor_threshold > 0
    }

    /// Does something; the time that it takes is noted if that is long.
    pub fn measure<T>(&mut self, event: &'static str, act: impl FnOnce(&mut Env) -> T) -> T {
        if !self.monitors_latency() {
            return act(self);
        }
        let start_ns = self.clock.ns();
        let result = act(self);
        let spent_ns = self.clock.ns().saturating_sub(start_ns);
        self.note_latency(event, spent_ns);
        result
    }

    /// Something took so long, which is noted if that was long.
    pub fn note_latency(&mut self, event: &'static str, spent_ns: u64) {
        if spent_ns >= spike_from_ns(self.config.latency_monitor_threshold) {
            let now_s = self.now.unix_s();
            self.observers
                .latency
                .note(event, now_s, spent_ns / NS_IN_MS);
        }
    }
}

const NS_IN_MS: u64 = 1_000_000;

/// From which run time on a command is slow; a negative setting says never.
fn slow_from_ns(slower_than_us: i64) -> u64 {
    (slower_than_us as u64).saturating_mul(1000)
}

/// From which run time on something is a spike; a setting of 0 says never.
fn spike_from_ns(threshold_ms: u64) -> u64 {
    match threshold_ms {
        0 => u64::MAX,
        ms => ms.saturating_mul(NS_IN_MS),
    }
}

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
    if !ctx.env.unit.is_nested() {
        ctx.env.observers.speaker = 0;
    }
    if !ctx.env.tracking.is_off() {
        tracking::after_command(ctx, command, args);
    }
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

#[cfg(test)]
mod tests {
    use super::super::testing::Rig;

    #[test]
    fn the_lowest_threshold_holds_and_those_who_see_all_lower_it_to_nothing() {
        let mut rig = Rig::new();
        assert_eq!(rig.env.observers.from_ns, 10_000_000);
        rig.env.config.latency_monitor_threshold = 2;
        rig.env.renew_observers();
        assert_eq!(rig.env.observers.from_ns, 2_000_000);
        rig.env.config.slowlog_log_slower_than = -1;
        rig.env.renew_observers();
        assert_eq!(rig.env.observers.from_ns, 2_000_000);
        rig.env.config.latency_monitor_threshold = 0;
        rig.env.renew_observers();
        assert_eq!(rig.env.observers.from_ns, u64::MAX);
        rig.env.add_monitor(7);
        assert!(rig.env.observers.see_all());
        rig.env.remove_monitor(7);
        assert_eq!(rig.env.observers.from_ns, u64::MAX);
        rig.env.config.slowlog_log_slower_than = 0;
        rig.env.renew_observers();
        assert!(rig.env.observers.see_all());
    }
}
