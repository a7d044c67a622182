//! From a readable socket to bytes that can be run.
//!
//! One `read` per event into the connection's buffer; a read that does not fill it has drained the
//! socket. Commands are parsed where they lie. What is left of an incomplete one stays in the
//! buffer; the payload of a big argument is read straight into the allocation that becomes the
//! value.
//!
//! **Fairness.** A connection has one buffer's worth of input a turn. If there may be more, it is
//! put on the list of those to be continued in the next tick.
//!
//! **Clients that must wait**, for a key or for the end of a pause, are read from all the same: not
//! to run what they send, but to see whether they are still there. What a client asked for that
//! has gone meanwhile is not done.

use std::io::ErrorKind;
use std::ops::Range;

use super::input::InputBuffer;
use super::runtime::Runtime;
use super::world::{Socket, World};
use crate::commands::env::Env;

/// Bytes read at once into a big argument.
const BIG_READ_BYTES_MAX: usize = 1024 * 1024;

impl<W: World> Runtime<W> {
    /// Reads once from a connection and runs what came.
    pub(super) fn on_readable(&mut self, env: &mut Env, key: usize) {
        self.take_turn(env, key);
        self.clients.recount(key, env);
        self.clients.evict(env);
    }

    /// Reads once from a client and runs what is whole.
    fn take_turn(&mut self, env: &mut Env, key: usize) {
        let Some(conn) = self.clients.get_mut(key) else {
            return;
        };
        if conn.session().activity.is_closing() {
            return;
        }
        if conn.input.parser.big_remaining() > 0 {
            return self.read_big(env, key);
        }
        let may_run = conn.may_run();
        let mut data = conn.input.buffer.lend();
        let room = InputBuffer::room(&data);
        let result = conn.socket.read_append(&mut data, room);
        conn.input.buffer.note_read(&data);
        let rest = if self.count_read(env, key, result, room) && may_run {
            self.run_input(env, key, &data)
        } else {
            0..data.len()
        };
        self.take_buffer_back(key, data, rest);
    }

    /// Reads into the big argument that is arriving; once it is whole, the stream goes on in the
    /// ordinary way.
    fn read_big(&mut self, env: &mut Env, key: usize) {
        let conn = &mut self.clients[key];
        conn.input.buffer.note_detour();
        let remaining = conn.input.parser.big_remaining();
        let Some(target) = conn.input.parser.big_target() else {
            return;
        };
        let room = (target.capacity() - target.len())
            .min(remaining)
            .min(BIG_READ_BYTES_MAX);
        let result = conn.socket.read_append(target, room);
        self.count_read(env, key, result, room);
    }

    /// Does the bookkeeping of one read; `false` when there is nothing to run: nothing came, or
    /// the connection is over, perhaps because it sent more than it may.
    fn count_read(
        &mut self,
        env: &mut Env,
        key: usize,
        result: std::io::Result<usize>,
        asked: usize,
    ) -> bool {
        let conn = &mut self.clients[key];
        env.stats.total_reads += 1;
        match result {
            Ok(0) => {
                log::debug!("Client closed connection {}", conn.session().client().addr);
                self.clients.close_now(key);
                false
            }
            Ok(n) => {
                conn.bytes_in += n as u64;
                conn.last_interaction_ms = env.now.mono_ms();
                env.stats.net_input_bytes += n as u64;
                if n == asked || conn.input.ends || conn.socket.has_more() {
                    self.clients.to_continue.push(key);
                }
                self.is_within_limit(env, key)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => false,
            Err(e) => {
                log::debug!("Reading from client: {e}");
                self.clients.close_now(key);
                false
            }
        }
    }

    /// Whether a client keeps to `client-query-buffer-limit`; if not, it is closed.
    fn is_within_limit(&mut self, env: &mut Env, key: usize) -> bool {
        if self.clients[key].input.received() <= env.config.client_query_buffer_limit {
            return true;
        }
        log::warn!(
            "Closing client that reached max query buffer length: {}",
            self.clients.describe(key, env)
        );
        env.stats.query_buffer_limit_disconnections += 1;
        self.clients.close_now(key);
        false
    }

    /// Ends a turn: the buffer goes back to its connection with what was not run.
    pub(super) fn take_buffer_back(&mut self, key: usize, data: Vec<u8>, rest: Range<usize>) {
        if let Some(conn) = self.clients.get_mut(key) {
            conn.input.buffer.take_back(data, rest);
        }
    }
}
