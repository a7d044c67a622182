//! Bytes that wait to be written to a socket.
//!
//! Replies are collected in a buffer from a pool, which goes back when all of it is written. What
//! many clients get, a large message or a piece of a snapshot, is not copied for each: it stands as
//! a shared piece in front of the buffer, and what was in the buffer by then in front of that.
//!
//! ```text
//! written first   [ own bytes ] [ shared ] [ shared ] [ own bytes ] [ shared ] buf   written last
//!                 └──────────────────────── before ────────────────────────┘
//! ```

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};

use super::reply_room::{self, ReplyRoom};
use super::world::Socket;
use crate::resp::writer::{Protocol, Reply};

/// Buffers larger than this are not kept for reuse.
const POOLED_BYTES_MAX: usize = 64 * 1024;
/// Idle buffers kept.
const POOLED_MAX: usize = 256;

/// So much that is written by now is dropped from a buffer of which the rest is no longer than it.
/// Without that, the buffer of a client that is always a little behind would grow for ever.
const WRITTEN_BYTES_MAX: usize = 64 * 1024;

/// Pieces offered to the socket at once.
const SLICES_MAX: usize = 16;

/// A pool of output buffers.
#[derive(Default)]
pub struct BufferPool {
    free: Vec<Vec<u8>>,
}

impl BufferPool {
    /// An empty buffer.
    pub fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_default()
    }

    /// Frees the buffers that are larger than what every client may have waiting.
    pub fn drop_large(&mut self) {
        self.free.retain(|buf| buf.capacity() <= reply_room::MAX);
    }

    /// Gives a buffer back.
    pub fn give(&mut self, mut buf: Vec<u8>) {
        if buf.capacity() > 0 && buf.capacity() <= POOLED_BYTES_MAX && self.free.len() < POOLED_MAX
        {
            buf.clear();
            self.free.push(buf);
        }
    }
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Output {
    /// What stands in front of the buffer; nothing of it is written yet.
    before: VecDeque<Bytes>,
    /// How many bytes that is.
    before_bytes: usize,
    /// The bytes to which more are appended; without memory when nothing waits.
    buf: Vec<u8>,
    /// How many of them are written.
    sent: usize,
    /// How much may wait before it counts.
    pub room: ReplyRoom,
}

impl Output {
    /// Bytes not written yet. While the buffer is out, what is in it does not count: of a client
    /// that is a little behind, only `sent` tells of it then.
    #[inline]
    pub fn pending(&self) -> usize {
        self.before_bytes + self.buf.len().saturating_sub(self.sent)
    }

    /// Bytes not written yet, if they are more than the client has room for. In the reference a
    /// client owns a buffer of that size; limits are about what does not fit into it.
    pub fn overflow(&self) -> usize {
        match self.pending() {
            pending if pending <= self.room.bytes() => 0,
            pending => pending,
        }
    }

    /// Memory held. A buffer for what the client has room for is lent from the pool, and does not
    /// count as the client's. What is shared counts for all who share it, as if each had a copy:
    /// who takes too much is to be found, though others take it as well.
    pub fn memory(&self) -> usize {
        match self.overflow() {
            0 => 0,
            _ => self.before_bytes + self.buf.capacity(),
        }
    }

    /// Bytes not written yet that stand in front of the buffer.
    #[inline]
    pub fn waiting_before_buffer(&self) -> usize {
        self.before_bytes
    }

    /// Takes the buffer out, to be appended to and put back. Until then only
    /// [`append`](Self::append) may be called.
    #[inline]
    pub fn take(&mut self, pool: &mut BufferPool) -> Vec<u8> {
        match self.buf.capacity() {
            0 => pool.take(),
            _ => std::mem::take(&mut self.buf),
        }
    }

    /// Puts the buffer back. What was appended without it comes behind what is in it.
    #[inline]
    pub fn put_back(&mut self, mut buf: Vec<u8>) {
        buf.append(&mut self.buf);
        self.buf = buf;
        self.room.note(self.buf.len());
    }

    /// Gives the buffer away, if nothing waits.
    pub fn release(&mut self, pool: &mut BufferPool) {
        if self.pending() == 0 {
            self.sent = 0;
            pool.give(std::mem::take(&mut self.buf));
        }
    }

    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Appends what `write` writes.
    pub fn reply(
        &mut self,
        protocol: Protocol,
        pool: &mut BufferPool,
        write: impl FnOnce(&mut Reply),
    ) {
        let mut reply = Reply::with_buf(self.take(pool), protocol);
        write(&mut reply);
        self.put_back(reply.take_buf());
    }

    /// Appends bytes that others get, too, without a copy of them.
    pub fn append_shared(&mut self, bytes: Bytes) {
        if self.buf.len() > self.sent {
            let mut own = Bytes::from(std::mem::take(&mut self.buf));
            own.advance(self.sent);
            self.before_bytes += own.len();
            self.before.push_back(own);
            self.sent = 0;
        }
        self.before_bytes += bytes.len();
        self.before.push_back(bytes);
    }

    /// Writes until everything is out (`true`) or the socket is full (`false`).
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub fn flush(&mut self, socket: &mut impl Socket, pool: &mut BufferPool) -> io::Result<bool> {
        while self.pending() > 0 {
            let written = match self.before.is_empty() {
                true => socket.write(&self.buf[self.sent..]),
                false => self.write_pieces(socket),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.advance(n),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.drop_written();
                    return Ok(false);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.release(pool);
        socket.flush()
    }

    /// Writes some of the pieces, and of the buffer behind them.
    fn write_pieces(&self, socket: &mut impl Socket) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let rest = &self.buf[self.sent..];
        let all = self.before.iter().map(|piece| &piece[..]).chain([rest]);
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip(all) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        socket.write_vectored(&slices[..count])
    }

    /// So many of the first bytes are written.
    fn advance(&mut self, mut count: usize) {
        while let Some(piece) = self.before.front_mut() {
            let written = count.min(piece.len());
            piece.advance(written);
            self.before_bytes -= written;
            count -= written;
            if !piece.is_empty() {
                return;
            }
            self.before.pop_front();
        }
        self.sent += count;
    }

    /// Gives up the room of what is written, once that is worth the move of the rest.
    fn drop_written(&mut self) {
        if self.sent >= WRITTEN_BYTES_MAX && self.sent >= self.buf.len() - self.sent {
            self.buf.drain(..self.sent);
            self.sent = 0;
        }
        if self.before.is_empty() {
            self.before = VecDeque::new();
        }
    }
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
