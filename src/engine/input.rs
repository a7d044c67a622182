//! A client's read buffer: there while the client is active, as large as it needs.
//!
//! What one client sends at a time differs by orders of magnitude from client to client, and
//! hardly from minute to minute. So a buffer follows its client. It begins with
//! [`READ_BYTES_MIN`], enough for a pipeline of ordinary commands; when a read fills it, the next
//! one may take up to [`READ_BYTES_MAX`]; and it grows as far as a long incomplete command makes
//! it. Periodic work takes it back to what was used of late, and takes away what is unused once
//! the client has been idle for a while: ten thousand idle clients cost no buffers.
//!
//! For a turn the buffer is lent to the loop, which reads into it and runs what it holds; what is
//! left of an incomplete command moves to the front, and the parser goes on from there.

use std::ops::Range;

/// Room of a fresh buffer.
pub const READ_BYTES_MIN: usize = 16 * 1024;
/// Bytes read at once from a client, at most.
pub const READ_BYTES_MAX: usize = 64 * 1024;
/// A buffer up to this size is not made smaller while its client is active.
const KEPT_BYTES_MAX: usize = 32 * 1024;

/// See the module's head.
#[derive(Debug, Default)]
pub struct InputBuffer {
    /// The bytes from the beginning of an incomplete command on, or of commands that must wait.
    bytes: Vec<u8>,
    /// Length and capacity of the buffer while it is lent out.
    lent: Option<(usize, usize)>,
    /// Most bytes that were in it since the last look of periodic work.
    peak: usize,
    /// Whether the last read filled it.
    filled: bool,
}

impl InputBuffer {
    /// Whether there are no bytes in it, also while it is lent out.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in it, also while it is lent out.
    pub fn len(&self) -> usize {
        self.lent.map_or(self.bytes.len(), |(len, _)| len)
    }

    /// Memory that it takes, also while it is lent out.
    pub fn capacity(&self) -> usize {
        self.lent.map_or(self.bytes.capacity(), |(_, room)| room)
    }

    /// Lends the buffer for a turn, with the bytes that wait in it and room for more.
    pub fn lend(&mut self) -> Vec<u8> {
        self.make_room();
        std::mem::take(&mut self.bytes)
    }

    /// How much to read into a buffer that was lent.
    pub fn room(lent: &Vec<u8>) -> usize {
        (lent.capacity() - lent.len()).min(READ_BYTES_MAX)
    }

    /// Notes what a lent buffer holds after a read.
    pub fn note_read(&mut self, lent: &Vec<u8>) {
        self.lent = Some((lent.len(), lent.capacity()));
        self.peak = self.peak.max(lent.len());
        self.filled = lent.len() == lent.capacity();
    }

    /// Notes that the rest of what filled the buffer is read elsewhere: no reason to grow.
    pub fn note_detour(&mut self) {
        self.filled = false;
    }

    /// Takes the buffer back at the end of a turn; `rest` is what was not run.
    pub fn take_back(&mut self, mut lent: Vec<u8>, rest: Range<usize>) {
        lent.truncate(rest.end);
        lent.drain(..rest.start);
        self.bytes = lent;
        self.lent = None;
    }

    /// Half of it is free, or there is room for a large read if the last one was not enough.
    fn make_room(&mut self) {
        let wanted = if self.filled {
            READ_BYTES_MAX
        } else {
            READ_BYTES_MIN
        };
        let capacity = self.bytes.capacity();
        if capacity >= wanted && self.bytes.len() <= capacity / 2 {
            return;
        }
        if self.bytes.is_empty() {
            // Nothing to be carried over into the new allocation.
            self.bytes = Vec::with_capacity(wanted);
        } else {
            self.bytes.reserve(wanted);
        }
    }

    /// Gives back what an active client made no use of since the last call.
    pub fn trim_to_use(&mut self) {
        let capacity = self.bytes.capacity();
        if capacity > KEPT_BYTES_MAX && self.peak < capacity / 2 {
            self.bytes.shrink_to(self.peak.max(READ_BYTES_MIN));
        }
        self.peak = self.bytes.len();
    }

