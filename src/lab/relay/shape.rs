//! What a link does to that which passes it, without sockets and clocks.
//!
//! A [`Link`] leads from one host to another; all connections between the two share it, so its rate
//! is one bucket for all of them. A [`Queue`] is one direction of one connection. What travels are
//! bytes and [`Mark`]s, for the beginning and the end of a connection are packets like any others:
//! a cut holds them up, a delay delays them.
//!
//! A queue notes when each piece was sent, not when it is due: a changed delay so holds at once for
//! all that is on its way, and keeps its order. What waited for a link to be healed is sent anew at
//! that instant, as retransmission would do it, and takes the whole delay from then on.
//!
//! The rate is a token bucket, kept as the instant at which it will be full again. A queue takes a
//! *grant* for a small part of what is due and waits until the bucket has had time for it; so
//! several queues on a link take turns, by the order in which they asked.
//!
//! Invariants: bytes and marks leave in the order in which they came, all of them, once; none
//! leaves before its delay is over, none while the link is cut; what leaves within a time is at
//! most what the rate allows for it, the burst, and one grant of each queue.

use std::collections::VecDeque;

use crate::lab::model::LinkState;

/// Bytes that a queue of a link without delay may hold.
const BUFFER_BYTES: usize = 256 * 1024;
/// Bytes that it may hold on top of that because they are on their way for long.
const FLIGHT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The rate that a delayed link without a limit is to reach on one connection, in bytes a second.
const FLIGHT_BYTES_PER_S: u64 = 128 * 1024 * 1024;
/// What noting a piece costs, in bytes: a flood of tiny ones is bounded by it.
const PIECE_BYTES: usize = size_of::<Piece>();
/// How long a link can be idle and then make up for it, as a part of a second.
const BURSTS_PER_S: u64 = 50;
/// A burst has at least one packet of the size that networks carry.
const BURST_BYTES_MIN: u64 = 1500;
/// Grants to a burst.
const GRANTS_PER_BURST: u64 = 4;
/// At most so many bytes leave at once, so that other connections have their turn.
const LEAVE_BYTES_MAX: usize = 64 * 1024;
/// An empty queue gives back memory above this.
const IDLE_BYTES: usize = 64 * 1024;

/// The beginning or the end of a connection, on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The initiator wants a connection.
    Connect,
    /// The target has accepted it.
    Connected,
    /// The target does not take it.
    Refused,
    /// The sender will send nothing more (`FIN`).
    Finish,
    /// The sender is gone (`RST`).
    Reset,
}

/// What leaves a queue next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// Nothing is on its way.
    Nothing,
    /// Nothing until the link is healed.
    Cut,
    /// Nothing before this instant.
    At(u64),
    /// These bytes, now; they stay until [`Queue::bytes_left`].
    Bytes(&'a [u8]),
    /// This mark, now; it stays until [`Queue::mark_left`].
    Mark(Mark),
}

/// Leave to send some bytes, no sooner than at an instant.
#[derive(Clone, Copy, Debug)]
struct Grant {
    due_us: u64,
    bytes: usize,
    /// The link's era; a grant of an earlier one is void.
    era: u32,
}

/// A link from one host to another.
#[derive(Debug, Default)]
pub struct Link {
    state: LinkState,
    /// When it was healed last.
    open_since_us: u64,
    /// When the bucket will be full, in nanoseconds; the past if it is.
    full_at_ns: u64,
    /// Grows whenever grants become void.
    era: u32,
}

impl Link {
    /// Changes the link at the instant `now_us`.
    pub fn set(&mut self, state: LinkState, now_us: u64) {
        if self.state.cut && !state.cut {
            self.open_since_us = now_us;
        }
        if (self.state.cut, self.state.bytes_per_s) != (state.cut, state.bytes_per_s) {
            self.era = self.era.wrapping_add(1);
            self.full_at_ns = 0;
        }
        self.state = state;
    }

    /// What the link is like.
    pub fn state(&self) -> LinkState {
        self.state
    }

    /// Whether it does nothing to what passes.
    pub fn is_calm(&self) -> bool {
        self.state == LinkState::default()
    }

    /// Whether nothing passes.
    pub fn is_cut(&self) -> bool {
        self.state.cut
    }

    /// When what was sent at `sent_us` has passed it; never as long as it is cut.
    fn due_us(&self, sent_us: u64) -> Option<u64> {
        let from = sent_us.max(self.open_since_us);
        (!self.state.cut).then(|| from.saturating_add(self.state.delay_us))
    }

    fn burst_bytes(&self) -> u64 {
        (self.state.bytes_per_s / BURSTS_PER_S).max(BURST_BYTES_MIN)
    }

    /// How long a limited link needs for so many bytes, rounded up.
    fn time_ns(&self, bytes: u64) -> u64 {
        let ns = u128::from(bytes) * 1_000_000_000;
        u64::try_from(ns.div_ceil(self.state.bytes_per_s.into())).unwrap_or(u64::MAX)
    }

