//! A snapshot on its way from the child's pipe to the sockets of the replicas that wait for it.
//!
//! All get the same bytes at the pace of the slowest: a piece is read from the pipe only when
//! every receiver has taken the one before, and they share it, so that memory stays at one piece.
//! A replica that stalls is found by its timeout and dropped by the replication machine; the
//! others go on.
//!
//! On the wire the snapshot stands between `$EOF:<mark>\r\n` and the mark; both are added here.

use std::io::ErrorKind;

use bytes::{Bytes, BytesMut};

use super::runtime::Runtime;
use super::world::World;
use crate::commands::env::Env;

/// Bytes taken from the pipe at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces forwarded in one tick.
const PIECES_PER_TICK_MAX: usize = 16;

/// How far the transfer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The header is to be sent.
    Fresh,
    /// The pipe may have more.
    Open,
    /// The pipe has ended; the mark is on its way.
    Ended,
    /// Everything is delivered.
    Delivered,
    /// Nobody is left to deliver to, or the pipe broke.
    Broken,
}

/// See the module's head.
pub struct Transfer {
    mark: [u8; 40],
    stage: Stage,
    /// The last piece that was read, or room for the next.
    piece: BytesMut,
}

impl Transfer {
    /// A transfer at its beginning.
    pub fn new(mark: [u8; 40]) -> Transfer {
        Transfer {
            mark,
            stage: Stage::Fresh,
            piece: BytesMut::new(),
        }
    }

    /// Whether nothing more will be sent.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Delivered | Stage::Broken)
    }

    /// Whether every receiver that is left got everything.
    pub fn is_delivered(&self) -> bool {
        self.stage == Stage::Delivered
    }
}

impl<W: World> Runtime<W> {
    /// Forwards what the pipe has, as far as the receivers take it, if there may be something.
    pub fn forward_snapshot(&mut self, env: &mut Env) {
        if !self.snapshots.take_forwarding() {
            return;
        }
        let Some(mut transfer) = self.snapshots.take_transfer() else {
            return;
        };
        for turn in 0.. {
            if transfer.is_over() || !self.step_transfer(&mut transfer, env) {
                break;
            }
            if turn == PIECES_PER_TICK_MAX {
                self.snapshots.want_forwarding();
                break;
            }
        }
        self.snapshots.put_transfer_back(transfer);
        self.finish_snapshot(env);
    }

    /// Takes one step; `false` when somebody has to be waited for.
    fn step_transfer(&mut self, transfer: &mut Transfer, env: &mut Env) -> bool {
        let receivers: Vec<u64> = env.replication.snapshot_receivers().collect();
        if receivers.is_empty() {
            transfer.stage = Stage::Broken;
            return false;
        }
        if !self.receivers_are_ready(&receivers, env) {
            return false;
        }
        match transfer.stage {
            Stage::Delivered | Stage::Broken => false,
            Stage::Ended => {
                transfer.stage = Stage::Delivered;
                false
            }
            Stage::Fresh => {
                let header = [b"$EOF:", &transfer.mark[..], b"\r\n"].concat();
                self.give_to_all(&receivers, header.into());
                transfer.stage = Stage::Open;
                true
            }
            Stage::Open if !self.pacing.may_send(&env.config, env.now) => {
                self.pacing.forwarding_waits();
                false
            }
            Stage::Open => self.read_piece(transfer, &receivers, env),
        }
    }

    /// Whether all receivers have taken what they were given.
    fn receivers_are_ready(&mut self, receivers: &[u64], env: &mut Env) -> bool {
        let mut ready = true;
        for id in receivers {
            let Some(key) = self.clients.key_of(*id) else {
                continue;
            };
            if self.clients[key].output.pending() > 0 {
                let progressed = self.clients.flush(key, env, &mut self.world);
                env.replication.on_transfer(*id, progressed, env.now);
                ready &= self.clients[key].output.pending() == 0;
            }
        }
        ready
    }

    fn read_piece(&mut self, transfer: &mut Transfer, receivers: &[u64], env: &mut Env) -> bool {
        // The memory of the last piece, which every receiver has taken.
        let piece_bytes = self.pacing.piece_bytes(&env.config, PIECE_BYTES);
        transfer.piece.resize(piece_bytes, 0);
        match self.world.read_child(&mut transfer.piece) {
            Ok(0) => {
                let count = receivers.len();
                log::info!(
                    "Diskless rdb transfer, done reading from pipe, {count} replicas still up."
                );
                self.give_to_all(receivers, Bytes::copy_from_slice(&transfer.mark));
                transfer.stage = Stage::Ended;
            }
            Ok(n) => {
                for id in receivers {
                    env.replication.on_snapshot_sent(*id, n as u64);
                }
                let piece = transfer.piece.split_to(n).freeze();
                self.pacing.spent(n * receivers.len());
                self.give_to_all(receivers, piece)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => return false,
            Err(e) if e.kind() == ErrorKind::Interrupted => return true,
            Err(e) => {
                log::warn!("Diskless rdb transfer, read error sending DB to replicas: {e}");
                transfer.stage = Stage::Broken;
                return false;
            }
        }
        true
    }

    fn give_to_all(&mut self, receivers: &[u64], bytes: Bytes) {
        for id in receivers {
            if let Some(key) = self.clients.key_of(*id) {
                self.clients[key].output.append_shared(bytes.clone());
            }
        }
    }
}
