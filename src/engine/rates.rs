//! Rates of late: operations, bytes and loop turns a second.
//!
//! Every tenth of a second the counters are read; a rate is the mean over the last sixteen
//! readings, so that `INFO` shows neither a single burst nor the distant past.

use crate::commands::stats::Stats;

/// Readings that a rate is the mean of.
const SAMPLES: usize = 16;
/// The least time between two readings, in microseconds.
const PERIOD_US: u64 = 100_000;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Commands run.
    Commands,
    /// Bytes read from clients and our master.
    Input,
    /// Bytes written to clients and replicas.
    Output,
    /// Bytes read from our master.
    ReplicationInput,
    /// Bytes written to replicas.
    ReplicationOutput,
    /// Turns of the event loop.
    LoopTurns,
    /// Microseconds of work in the event loop.
    LoopBusy,
}

const MEASURES: usize = 7;

/// The last readings.
#[derive(Debug, Default)]
pub struct Rates {
    last_us: u64,
    last: [u64; MEASURES],
    samples: [[u64; SAMPLES]; MEASURES],
    at: usize,
}

impl Rates {
    /// Takes a reading when it is time.
    pub fn sample(&mut self, stats: &Stats, now_us: u64) {
        let elapsed = now_us.saturating_sub(self.last_us);
        if elapsed < PERIOD_US {
            return;
        }
        let totals = [
            stats.commands_processed,
            stats.net_input_bytes + stats.net_repl_input_bytes,
            stats.net_output_bytes + stats.net_repl_output_bytes,
            stats.net_repl_input_bytes,
            stats.net_repl_output_bytes,
            stats.loop_cycles,
            stats.loop_duration_us,
        ];
        let first = self.last_us == 0;
        for (i, total) in totals.into_iter().enumerate() {
            // After CONFIG RESETSTAT a counter may be lower than before.
            let grown = total.saturating_sub(self.last[i]);
            self.last[i] = total;
            if !first {
                self.samples[i][self.at] = grown * 1_000_000 / elapsed;
            }
        }
        self.last_us = now_us;
        self.at = (self.at + 1) % SAMPLES;
    }

    /// The mean of the last readings, a second.
    pub fn per_second(&self, measure: Measure) -> u64 {
        self.samples[measure as usize].iter().sum::<u64>() / SAMPLES as u64
    }
}
