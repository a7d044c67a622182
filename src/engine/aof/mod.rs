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
//! | `file.rs` | what is known of it |
//! | `increment.rs`, `attempts.rs`, `reading.rs` | of what grows, of rewrites, of a load |
//! | `facts.rs` | what is told |
//! | `writing.rs` | the write phase: write, sync, failures |
//! | `switching.rs` | on, off, and the files of the start |
//! | `rewriting.rs` | rewrites, and when one is due |
//! | `replay.rs` | loading |

mod attempts;
mod facts;
mod file;
mod increment;
mod reading;
mod replay;
mod rewriting;
mod switching;
mod writing;

pub use file::{Aof, base_format};
pub use reading::{AofAtStart, Replay};
