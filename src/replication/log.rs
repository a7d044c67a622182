//! The replication log: the one copy of every byte of the replication stream.
//!
//! A master must keep the bytes it wrote for three readers: replicas that are online and a little
//! behind, replicas that wait for a snapshot and will need everything since it was begun, and
//! replicas that are away and hope to continue where they stopped. One buffer for each of them
//! would copy every write many times. So there is one append-only log with absolute offsets, and
//! the readers are numbers: the backlog is a window over the end of it, a replica is a cursor.
//!
//! ```text
//!   first                                                     next
//!     v                                                         v
//!    [ block ][ block ][ block ][ block ][ block ][ block ][ tail ..   ]
//!              ^ cursor of a slow replica          ^ cursor     ^ cursor of one up to date
//!                                 |<----------- window ---------->|
//! ```
//!
//! Offsets count bytes from the beginning of the history: the first byte of a history has offset
//! 1, the offset of a stream of `n` bytes is `n`. `first` is the offset of the oldest byte held,
//! `next` the offset that the next appended byte will get; they are equal while the log is empty.
//!
//! Blocks have one size, so the block that holds an offset is found by a division, and a block
//! that falls out of use at the front serves again at the back: a log that turns over does not
//! allocate. A block is dropped only when neither the window nor a cursor needs it, hence a slow
//! replica makes the history that others can continue from longer, never shorter. Whoever drops a
//! cursor far behind may free thousands of blocks; that is done a bounded number at a time, by
//! the appends and ticks that follow.
//!
//! A replica that needs a full sync leaves its cursor where its snapshot was begun, maybe for
//! hours. What only such *syncing* readers need does not have to be in memory: beyond a limit
//! [`ReplLog::spillable`] offers the block at the front, which the driver copies to disk and
//! reports with [`ReplLog::on_spilled`]. Blocks leave memory in their order, so what is on disk,
//! the *cold* part, is one range in front of what is held here:
//!
//! ```text
//!   cold_first                  first                          next
//!     v                           v                              v
//!     . . . . on disk . . . . . .[ block ][ block ][ block ][ tail ..   ]
//!         ^ cursor that syncs                ^ cursor  |<-- window --->|
//! ```
//!
//! A reader in the cold part is served by the driver ([`ReplLog::cold_range`]). It counts as
//! syncing until it has come close to the end, so that the last stretch, which is in memory and may
//! be longer than the limit that holds for others, does not become a trap. Any other reader keeps
//! the blocks before it in memory, and has a limit for that.
//!
//! **The sum.** Two servers at the same offset of the same history must have seen the same bytes.
//! So the log keeps a running checksum of the stream, from its history's first byte on, and with
//! each block the sum of all that is before it; the sum at any offset held is that of its block,
//! and of at most a block's bytes. It is computed a block at a time, when the next one is opened:
//! bytes that come a command at a time would cost several times as much. Where the sum at the log's
//! beginning is not known (our master is one that does not tell), there is none.
//!
//! **Commands.** Whoever looks into the log at some offset sees the middle of a command. With each
//! block stands where in it the first command begins, and which database is selected there.
//!
//! Invariants (see [`ReplLog::check_invariants`]): every block but the last is full; `first <=
//! cursor <= next` for every cursor, and `cold_first <= cursor` for one that syncs; `cold_first <=
//! first`; the lengths of the blocks add up to `next - first`.

use std::collections::VecDeque;
use std::ops::Range;

use slab::Slab;

use crate::base::crc64;

/// Bytes in a block. Small against the default window of 1 MiB, so that trimming by whole blocks
/// stays close to the size that was asked for.
pub const BLOCK_BYTES: usize = 16 * 1024;

/// The most blocks freed by one call: 2 MiB.
const TRIM_BLOCKS_MAX: usize = 128;

/// The smallest window; smaller sizes are raised to it.
pub const WINDOW_BYTES_MIN: u64 = BLOCK_BYTES as u64;

/// What a block costs: its bytes and its entry in the queue.
const BLOCK_MEMORY: usize = BLOCK_BYTES + size_of::<Block>();

