//! The stream on disk, for replicas that sync: the driver of `replication/spill.rs`.
//!
//! What the machine wants to get rid of goes to a [`Spool`](super::spool::Spool) in each write
//! phase, after the replicas were fed, so that what they take at once never gets there. It is the
//! page cache that takes it; nothing is synced. Replicas that have something to read there get it
//! from there, a piece at a time, as they get the snapshot file.

use std::ops::Range;

use super::runtime::{FileOf, Runtime};
use super::world::{Job, World};
use crate::base::errno::os_text;
use crate::commands::env::Env;

/// Bytes read from disk for a replica at once.
const PIECE_BYTES: u64 = 256 * 1024;
/// Blocks written in one tick. What a tick adds to the log is far less, but for one that runs a
/// command of many megabytes, or lowers the limit.
const BLOCKS_PER_TICK_MAX: usize = 1024;

impl<W: World> Runtime<W> {
    /// Moves to disk what is to be there, and gives up what nobody needs any more.
    #[inline]
    pub(super) fn spill_stream(&mut self, env: &mut Env) {
        if !self.stream_spool.is_empty() {
            self.release_spool(env);
        }
        if env.replication.spillable().is_some() {
            self.spill_blocks(env);
        }
    }

    fn release_spool(&mut self, env: &Env) {
        let passed = match env.replication.cold_first() {
            Some(first) => self.stream_spool.release_before(first),
            None => self.stream_spool.clear(),
        };
        self.close_elsewhere(passed);
    }

    /// Closes files whose blocks the system frees then.
    pub(super) fn close_elsewhere(&mut self, files: Vec<FileOf<W>>) {
        for file in files {
            self.world.submit(Job::Close(file));
        }
    }

    #[cold]
    fn spill_blocks(&mut self, env: &mut Env) {
        let room = env.config.repl_spill_max_size;
        for _ in 0..BLOCKS_PER_TICK_MAX {
            let Some((at, bytes)) = env.replication.spillable() else {
                return;
            };
            if self.stream_spool.range().end != at {
                // Nobody needs what is there: what is needed ends where memory begins.
                let passed = self.stream_spool.clear();
                self.close_elsewhere(passed);
            }
            let disk = self.world.disk();
            let spool = &mut self.stream_spool;
            match spool.append(disk, &self.run_id, (at, bytes), room) {
                Ok(_) => env.replication.on_spilled(),
                Err(e) => {
                    let reason = os_text(&e);
                    self.drive(env, |r, e, out| r.on_spill_failed(&reason, e, out));
                    return;
                }
            }
        }
    }

    /// Sends a replica what it has to get next, from disk.
    pub(super) fn send_cold(&mut self, key: usize, client: u64, range: Range<u64>, env: &mut Env) {
        let mut piece = self.clients.pool.take();
        piece.resize((range.end - range.start).min(PIECE_BYTES) as usize, 0);
        match self.stream_spool.read_at(range.start, &mut piece) {
            Ok(count) => {
                piece.truncate(count);
                self.clients[key].output.put_back(piece);
                env.replication.on_sent(client, count);
                self.clients.flush(key, env, &mut self.world);
                if self.clients[key].output.pending() == 0 {
                    self.clients.continue_writing(key, &mut self.world);
                }
            }
            Err(e) => {
                let reason = os_text(&e);
                self.drive(env, |r, e, out| r.on_cold_lost(client, &reason, e, out));
            }
        }
    }
}
