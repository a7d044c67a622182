//! Messages on their way to other clients.
//!
//! Whoever publishes (a command, a key that expires) has no other client at hand, so messages wait
//! here until the command that caused them has ended, and then go to the output buffers of their
//! recipients in the order in which they were sent. A client that published to itself gets its
//! message behind the reply, as a push must not stand inside one.
//!
//! A message is encoded once, however many get it: RESP2 and RESP3 spell a push alike but for its
//! first byte. The bytes of a large one are shared by all who get it until the last has taken them.

use std::ops::Range;

use bytes::Bytes;

use crate::resp::writer::{Protocol, Reply};

/// Memory kept when everything is delivered.
const IDLE_BYTES_MAX: usize = 16 * 1024;

/// From this size on, a message is shared. Smaller ones cost less to copy than to keep apart.
const SHARED_BYTES_MIN: usize = 16 * 1024;

/// Where the bytes of a message are.
#[derive(Clone, Debug)]
enum Place {
    /// Among those of other small ones.
    Small(Range<usize>),
    /// By themselves, in [`Outbox::large`].
    Large(usize),
    /// Among the small ones; these are no push, but go out as they are.
    Line(Range<usize>),
    /// Keys of such a notice among the small ones; none for all keys.
    Invalidation {
        tracker: u64,
        keys: Option<Range<usize>>,
    },
}

/// A message and one who gets it.
#[derive(Clone, Debug)]
struct Delivery {
    to: u64,
    message: Place,
}

/// See the module's head.
#[derive(Default, Debug)]
pub struct Outbox {
    small: Vec<u8>,
    large: Vec<Bytes>,
    deliveries: Vec<Delivery>,
}

impl Outbox {
    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Bytes that it takes, but for large messages.
    pub fn memory(&self) -> usize {
        self.small.capacity() + self.deliveries.capacity() * size_of::<Delivery>()
    }

    /// Sends a push of these bulk strings to clients; says to how many.
    pub fn push(&mut self, parts: &[&[u8]], recipients: impl IntoIterator<Item = u64>) -> usize {
        let message = match parts.iter().map(|part| part.len()).sum::<usize>() {
            ..SHARED_BYTES_MIN => {
                let start = self.small.len();
                self.small = encode(std::mem::take(&mut self.small), parts);
                Place::Small(start..self.small.len())
            }
            bytes => {
                let room = Vec::with_capacity(bytes + HEADERS_BYTES_MAX);
                self.large.push(encode(room, parts).into());
                Place::Large(self.large.len() - 1)
            }
        };
        let before = self.deliveries.len();
        self.deliveries
            .extend(recipients.into_iter().map(|to| Delivery {
                to,
                message: message.clone(),
            }));
        self.deliveries.len() - before
    }

    /// Sends a client a push that is encoded already.
    pub fn send(&mut self, to: u64, push: &[u8]) {
        let start = self.small.len();
        self.small.extend_from_slice(push);
        let message = Place::Small(start..self.small.len());
        self.deliveries.push(Delivery { to, message });
    }

    /// Sends clients bytes that both protocols spell alike.
    pub fn send_line(&mut self, line: &[u8], recipients: impl IntoIterator<Item = u64>) {
        let start = self.small.len();
        self.small.extend_from_slice(line);
        let message = Place::Line(start..self.small.len());
        let deliveries = recipients.into_iter().map(|to| Delivery {
            to,
            message: message.clone(),
        });
        self.deliveries.extend(deliveries);
    }

    /// Tells a client that what it keeps of these keys, encoded as an array, holds no longer; or of
    /// all keys. It is told for `tracker`, itself or another.
    pub fn send_invalidation(&mut self, to: u64, tracker: u64, keys: Option<&[u8]>) {
        let keys = keys.map(|keys| {
            let start = self.small.len();
            self.small.extend_from_slice(keys);
            start..self.small.len()
        });
        let message = Place::Invalidation { tracker, keys };
        self.deliveries.push(Delivery { to, message });
    }

