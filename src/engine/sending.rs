//! Snapshot files on their way to replicas.
//!
//! A file is opened when its snapshot is done, and sent when it is its replica's turn, in pieces:
//! the next one is read when the socket has taken the last, and the pace allows it.

use super::runtime::Runtime;
use super::snapshot::snapshot_path;
use super::world::{Socket, World};
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;
use crate::commands::env::Env;
use crate::replication::Action;

/// Bytes of the file read at once.
const PIECE_BYTES: usize = 256 * 1024;

impl<W: World> Runtime<W> {
    /// Opens the snapshot file for a replica.
    pub(super) fn open_file(&mut self, env: &mut Env, client: u64, more: &mut Vec<Action>) {
        let facts = self.facts_of(env);
        let opened = self.world.disk().open(&snapshot_path(env));
        match opened.and_then(|file| Ok((file.size()?, file))) {
            Ok((size, file)) => {
                if self.clients.key_of(client).is_some() {
                    self.file_sends.open(client, file, size);
                }
                env.replication.on_file_opened(client, size, facts, more);
            }
            Err(e) => env
                .replication
                .on_file_failed(client, &os_text(&e), facts, more),
        }
    }

    /// It is the turn of a replica.
    pub(super) fn begin_file(&mut self, client: u64) {
        if let Some(send) = self.file_sends.get_mut(client) {
            send.begun = true;
        }
        if let Some(key) = self.clients.key_of(client) {
            self.clients.queue_write(key);
        }
    }

    /// Those who waited for the pace go on.
    pub(super) fn go_on_sending(&mut self, env: &Env) {
        // Filled first: who is let go on must find something.
        self.pacing.may_send(&env.config, env.now);
        let (waiting, forwarding) = self.pacing.take_waiting();
        for client in waiting {
            if let Some(key) = self.clients.key_of(client) {
                self.clients.queue_write(key);
            }
        }
        if forwarding {
            self.snapshots.want_forwarding();
        }
    }

    /// Sends the next piece of the file, if it is the replica's turn.
    pub(super) fn send_file_piece(&mut self, key: usize, client: u64, env: &mut Env) {
        let may_send = self.pacing.may_send(&env.config, env.now);
        let Some(send) = self.file_sends.get_mut(client) else {
            return;
        };
        if !send.begun || !may_send {
            if send.begun {
                self.pacing.wait(client);
            }
            return self.clients.wait_writable(key, false, &mut self.world);
        }
        let most = self.pacing.piece_bytes(&env.config, PIECE_BYTES);
        let wanted = send.left.min(most as u64) as usize;
        let mut piece = self.clients.pool.take();
        piece.resize(wanted, 0);
        let count = match send.file.read_at(send.at, &mut piece) {
            Ok(n) if n > 0 || wanted == 0 => n,
            Ok(_) => {
                log::warn!("Read error sending DB to replica: premature EOF");
                return self.clients.close_now(key);
            }
            Err(e) => {
                log::warn!("Read error sending DB to replica: {}", os_text(&e));
                return self.clients.close_now(key);
            }
        };
        piece.truncate(count);
        send.at += count as u64;
        send.left -= count as u64;
        env.replication.on_snapshot_sent(client, count as u64);
        let done = send.left == 0;
        self.pacing.spent(count);
        self.clients[key].output.put_back(piece);
        if done {
            self.file_sends.forget(client);
        }
        self.clients.flush(key, env, &mut self.world);
        if done {
            self.drive(env, |r, e, out| r.on_file_sent(client, e, out));
        }
        let conn = &self.clients[key];
        if conn.output.pending() == 0 && !conn.socket.has_unsent() {
            self.clients.continue_writing(key, &mut self.world);
        }
    }
}