    /// Gives back what an idle client does not use now.
    pub fn trim_to_content(&mut self) {
        self.bytes.shrink_to_fit();
        self.peak = self.bytes.len();
        self.filled = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turn in which `bytes` arrive and all but the last `left` of them are run.
    fn turn(buffer: &mut InputBuffer, bytes: usize, left: usize) {
        let mut lent = buffer.lend();
        let got = bytes.min(InputBuffer::room(&lent));
        lent.resize(lent.len() + got, b'x');
        buffer.note_read(&lent);
        let end = lent.len();
        buffer.take_back(lent, end - left..end);
    }

    #[test]
    fn a_client_that_never_sent_anything_has_no_buffer() {
        let buffer = InputBuffer::default();
        assert_eq!((buffer.len(), buffer.capacity()), (0, 0));
    }

    #[test]
    fn small_commands_need_the_smallest_buffer() {
        let mut buffer = InputBuffer::default();
        for _ in 0..100 {
            turn(&mut buffer, 5000, 0);
        }
        assert_eq!((buffer.len(), buffer.capacity()), (0, READ_BYTES_MIN));
    }

    #[test]
    fn a_lent_buffer_is_still_counted() {
        let mut buffer = InputBuffer::default();
        let mut lent = buffer.lend();
        lent.extend_from_slice(b"PING\r\n");
        buffer.note_read(&lent);
        assert_eq!((buffer.len(), buffer.capacity()), (6, READ_BYTES_MIN));
        buffer.take_back(lent, 6..6);
        assert_eq!((buffer.len(), buffer.capacity()), (0, READ_BYTES_MIN));
    }

    #[test]
    fn a_filled_buffer_grows_and_what_is_unused_goes_again() {
        let mut buffer = InputBuffer::default();
        turn(&mut buffer, READ_BYTES_MAX, 0);
        turn(&mut buffer, READ_BYTES_MAX, 0);
        assert_eq!(buffer.capacity(), READ_BYTES_MAX);
        buffer.trim_to_use();
        assert_eq!(buffer.capacity(), READ_BYTES_MAX, "it was needed");
        turn(&mut buffer, 100, 0);
        buffer.trim_to_use();
        assert_eq!(buffer.capacity(), READ_BYTES_MIN);
        buffer.trim_to_content();
        assert_eq!(buffer.capacity(), 0);
    }

    #[test]
    fn a_buffer_between_the_sizes_stays_as_long_as_the_client_is_active() {
        let mut buffer = InputBuffer::default();
        turn(&mut buffer, 100, 0);
        for _ in 0..3 {
            buffer.trim_to_use();
        }
        assert_eq!(buffer.capacity(), READ_BYTES_MIN);
    }

    #[test]
    fn an_incomplete_command_is_kept_and_the_buffer_grows_by_doubling() {
        let mut buffer = InputBuffer::default();
        let mut grown = 0;
        let mut last = 0;
        for sent in 1..=1000 {
            turn(&mut buffer, 10_000, sent * 10_000);
            assert_eq!(buffer.len(), sent * 10_000);
            grown += usize::from(buffer.capacity() != last);
            last = buffer.capacity();
        }
        assert!(grown < 12, "{grown} times");
        assert!(last < 4 * 10_000_000);
        buffer.trim_to_content();
        assert_eq!((buffer.len(), buffer.capacity()), (10_000_000, 10_000_000));
        turn(&mut buffer, 10, 7);
        assert_eq!(buffer.len(), 7);
    }

    #[test]
    fn what_is_left_moves_to_the_front() {
        let mut buffer = InputBuffer::default();
        let mut lent = buffer.lend();
        lent.extend_from_slice(b"GET a\r\nGET b");
        buffer.take_back(lent, 7..12);
        assert_eq!(buffer.lend(), b"GET b");
    }
}
