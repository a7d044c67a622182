//! From pieces of a stream to items in a sink.
//!
//! A [`StreamLoader`] is pushed pieces of any size, from a file or a socket, and keeps only what
//! the decoder could not use yet: the beginning of the record in which a piece ended. It keeps
//! bytes that arrived, never room for bytes that were announced.

use super::decoder::{Decoder, DecoderOptions};
use super::error::{RdbError, RdbErrorKind};
use super::item::Item;

/// What becomes of the items.
pub trait Sink {
    /// Takes one item, or says what is wrong with it.
    fn item(&mut self, item: Item<'_>) -> Result<(), RdbErrorKind>;
}

/// Decodes a stream that comes in pieces.
pub struct StreamLoader {
    decoder: Decoder,
    /// The beginning of a record whose end has not come; shorter than the decoder wants.
    carry: Vec<u8>,
}

impl StreamLoader {
    /// A loader at the first byte of a stream.
    pub fn new(options: DecoderOptions) -> StreamLoader {
        StreamLoader {
            decoder: Decoder::new(options),
            carry: Vec::new(),
        }
    }

    /// Decodes the next piece. Returns how much of it belongs to the stream: all, unless the
    /// stream ends in it.
    pub fn push(&mut self, piece: &[u8], sink: &mut impl Sink) -> Result<usize, RdbError> {
        let mut used = 0;
        while !self.carry.is_empty() {
            let missing = self.decoder.wanted() - self.carry.len();
            let taken = missing.min(piece.len() - used);
            self.carry.extend_from_slice(&piece[used..used + taken]);
            used += taken;
            if taken < missing {
                return Ok(used);
            }
            // The carry now ends where the record ends at the earliest, so that nothing of what
            // follows the record has got into it.
            let decoded = decode(&mut self.decoder, &self.carry, sink)?;
            assert!(decoded == 0 || decoded == self.carry.len());
            self.carry.drain(..decoded);
        }
        used += decode(&mut self.decoder, &piece[used..], sink)?;
        if !self.is_done() {
            self.carry.extend_from_slice(&piece[used..]);
            used = piece.len();
        }
        Ok(used)
    }

    /// The fault to report if no more pieces come.
    pub fn unexpected_end(&self) -> RdbError {
        log::warn!("Short read or OOM loading DB. Unrecoverable error, aborting now.");
        self.decoder.unexpected_end()
    }

    /// Whether the end was reached.
    pub fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Bytes taken in.
    pub fn offset(&self) -> u64 {
        self.decoder.offset() + self.carry.len() as u64
    }
}

/// A fault that has a line of its own in the log, before the one that says that the load failed.
fn log_fault(error: &RdbError) {
    if let RdbErrorKind::WrongChecksum { computed, stored } = error.kind {
        log::warn!(
            "Wrong RDB checksum expected: ({computed:x}) but got ({stored:x}). Aborting now."
        );
    }
}

fn decode(decoder: &mut Decoder, bytes: &[u8], sink: &mut impl Sink) -> Result<usize, RdbError> {
    let mut feed = decoder.feed(bytes);
    while let Some(item) = feed.next().inspect_err(log_fault)? {
        if let Err(kind) = sink.item(item) {
            return Err(feed.fault(kind));
        }
    }
    Ok(feed.finish())
}