/// The queue of blocks keeps room for so many, and for four times as many as there are.
const PLACES_MIN: usize = 32;

/// Where a command of the stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandStart {
    /// The offset of its first byte.
    pub offset: u64,
    /// The database that the stream has selected there; `None` before the first `SELECT`.
    pub db: Option<u32>,
}

/// A stretch of the stream.
#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    /// The sum of the stream up to its first byte, if that is known.
    sum_before: Option<u64>,
    /// The first command that begins in it, if one does.
    start: Option<CommandStart>,
}

impl Block {
    /// Bytes that it can still take.
    #[inline]
    fn room(&self) -> usize {
        BLOCK_BYTES - self.bytes.len()
    }
}

/// A reader's place in a [`ReplLog`]. It keeps every byte from its position on alive, so it must
/// be given back with [`ReplLog::detach`]; it can be neither copied nor made up.
#[derive(Debug)]
pub struct Cursor(usize);

/// What a reader is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderKind {
    /// It is in step, or nearly: what it has not read stays in memory.
    Live,
    /// It needs a full sync, or comes from one: what it has not read may go to disk.
    Syncing,
}

/// A reader.
#[derive(Clone, Copy, Debug)]
struct Reader {
    /// The offset it will read next.
    offset: u64,
    kind: ReaderKind,
}

/// An append-only log of the replication stream; see the module's head.
#[derive(Debug)]
pub struct ReplLog {
    /// All full, except the last one.
    blocks: VecDeque<Block>,
    /// Offset of the oldest byte that is on disk for somebody; `first` if none is.
    cold_first: u64,
    /// Offset of the oldest byte held.
    first: u64,
    /// Offset that the next byte will get; `first <= next`.
    next: u64,
    /// How much history to keep for replicas that are away, in bytes.
    window_bytes: u64,
    /// For each cursor whose it is.
    cursors: Slab<Reader>,
    /// Bytes of a block dropped at the front, empty, to serve again at the back.
    spare: Option<Vec<u8>>,
    /// The sum of the stream up to the last block; up to the end while there is no block.
    sum: Option<u64>,
}

impl ReplLog {
    /// An empty log whose first byte will have offset `next`; `sum` is that of the stream so far,
    /// if it is known.
    pub fn new(next: u64, window_bytes: u64, sum: Option<u64>) -> ReplLog {
        assert!(next > 0, "the first byte of a history has offset 1");
        ReplLog {
            blocks: VecDeque::new(),
            cold_first: next,
            first: next,
            next,
            window_bytes: window_bytes.max(WINDOW_BYTES_MIN),
            cursors: Slab::new(),
            spare: None,
            sum,
        }
    }

    /// Offset of the oldest byte held; equal to [`next`](Self::next) while nothing is.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Offset that the next appended byte will get.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Bytes held.
    pub fn history_bytes(&self) -> u64 {
        self.next - self.first
    }

    /// Offset of the oldest byte that can still be read, be it held or on disk.
    pub fn cold_first(&self) -> u64 {
        self.cold_first
    }

    /// Whether a reader may start at `offset`: at a byte that is held, or right behind the last.
    pub fn can_read_from(&self, offset: u64) -> bool {
        (self.first..=self.next).contains(&offset)
    }

    /// Appends bytes of the stream that begin with a command, in front of which `db` is selected.
    #[inline]
    pub fn append(&mut self, bytes: &[u8], db: Option<u32>) {
        // Usually the last block has room, and a command begins in it already.
        match self.blocks.back_mut() {
            Some(tail) if tail.start.is_some() && bytes.len() <= tail.room() => {
                tail.bytes.extend_from_slice(bytes);
                self.next += bytes.len() as u64;
            }
            _ => self.append_in_parts(bytes, db),
        }
    }