    /// Takes some of `bytes` out of the bucket of a limited link.
    fn grant(&mut self, bytes: usize, now_us: u64) -> Grant {
        let burst = self.burst_bytes();
        let most = (burst / GRANTS_PER_BURST).max(BURST_BYTES_MIN);
        let bytes = bytes.min(usize::try_from(most).unwrap_or(usize::MAX));
        let since_ns = self.full_at_ns.max(now_us.saturating_mul(1000));
        self.full_at_ns = since_ns.saturating_add(self.time_ns(bytes as u64));
        let due_ns = self.full_at_ns.saturating_sub(self.time_ns(burst));
        Grant {
            due_us: due_ns.div_ceil(1000),
            bytes,
            era: self.era,
        }
    }

    /// What a queue may hold: more where bytes are on their way for long.
    fn buffer_bytes(&self) -> usize {
        let rate = match self.state.bytes_per_s {
            0 => FLIGHT_BYTES_PER_S,
            rate => rate.min(FLIGHT_BYTES_PER_S),
        };
        let flight = self.state.delay_us.saturating_mul(rate) / 1_000_000;
        BUFFER_BYTES + flight.min(FLIGHT_BYTES_MAX) as usize
    }
}

/// What was sent at one instant.
#[derive(Clone, Copy, Debug)]
struct Piece {
    sent_us: u64,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// So many bytes, never 0.
    Bytes(usize),
    Mark(Mark),
}

/// One direction of a connection: all that was sent and has not yet arrived.
#[derive(Debug, Default)]
pub struct Queue {
    /// The bytes of all pieces.
    bytes: VecDeque<u8>,
    pieces: VecDeque<Piece>,
    grant: Option<Grant>,
}

impl Queue {
    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether `bytes` more may come.
    pub fn has_room(&self, link: &Link, bytes: usize) -> bool {
        let held = self.bytes.len() + self.pieces.len() * PIECE_BYTES;
        held + bytes <= link.buffer_bytes()
    }

    /// Bytes are sent at `now_us`, which never goes back.
    pub fn send(&mut self, bytes: &[u8], now_us: u64) {
        if bytes.is_empty() {
            return;
        }
        self.bytes.extend(bytes);
        if let Some(last) = self.pieces.back_mut()
            && let What::Bytes(count) = &mut last.what
            && last.sent_us == now_us
        {
            *count += bytes.len();
            return;
        }
        self.pieces.push_back(Piece {
            sent_us: now_us,
            what: What::Bytes(bytes.len()),
        });
    }

    /// A mark is sent.
    pub fn send_mark(&mut self, mark: Mark, now_us: u64) {
        self.pieces.push_back(Piece {
            sent_us: now_us,
            what: What::Mark(mark),
        });
    }

    /// What leaves next, as of `now_us`.
    pub fn next(&mut self, link: &mut Link, now_us: u64) -> Next<'_> {
        let Some(first) = self.pieces.front() else {
            return Next::Nothing;
        };
        let Some(due_us) = link.due_us(first.sent_us) else {
            return Next::Cut;
        };
        if due_us > now_us {
            return Next::At(due_us);
        }
        if let What::Mark(mark) = first.what {
            return Next::Mark(mark);
        }
        let mut count = self.due_bytes(link, now_us);
        if link.state.bytes_per_s > 0 {
            let grant = match self.grant {
                Some(grant) if grant.era == link.era => grant,
                _ => *self.grant.insert(link.grant(count, now_us)),
            };
            if grant.due_us > now_us {
                return Next::At(grant.due_us);
            }
            count = count.min(grant.bytes);
        }
        // What is behind the end of the ring's memory leaves next time.
        let (bytes, _) = self.bytes.as_slices();
        Next::Bytes(&bytes[..count.min(bytes.len())])
    }

    /// The bytes at the front whose delay is over, up to the next mark; more than a few are not
    /// counted.
    fn due_bytes(&self, link: &Link, now_us: u64) -> usize {
        let mut sum = 0;
        for piece in &self.pieces {
            let due = link.due_us(piece.sent_us).is_some_and(|due| due <= now_us);
            match piece.what {
                What::Bytes(count) if due && sum < LEAVE_BYTES_MAX => sum += count,
                _ => break,
            }
        }
        sum.min(LEAVE_BYTES_MAX)
    }

    /// So many of the bytes of [`Queue::next`] have left.
    ///
    /// # Panics
    ///
    /// So many there were not.
    pub fn bytes_left(&mut self, count: usize) {
        self.bytes.drain(..count);
        let mut rest = count;
        while rest > 0 {
            let first = self.pieces.front_mut().expect("bytes belong to pieces");
            let What::Bytes(of_piece) = &mut first.what else {
                panic!("a mark is passed by nothing");
            };
            if *of_piece > rest {
                *of_piece -= rest;
                break;
            }
            rest -= *of_piece;
            self.pieces.pop_front();
        }
        if let Some(grant) = &mut self.grant {
            grant.bytes = grant.bytes.saturating_sub(count);
            self.grant.take_if(|grant| grant.bytes == 0);
        }
        if self.bytes.is_empty() && self.bytes.capacity() > IDLE_BYTES {
            self.bytes = VecDeque::new();
        }
    }

    /// The mark of [`Queue::next`] has left.
    pub fn mark_left(&mut self) {
        let piece = self.pieces.pop_front();
        let is_mark = piece.is_some_and(|piece| matches!(piece.what, What::Mark(_)));
        assert!(is_mark, "a mark is at the front");
    }

    /// Forgets all that is on its way.
    pub fn clear(&mut self) {
        *self = Queue::default();
    }
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
