//! The append-only file: when it is written, made durable, rewritten, and what is done when that
//! fails.
//!
//! On disk it is a folder (`appenddirname`) with a *manifest*, which names a *base*, a file with
//! the whole data set of one instant, and *increments*, the commands since then, of which the last
//! one grows (`persist/aof/`). A rewrite begins a fresh increment, has a child write a new base,
//! and then has the manifest name these two only.
//!
//! ```text
//! off ──CONFIG SET appendonly yes──► waiting ──its first rewrite succeeds──► on
//!  ▲                                    │                                     │
//!  └──────────── CONFIG SET appendonly no, a full sync begins ◄───────────────┘
//! ```
//!
//! While we wait for the first rewrite, changes go to an increment that no manifest names yet;
//! should we end, whatever was there before is there still. A server that is started with
//! `appendonly yes` is on from the start.
//!
//! **What is promised** (`appendfsync`). `always`: the write phase writes and syncs before a
//! reply leaves, once for all commands of the tick; where that is impossible, the process ends
//! rather than reply. `everysec`: a sync is asked of another thread once a second; while one
//! runs, the write waits for it, up to two seconds, since it would be held up by it anyway. `no`:
//! the kernel decides.
//!
//! **When it fails.** What could not be written stays in the feed and is tried again; meanwhile
//! writes are refused (`-MISCONF`). Half a command is cut off again. After a *sync* failed, the
//! kernel may have dropped what it was about, and another sync that succeeds says nothing of it;
//! so writes are refused until a rewrite has put the whole data set on disk anew.
//!
//! **Order.** No name is put in the manifest before what it names is on disk, nothing is removed
//! before a manifest without it is, and an increment is synced before the next one begins: only
//! the last file may be cut short.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | the parts, and what is seen of them |
//! | `writing.rs` | the write phase: write, sync, failures |
//! | `switching.rs` | on, off, and the files of the start |
//! | `rewriting.rs` | rewrites, and when one is due |
//! | `replay.rs` | loading |

mod replay;
mod rewriting;
mod switching;
mod writing;

use std::path::{Path, PathBuf};

pub use replay::Replay;
use rewriting::Rewriting;
pub use rewriting::{rewritten_path, unfinished_path};
pub use switching::AofAtStart;
use writing::{Increment, Trouble};

use super::path_of;
use super::runtime::{FileOf, Runtime};
use super::world::World;
use crate::commands::env::Env;
use crate::commands::host::AofFacts;
use crate::config::Settings;
use crate::persist::aof::manifest::{BaseFormat, Manifest};

/// Whether there is an append-only file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// There is none, or nothing is written to it.
    Off,
    /// It counts once its first rewrite has succeeded.
    Waiting,
    /// There is one.
    On,
}

/// See the module's head.
pub struct Aof<F> {
    state: State,
    /// What the manifest on disk says.
    manifest: Manifest,
    /// The increment that grows.
    increment: Option<Increment<F>>,
    /// Bytes of the base and of the increments before the last.
    closed_bytes: u64,
    /// Bytes of all files after the last rewrite, or at the start.
    rewritten_bytes: u64,
    /// What keeps it from being written.
    trouble: Trouble,
    rewriting: Rewriting,
    /// How often a write did not wait for a sync any longer.
    delayed_syncs: u64,
    /// The number of the last sync that was asked for.
    last_request: u64,
    /// Why the server must not go on.
    fatal: Option<String>,
    /// How much longer each write takes, for tests.
    pub write_delay_us: u64,
}

impl<F> Default for Aof<F> {
    fn default() -> Aof<F> {
        Aof {
            state: State::Off,
            manifest: Manifest::default(),
            increment: None,
            closed_bytes: 0,
            rewritten_bytes: 0,
            trouble: Trouble::default(),
            rewriting: Rewriting::default(),
            delayed_syncs: 0,
            last_request: 0,
            fatal: None,
            write_delay_us: 0,
        }
    }
}

/// Where the files are.
struct Places {
    folder: PathBuf,
    name: Vec<u8>,
}

impl Places {
    fn of(settings: &Settings) -> Places {
        Places {
            folder: path_of(&settings.appenddirname),
            name: settings.appendfilename.clone(),
        }
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        self.folder.join(path_of(name))
    }

    fn shown(path: &Path) -> String {
        path.file_name()
            .map_or(String::new(), |name| name.to_string_lossy().into_owned())
    }
}

/// How a base is written.
pub fn base_format(settings: &Settings) -> BaseFormat {
    match settings.aof_use_rdb_preamble {
        true => BaseFormat::Rdb,
        false => BaseFormat::Commands,
    }
}

impl<F> Aof<F> {
    /// Bytes of all files.
    fn bytes(&self) -> u64 {
        let growing = self.increment.as_ref().map_or(0, |i| i.bytes);
        self.closed_bytes + growing
    }

    /// Whether it is switched on, be it complete or not.
    pub fn is_wanted(&self) -> bool {
        self.state != State::Off
    }

    /// Whether it counts: it does not wait for its first rewrite.
    #[cfg(test)]
    pub fn is_on(&self) -> bool {
        self.state == State::On
    }

    /// Why writes have to be refused, as the system words it.
    pub fn refusal(&self) -> Option<&str> {
        match self.state {
            State::Off => None,
            State::Waiting | State::On => self.trouble.reason(),
        }
    }
}

impl<W: World> Runtime<W> {
    /// What `INFO persistence` shows.
    pub fn aof_facts(&self, env: &Env) -> AofFacts {
        let aof: &Aof<FileOf<W>> = &self.aof;
        let rewriting = &aof.rewriting;
        let started_mono_ms = self.snapshots.rewriting_since_ms();
        AofFacts {
            enabled: aof.is_wanted(),
            rewriting_since_mono_ms: started_mono_ms,
            scheduled: rewriting.scheduled,
            last_rewrite_s: rewriting.last_duration_s,
            last_rewrite_ok: rewriting.last_ok,
            rewrites: rewriting.started,
            failures_in_a_row: rewriting.failures_in_a_row,
            last_write_ok: aof.trouble.reason().is_none(),
            last_cow_bytes: rewriting.last_cow_bytes,
            current_bytes: aof.bytes(),
            base_bytes: aof.rewritten_bytes,
            buffer_bytes: env.aof.bytes().len(),
            pending_syncs: aof.increment.as_ref().map_or(0, Increment::pending_syncs),
            delayed_syncs: aof.delayed_syncs,
        }
    }
}