    fn append_in_parts(&mut self, mut bytes: &[u8], db: Option<u32>) {
        let begin = self.next;
        let next = self.next + bytes.len() as u64;
        while !bytes.is_empty() {
            let room = self.blocks.back().map_or(0, Block::room);
            if room == 0 {
                self.open_block();
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            let tail = self.blocks.back_mut().expect("a block with room");
            if self.next == begin && tail.start.is_none() {
                tail.start = Some(CommandStart { offset: begin, db });
            }
            tail.bytes.extend_from_slice(now);
            self.next += now.len() as u64;
            bytes = later;
        }
        assert_eq!(self.next, next, "every byte was appended once");
    }

    fn open_block(&mut self) {
        if let Some(tail) = self.blocks.back() {
            debug_assert_eq!(
                tail.bytes.len(),
                BLOCK_BYTES,
                "only the last one may be short"
            );
            self.sum = self.sum.map(|sum| crc64::extend(sum, &tail.bytes));
        }
        let bytes = self
            .spare
            .take()
            .unwrap_or_else(|| Vec::with_capacity(BLOCK_BYTES));
        assert!(bytes.is_empty(), "a spare block holds nothing");
        self.blocks.push_back(Block {
            bytes,
            sum_before: self.sum,
            start: None,
        });
        self.trim();
    }

    /// The checksum of the stream up to `offset`, included, if it is known and the bytes are held
    /// that it takes. Costs a walk over a block.
    pub fn sum_up_to(&self, offset: u64) -> Option<u64> {
        if !self.can_read_from(offset + 1) {
            return None;
        }
        let (index, count) = self.locate(offset + 1);
        match self.blocks.get(index) {
            Some(block) => Some(crc64::extend(block.sum_before?, &block.bytes[..count])),
            // Behind the last byte of a full block, or of nothing.
            None => match self.blocks.back() {
                Some(tail) => Some(crc64::extend(tail.sum_before?, &tail.bytes)),
                None => self.sum,
            },
        }
    }

    /// The last command known to begin at `offset` or before; whoever looks for another one reads
    /// on from there. `None` if none is held.
    pub fn command_start_before(&self, offset: u64) -> Option<CommandStart> {
        if !self.can_read_from(offset) {
            return None;
        }
        let (index, _) = self.locate(offset);
        let blocks = self.blocks.iter().take(index + 1).rev();
        blocks
            .filter_map(|block| block.start)
            .find(|start| start.offset <= offset)
    }

    /// The first command known to begin at `offset` or behind it.
    pub fn command_start_after(&self, offset: u64) -> Option<CommandStart> {
        if !self.can_read_from(offset) {
            return None;
        }
        let (index, _) = self.locate(offset);
        let blocks = self.blocks.range(index.min(self.blocks.len())..);
        blocks
            .filter_map(|block| block.start)
            .find(|start| start.offset >= offset)
    }

    /// Drops blocks that nobody needs, at most a bounded number of them.
    pub fn trim(&mut self) {
        let slowest = self.slowest_cursor();
        for _ in 0..TRIM_BLOCKS_MAX {
            let without_front = self.history_bytes().saturating_sub(BLOCK_BYTES as u64);
            if self.blocks.len() <= 1 || without_front <= self.window_bytes {
                break;
            }
            let second = self.first + BLOCK_BYTES as u64;
            if slowest.is_some_and(|offset| offset < second) {
                break;
            }
            self.drop_front();
        }
        self.release_cold(slowest);
    }

    /// Lets go of the block at the front, whose bytes are on disk or not needed any more.
    fn drop_front(&mut self) {
        let front = self.blocks.pop_front().expect("more than one block");
        let mut bytes = front.bytes;
        assert_eq!(bytes.len(), BLOCK_BYTES, "only the last block may be short");
        self.first += BLOCK_BYTES as u64;
        if self.spare.is_none() {
            bytes.clear();
            self.spare = Some(bytes);
        }
        if self.blocks.capacity() > PLACES_MIN.max(4 * self.blocks.len()) {
            self.blocks.shrink_to(2 * self.blocks.len());
        }
    }

    /// Nobody needs what is on disk before the slowest reader.
    fn release_cold(&mut self, slowest: Option<u64>) {
        let needed = slowest.unwrap_or(self.first).min(self.first);
        self.cold_first = self.cold_first.max(needed);
    }

    fn slowest_cursor(&self) -> Option<u64> {
        self.cursors.iter().map(|(_, reader)| reader.offset).min()
    }

    // ---- What goes to disk ----

    /// The block at the front and the offset of its first byte, if it is to go to disk: it is full,
    /// outside of the window, needed by syncing readers only, and more than `bytes_max` are held
    /// beyond the window.
    #[inline]
    pub fn spillable(&self, bytes_max: u64) -> Option<(u64, &[u8])> {
        let beyond = self.history_bytes().saturating_sub(self.window_bytes);
        if beyond <= bytes_max.max(BLOCK_BYTES as u64) {
            return None;
        }
        self.spillable_front()
    }

    fn spillable_front(&self) -> Option<(u64, &[u8])> {
        let second = self.first + BLOCK_BYTES as u64;
        let needs_front = |(_, reader): (usize, &Reader)| {
            (reader.offset < second).then_some(reader.kind == ReaderKind::Syncing)
        };
        let all_sync = self
            .cursors
            .iter()
            .filter_map(needs_front)
            .try_fold(false, |_, syncs| syncs.then_some(true))?;
        // What nobody needs is dropped.
        let front = &self.blocks.front().filter(|_| all_sync)?.bytes[..];
        (front.len() == BLOCK_BYTES && self.blocks.len() > 1).then_some((self.first, front))
    }

    /// What [`spillable`](Self::spillable) showed is on disk: it is let go here.
    pub fn on_spilled(&mut self) {
        self.drop_front();
    }

    /// The part of what the cursor has not read yet that is on disk, if any is.
    pub fn cold_range(&self, cursor: &Cursor) -> Option<Range<u64>> {
        let position = self.position(cursor);
        (position < self.first).then_some(position..self.first)
    }

    /// Whether the cursor is that of a reader that syncs.
    pub fn is_syncing(&self, cursor: &Cursor) -> bool {
        self.cursors[cursor.0].kind == ReaderKind::Syncing
    }

    /// The cursor's reader has loaded its snapshot and reads the log; if it is close to the end, it
    /// syncs no more. Half of the window is close: no limit of a live reader is below the window.
    pub fn settle(&mut self, cursor: &Cursor) {
        let close = self.next.saturating_sub(self.window_bytes / 2);
        let close = close.max(self.first);
        let reader = &mut self.cursors[cursor.0];
        if reader.kind == ReaderKind::Syncing && reader.offset >= close {
            reader.kind = ReaderKind::Live;
        }
    }

    /// The kind of a reader that is let in at this offset, reading at once.
    pub fn kind_at(&self, offset: u64) -> ReaderKind {
        match offset >= self.first && self.next - offset <= self.window_bytes {
            true => ReaderKind::Live,
            false => ReaderKind::Syncing,
        }
    }

    // ---- Readers ----

    /// Changes the size of the window; what no longer fits is dropped now or soon.
    pub fn set_window(&mut self, window_bytes: u64) {
        self.window_bytes = window_bytes.max(WINDOW_BYTES_MIN);
        self.trim();
    }

    /// A cursor that will read from `offset` on, which must satisfy
    /// [`can_read_from`](Self::can_read_from), or be one of [`cold_first`](Self::cold_first) or
    /// behind for a reader that syncs.
    pub fn attach(&mut self, offset: u64, kind: ReaderKind) -> Cursor {
        let first = match kind {
            ReaderKind::Live => self.first,
            ReaderKind::Syncing => self.cold_first,
        };
        let can_be_read = (first..=self.next).contains(&offset);
        assert!(can_be_read, "offset {offset} is not held");
        Cursor(self.cursors.insert(Reader { offset, kind }))
    }

    /// A second cursor at the place of the first.
    pub fn fork(&mut self, cursor: &Cursor) -> Cursor {
        let Reader { offset, kind } = self.cursors[cursor.0];
        self.attach(offset, kind)
    }

    /// Takes a cursor back and lets go of what only it needed.
    pub fn detach(&mut self, cursor: Cursor) {
        self.cursors.remove(cursor.0);
        self.trim();
    }

    /// The offset that the cursor reads next.
    pub fn position(&self, cursor: &Cursor) -> u64 {
        self.cursors[cursor.0].offset
    }

    /// Bytes that the cursor has not read yet.
    pub fn pending_bytes(&self, cursor: &Cursor) -> u64 {
        self.next - self.position(cursor)
    }

    /// What the cursor has not read yet, in order, in pieces as they lie in memory. Nothing, while
    /// what it has to read next is on disk.
    pub fn chunks(&self, cursor: &Cursor) -> impl Iterator<Item = &[u8]> {
        let (index, skip) = match self.cold_range(cursor) {
            Some(_) => (self.blocks.len(), 0),
            None => self.locate(self.position(cursor)),
        };
        self.blocks
            .range(index.min(self.blocks.len())..)
            .enumerate()
            .map(move |(i, block)| &block.bytes[if i == 0 { skip } else { 0 }..])
            .filter(|chunk| !chunk.is_empty())
    }

    /// Notes that the cursor has read `bytes` more.
    pub fn advance(&mut self, cursor: &Cursor, bytes: usize) {
        let reader = &mut self.cursors[cursor.0];
        let position = &mut reader.offset;
        let was_in_front = *position < self.first + BLOCK_BYTES as u64;
        let was_cold = *position < self.first;
        *position += bytes as u64;
        assert!(
            *position <= self.next,
            "read {bytes} bytes that were never appended"
        );
        let is_behind_front = *position >= self.first + BLOCK_BYTES as u64;
        if was_cold || was_in_front && is_behind_front {
            self.trim();
        }
    }

    /// Index of the block that holds `offset`, and where in it.
    fn locate(&self, offset: u64) -> (usize, usize) {
        assert!(self.can_read_from(offset), "offset {offset} is not held");
        let distance = (offset - self.first) as usize;
        (distance / BLOCK_BYTES, distance % BLOCK_BYTES)
    }

    /// Memory of the log; each byte counts once, however many read it.
    pub fn memory_bytes(&self) -> usize {
        let bytes = (self.blocks.len() + usize::from(self.spare.is_some())) * BLOCK_BYTES;
        bytes + self.blocks.capacity() * size_of::<Block>()
    }

    /// Memory of the blocks from the cursor's on: what its owner's slowness may cost, though it
    /// shares them with others. What is on disk does not count.
    pub fn cursor_memory_bytes(&self, cursor: &Cursor) -> usize {
        let (index, _) = self.locate(self.position(cursor).max(self.first));
        self.blocks.len().saturating_sub(index) * BLOCK_MEMORY
    }

    /// The last bytes of the stream, `max` at most: what an operator wants to see when the stream
    /// turns out to be wrong.
    pub fn last_bytes(&self, max: usize) -> Vec<u8> {
        let from = self.next.saturating_sub(max as u64).max(self.first);
        let (index, skip) = self.locate(from);
        let mut bytes = Vec::with_capacity((self.next - from) as usize);
        for (i, block) in self.blocks.iter().enumerate().skip(index) {
            bytes.extend_from_slice(&block.bytes[if i == index { skip } else { 0 }..]);
        }
        bytes
    }

    /// Number of cursors attached.
    pub fn cursor_count(&self) -> usize {
        self.cursors.len()
    }

    /// Asserts what must hold between any two calls. Costs a walk over all blocks.
    pub fn check_invariants(&self) {
        let held: usize = self.blocks.iter().map(|block| block.bytes.len()).sum();
        assert_eq!(
            held as u64,
            self.next - self.first,
            "blocks cover first..next"
        );
        let full = self.blocks.len().saturating_sub(1);
        for block in self.blocks.iter().take(full) {
            assert_eq!(
                block.bytes.len(),
                BLOCK_BYTES,
                "only the last block may be short"
            );
        }
        assert!(self.cold_first <= self.first, "on disk, and not held");
        for (_, reader) in &self.cursors {
            let first = match reader.kind {
                ReaderKind::Live => self.first,
                ReaderKind::Syncing => self.cold_first,
            };
            assert!(
                (first..=self.next).contains(&reader.offset),
                "a cursor lost its bytes"
            );
        }
    }
}

#[cfg(test)]
mod tests;