    /// Hands out everything in order: the client and its message.
    pub fn drain(&mut self, mut deliver: impl FnMut(u64, Message<'_>)) {
        let deliveries = std::mem::take(&mut self.deliveries);
        for delivery in &deliveries {
            let message = match &delivery.message {
                Place::Small(range) => Message::Small(&self.small[range.clone()]),
                Place::Line(range) => Message::Line(&self.small[range.clone()]),
                Place::Invalidation { tracker, keys } => Message::Invalidation {
                    tracker: *tracker,
                    redirected: *tracker != delivery.to,
                    keys: keys.clone().map(|keys| &self.small[keys]),
                },
                Place::Large(index) => Message::Large(&self.large[*index]),
            };
            deliver(delivery.to, message);
        }
        self.deliveries = deliveries;
        self.deliveries.clear();
        self.small.clear();
        self.large = Vec::new();
        self.deliveries
            .shrink_to(IDLE_BYTES_MAX / size_of::<Delivery>());
        self.small.shrink_to(IDLE_BYTES_MAX);
    }
}

/// Room for the headers of a push, so that encoding a large one does not move it.
const HEADERS_BYTES_MAX: usize = 160;

/// The channel on which those hear of keys who cannot get pushes.
const INVALIDATE: &str = "__redis__:invalidate";

fn write_invalidation(reply: &mut Reply, as_message: bool, keys: Option<&[u8]>) {
    match reply.protocol {
        Protocol::Resp3 => {
            reply.push(2);
            reply.bulk("invalidate");
        }
        Protocol::Resp2 if as_message => {
            reply.array(3);
            reply.bulk("message");
            reply.bulk(INVALIDATE);
        }
        Protocol::Resp2 => return,
    }
    match keys {
        Some(keys) => reply.raw(keys),
        None => reply.null(),
    }
}

/// Appends a push of bulk strings.
fn encode(buf: Vec<u8>, parts: &[&[u8]]) -> Vec<u8> {
    let mut reply = Reply::with_buf(buf, Protocol::Resp3);
    reply.push(parts.len());
    parts.iter().for_each(|part| reply.bulk(part));
    reply.take_buf()
}

/// One message, ready for either protocol.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// One to be copied.
    Small(&'a [u8]),
    /// One to be shared.
    Large(&'a Bytes),
    /// One that both protocols spell alike.
    Line(&'a [u8]),
    /// What a client keeps holds no longer.
    Invalidation {
        /// The client that tracks keys.
        tracker: u64,
        /// Another one is told in its place.
        redirected: bool,
        /// The keys, encoded as an array; none for all keys.
        keys: Option<&'a [u8]>,
    },
    /// The client of this number, who was told in place of this one, is gone.
    RedirectionBroken(u64),
}

impl Message<'_> {
    /// Appends the message as the protocol of the reply spells it. What has no spelling there is
    /// left out: a notice of keys, but for one that comes from elsewhere to a client that is
    /// `subscribed` to something.
    pub fn write(self, reply: &mut Reply, subscribed: bool) {
        let bytes = match self {
            Message::Invalidation {
                redirected, keys, ..
            } => return write_invalidation(reply, redirected && subscribed, keys),
            Message::RedirectionBroken(id) => {
                if reply.protocol == Protocol::Resp3 {
                    reply.push(2);
                    reply.bulk("tracking-redir-broken");
                    reply.int(id as i64);
                }
                return;
            }
            Message::Line(bytes) => return reply.raw(bytes),
            Message::Small(bytes) => bytes,
            Message::Large(bytes) => &bytes[..],
        };
        reply.raw(Message::first_byte(reply.protocol));
        reply.raw(&bytes[1..]);
    }

    /// What is shared of a large message: all but its first byte.
    pub fn shared(self) -> Option<Bytes> {
        match self {
            Message::Large(bytes) => Some(bytes.slice(1..)),
            _ => None,
        }
    }

    /// The first byte of a push, in which the protocols differ.
    pub fn first_byte(protocol: Protocol) -> &'static [u8] {
        match protocol {
            Protocol::Resp2 => b"*",
            Protocol::Resp3 => b">",
        }
    }
}
