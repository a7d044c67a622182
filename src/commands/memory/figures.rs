//! Where the bytes are: what `INFO memory` and `MEMORY STATS` both show.
//!
//! The allocator says how many it gave out and what it holds for that; the kernel says what is
//! resident. What is not the data itself (tables, buffers, what was there at the start) is
//! overhead, and what remains is the data set.

use crate::commands::env::Env;
use crate::commands::host::ServerFacts;
use crate::keyspace::Overhead;
use crate::sys::usage;

/// Bytes, by what they are for.
pub struct MemoryFigures {
    /// Handed out by the allocator.
    pub used: u64,
    /// The most that ever were.
    pub peak: u64,
    /// Right after the start.
    pub startup: u64,
    /// Resident, as the kernel counts.
    pub rss: u64,
    /// Pages that hold at least one allocation.
    pub active: u64,
    /// Pages that the allocator holds on to.
    pub resident: u64,
    /// The log that replicas are fed from.
    pub log: u64,
    /// Its window.
    pub backlog: u64,
    /// What replicas need beyond that.
    pub replicas: u64,
    /// Clients.
    pub clients: u64,
    /// Tables, by database.
    pub tables: Vec<(usize, Overhead)>,
    /// Keys.
    pub keys: u64,
}

/// How much larger an outer figure is than an inner one.
#[derive(Clone, Copy, Debug)]
pub struct Waste {
    /// As a ratio.
    pub ratio: f64,
    /// As a difference.
    pub bytes: i64,
}

impl Waste {
    fn of(outer: u64, inner: u64) -> Waste {
        Waste {
            ratio: outer as f64 / inner.max(1) as f64,
            bytes: outer as i64 - inner as i64,
        }
    }
}

impl MemoryFigures {
    /// The figures of this moment.
    pub fn gather(env: &Env, facts: &ServerFacts, connected_replicas: usize) -> MemoryFigures {
        let used = facts.memory.used as u64;
        let log = env.replication.log_memory_bytes() as u64;
        // What the shared log holds beyond its window, it holds for replicas that lag.
        let backlog = match connected_replicas {
            0 => log,
            _ => log.min(env.config.repl_backlog_size),
        };
        let databases = || env.keyspace.iter().enumerate();
        MemoryFigures {
            used,
            peak: env.stats.peak_memory.max(used),
            startup: facts.startup_memory as u64,
            rss: match env.clock.is_stopped() {
                true => used,
                false => usage::resident_bytes().unwrap_or(0),
            },
            active: facts.memory.active as u64,
            resident: facts.memory.resident as u64,
            log,
            backlog,
            replicas: log - backlog + facts.replicas_memory as u64,
            clients: facts.clients_memory as u64,
            tables: databases()
                .filter(|(_, db)| !db.is_empty())
                .map(|(number, db)| (number, db.overhead()))
                .collect(),
            keys: databases().map(|(_, db)| db.len() as u64).sum(),
        }
    }

    /// What is not the data itself.
    pub fn overhead(&self) -> u64 {
        let bytes = |(_, tables): &(usize, Overhead)| (tables.keys + tables.expiring) as u64;
        let tables: u64 = self.tables.iter().map(bytes).sum();
        self.startup + self.backlog + self.replicas + self.clients + tables
    }

    /// The data itself.
    pub fn data_set(&self) -> u64 {
        self.used.saturating_sub(self.overhead())
    }

    /// What was taken since the start.
    pub fn net(&self) -> u64 {
        self.used.saturating_sub(self.startup).max(1)
    }

    /// The share of the data set in what was taken since the start, in percent.
    pub fn data_set_percent(&self) -> f64 {
        self.data_set() as f64 * 100.0 / self.net() as f64
    }

    /// What is in use now as a share of the peak, in percent.
    pub fn peak_percent(&self) -> f64 {
        self.used as f64 * 100.0 / self.peak.max(1) as f64
    }

    /// Room in pages that are in use.
    pub fn allocator_fragmentation(&self) -> Waste {
        Waste::of(self.active, self.used)
    }

    /// Pages that the allocator keeps for later.
    pub fn allocator_rss(&self) -> Waste {
        Waste::of(self.resident, self.active)
    }

    /// What is resident without the allocator's doing.
    pub fn rss_overhead(&self) -> Waste {
        Waste::of(self.rss, self.resident)
    }

    /// All of that together.
    pub fn fragmentation(&self) -> Waste {
        Waste::of(self.rss, self.used)
    }
}
