//! What the server counts: commands, errors, keyspace hits, traffic.
//!
//! Plain numbers that `INFO` shows and `CONFIG RESETSTAT` clears. A command's figures live at its
//! index in the command table.

use std::collections::BTreeMap;

use super::latency::histogram::Histogram;

/// How often a command ran and how long that took.
#[derive(Clone, Debug, Default)]
pub struct CommandStats {
    /// Completed calls.
    pub calls: u64,
    /// Time in handlers, in nanoseconds.
    pub nanoseconds: u64,
    /// Calls refused before the handler ran.
    pub rejected: u64,
    /// Calls whose handler replied with an error.
    pub failed: u64,
    /// The distribution of run times; made at the first call.
    pub latency: Option<Box<Histogram>>,
}

/// More distinct error codes than this mean somebody makes them up; nothing more is counted then.
pub const ERROR_CODES_MAX: usize = 128;

/// How often the role has changed, and what became of failovers that were asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turns {
    /// Failovers begun by `FAILOVER`.
    pub begun: u64,
    /// Those whose target has taken over.
    pub handed_over: u64,
    /// Those that came to nothing.
    pub given_up: u64,
    /// Times that this server became a master.
    pub became_master: u64,
    /// Times that it became a replica.
    pub became_replica: u64,
}

impl Turns {
    /// Writes are held back for a failover from now on, or no longer; then its target has taken
    /// over if we are a replica now.
    pub fn note_hold(&mut self, hold: bool, is_replica: bool) {
        match (hold, is_replica) {
            (true, _) => self.begun += 1,
            (false, true) => self.handed_over += 1,
            (false, false) => self.given_up += 1,
        }
    }

    /// The role has changed to this one.
    pub fn note_role(&mut self, is_replica: bool) {
        match is_replica {
            true => self.became_replica += 1,
            false => self.became_master += 1,
        }
    }
}

/// Counters of the whole server.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// By command index.
    pub commands: Vec<CommandStats>,
    /// Error replies by code word.
    pub errors: BTreeMap<Vec<u8>, u64>,
    /// All error replies.
    pub error_replies: u64,
    /// Payloads of collections that were checked because the settings ask for it.
    pub payloads_sanitized: u64,
    /// Times that a client got less room for replies that wait.
    pub reply_rooms_shrunk: u64,
    /// Times that a client got more of it.
    pub reply_rooms_grown: u64,
    /// Commands run.
    pub commands_processed: u64,
    /// Connections accepted.
    pub connections_received: u64,
    /// Connections refused for `maxclients`.
    pub connections_rejected: u64,
    /// Bytes read from clients.
    pub net_input_bytes: u64,
    /// Bytes written to clients.
    pub net_output_bytes: u64,
    /// Bytes read from our master.
    pub net_repl_input_bytes: u64,
    /// Bytes written to replicas.
    pub net_repl_output_bytes: u64,
    /// Reads that found their key.
    pub keyspace_hits: u64,
    /// Reads that did not.
    pub keyspace_misses: u64,
    /// Keys that reached their time.
    pub expired_keys: u64,
    /// Keys evicted.
    pub evicted_keys: u64,
    /// Clients closed because all together took too much memory.
    pub evicted_clients: u64,
    /// For how long memory was above the limit, in nanoseconds, up to the last time it was not.
    pub eviction_exceeded_ns: u64,
    /// Estimated share of expired keys not yet deleted, in percent.
    pub expired_stale_percent: f64,
    /// Expire cycles that ran out of time.
    pub expire_cycle_time_limit_reached: u64,
    /// Time spent in expire cycles, in microseconds.
    pub expire_cycle_cpu_us: u64,
    /// Forks made.
    pub total_forks: u64,
    /// How long the last fork took, in microseconds.
    pub latest_fork_us: u64,
    /// Read events handled.
    pub total_reads: u64,
    /// Write calls made.
    pub total_writes: u64,
    /// Clients dropped for their query buffer.
    pub query_buffer_limit_disconnections: u64,
    /// Clients dropped for their output buffer.
    pub output_buffer_limit_disconnections: u64,
    /// The most memory ever seen allocated.
    pub peak_memory: u64,
    /// Turns of the event loop.
    pub loop_cycles: u64,
    /// Time in the event loop, in microseconds, sleep excluded.
    pub loop_duration_us: u64,
    /// The longest turn of the event loop, in microseconds, sleep excluded.
    pub loop_duration_max_us: u64,
    /// Most commands run in one turn of the event loop.
    pub loop_commands_max: u64,
    /// Time spent on commands, in nanoseconds.
    pub commands_ns: u64,
    /// Time spent on periodic work, in microseconds.
    pub cron_us: u64,
    /// Time in which the loop wrote the append-only file and waited for its syncs, in nanoseconds.
    pub aof_ns: u64,
    /// Unexpected error replies sent to our master or got from it.
    pub unexpected_error_replies: u64,
    /// Failed authentications.
    pub acl_access_denied_auth: u64,
    /// Commands refused because a user may not run them.
    pub acl_access_denied_cmd: u64,
    /// Commands refused because of a key.
    pub acl_access_denied_key: u64,
    /// Commands refused because of a channel.
    pub acl_access_denied_channel: u64,
    /// Failovers and changes of the role.
    pub turns: Turns,
    /// Events that a Sentinel has told of, by their kind.
    pub sentinel_events: BTreeMap<&'static str, u64>,
    /// Error replies that were put down to a command.
    noted_errors: u64,
}

impl Stats {
    /// Counters for a table of so many commands.
    pub fn new(commands: usize) -> Stats {
        Stats {
            commands: vec![CommandStats::default(); commands],
            ..Stats::default()
        }
    }

    /// A turn of the event loop has ended that began at `started_us` and ran so many commands.
    pub fn note_turn(&mut self, started_us: u64, now_us: u64, commands: u64) {
        let spent_us = now_us.saturating_sub(started_us);
        self.loop_cycles += 1;
        self.loop_duration_us += spent_us;
        self.loop_duration_max_us = self.loop_duration_max_us.max(spent_us);
        self.loop_commands_max = self.loop_commands_max.max(commands);
    }

    /// Counts an error reply under its code word.
    pub fn count_error(&mut self, text: &[u8]) {
        self.error_replies += 1;
        let code = text.split(|b| *b == b' ').next().unwrap_or_default();
        if let Some(n) = self.errors.get_mut(code) {
            *n += 1;
        } else if self.errors.len() < ERROR_CODES_MAX {
            self.errors.insert(code.to_vec(), 1);
        }
    }

    /// Whether there were error replies since the last call. A command that runs others asks after
    /// them, and so is not blamed for theirs.
    pub fn note_errors(&mut self) -> bool {
        let before = std::mem::replace(&mut self.noted_errors, self.error_replies);
        before != self.error_replies
    }

    /// The running command replies with an error that was counted before.
    pub fn note_failure(&mut self) {
        self.noted_errors = self.error_replies.wrapping_sub(1);
    }

    /// `CONFIG RESETSTAT`: everything to zero, but for what describes the present.
    pub fn reset(&mut self) {
        let peak = self.peak_memory;
        *self = Stats::new(self.commands.len());
        self.peak_memory = peak;
    }
}
