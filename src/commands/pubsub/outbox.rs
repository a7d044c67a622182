//! Messages on their way to other clients.
//!
//! Whoever publishes (a command, a key that expires) has no other client at hand, so messages wait
//! here until the command that caused them has ended, and then go to the output buffers of their
//! recipients in the order in which they were sent. A client that published to itself gets its
//! message behind the reply, as a push must not stand inside one.
//!
//! A message is encoded once, however many get it: RESP2 and RESP3 spell a push alike but for its
//! first byte.

use std::ops::Range;

use crate::resp::writer::{Protocol, Reply};

/// Memory kept when everything is delivered.
const IDLE_BYTES_MAX: usize = 16 * 1024;

/// A recipient and its message's place in the bytes.
#[derive(Clone, Debug)]
struct Letter {
    to: u64,
    place: Range<usize>,
}

/// See the module's head.
#[derive(Default, Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    letters: Vec<Letter>,
}

impl Outbox {
    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Sends a push of these bulk strings to clients; says to how many.
    pub fn push(&mut self, words: &[&[u8]], recipients: impl IntoIterator<Item = u64>) -> usize {
        let start = self.bytes.len();
        let mut text = Reply::with_buf(std::mem::take(&mut self.bytes), Protocol::Resp3);
        text.push(words.len());
        words.iter().for_each(|word| text.bulk(word));
        self.bytes = text.take_buf();
        let place = start..self.bytes.len();
        let before = self.letters.len();
        self.letters.extend(recipients.into_iter().map(|to| Letter {
            to,
            place: place.clone(),
        }));
        self.letters.len() - before
    }

    /// Sends a client a push that is encoded already.
    pub fn send(&mut self, to: u64, push: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(push);
        let place = start..self.bytes.len();
        self.letters.push(Letter { to, place });
    }

    /// Hands out everything in order: the client and its message.
    pub fn drain(&mut self, mut deliver: impl FnMut(u64, Message<'_>)) {
        let letters = std::mem::take(&mut self.letters);
        for letter in &letters {
            deliver(letter.to, Message(&self.bytes[letter.place.clone()]));
        }
        self.letters = letters;
        self.letters.clear();
        self.bytes.clear();
        self.letters.shrink_to(IDLE_BYTES_MAX / size_of::<Letter>());
        self.bytes.shrink_to(IDLE_BYTES_MAX);
    }
}

/// One message, ready for either protocol.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a>(&'a [u8]);

impl Message<'_> {
    /// Appends the message as the protocol of the reply spells it.
    pub fn write(self, reply: &mut Reply) {
        let kind: &[u8] = match reply.protocol {
            Protocol::Resp2 => b"*",
            Protocol::Resp3 => b">",
        };
        reply.raw(kind);
        reply.raw(&self.0[1..]);
    }
}
