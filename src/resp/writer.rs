//! Replies: RESP2 and RESP3 encoded straight into a client's output buffer.
//!
//! Every command ends here, so the encoder is on the hot path: no allocation per reply, headers
//! built on the stack and appended at once, and the buffer itself can be taken and put back so
//! that the server pools its memory. The client's protocol version is part of the value; callers
//! say what they mean (a map, a null, a double) and the writer spells it for the version at hand.
//!
//! Where a count is known only after the elements, [`Reply::begin`] leaves room for a one-digit
//! header and [`Reply::end`] fills it in; the elements move only when the count needs more digits.
//! Nested deferred headers are fine as long as they are ended innermost first.

/// The protocol version that a client negotiated with `HELLO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The default: simple strings, errors, integers, bulk strings and arrays.
    #[default]
    Resp2,
    /// Adds maps, sets, doubles, booleans, nulls, verbatim strings, big numbers and pushes.
    Resp3,
}

/// The kinds of aggregate whose length may be written later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// An array of elements.
    Array,
    /// A map, counted in pairs; RESP2 shows it as an array of twice as many elements.
    Map,
    /// A set; an array in RESP2.
    Set,
}

/// The place of a header that [`Reply::begin`] left open. It must be given back to
/// [`Reply::end`], unless the whole reply is withdrawn with [`Reply::truncate`].
#[must_use = "an aggregate that was begun must be ended"]
#[derive(Debug)]
pub struct Deferred {
    at: usize,
    kind: Aggregate,
}

/// Room left for a deferred header: a prefix, one digit, CR LF.
const DEFERRED_HEADER: [u8; 4] = *b"*0\r\n";

/// A prefix, an `i64` and CR LF.
const HEADER_BYTES_MAX: usize = 24;

/// An output buffer and the protocol version that it is written in.
#[derive(Debug, Default)]
pub struct Reply {
    buf: Vec<u8>,
    /// The version that the following replies are written in.
    pub protocol: Protocol,
    /// From this length on the buffer is never sent, if that is not 0.
    limit: usize,
    /// From this length on it is to be accounted for.
    due: usize,
}

impl Reply {
    /// An empty reply with a buffer of its own.
    pub fn new(protocol: Protocol) -> Reply {
        Reply::with_buf(Vec::new(), protocol)
    }

    /// A reply that appends to `buf`.
    pub fn with_buf(buf: Vec<u8>, protocol: Protocol) -> Reply {
        Reply {
            buf,
            protocol,
            limit: 0,
            due: usize::MAX,
        }
    }

    /// Says that a buffer longer than this will be thrown away with its client.
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// Whether nothing of this will be sent, so that there is no use in writing more.
    #[inline]
    pub fn is_moot(&self) -> bool {
        self.limit > 0 && self.buf.len() > self.limit
    }

    /// Says that what is written is to be accounted for once there are so many more bytes of it.
    pub fn set_due(&mut self, more_bytes: usize) {
        self.due = self.buf.len() + more_bytes;
    }

    /// Whether what was written is to be accounted for before more is.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.buf.len() >= self.due
    }

    /// Takes the buffer out and leaves an empty one that owns no memory.
    pub fn take_buf(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buf)
    }

    /// Bytes written so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing has been written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Bytes that the buffer can hold without growing: its memory.
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// What has been written.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buf
    }

    /// Forgets everything behind the first `len` bytes: how a reply is withdrawn.
    pub fn truncate(&mut self, len: usize) {
        self.buf.truncate(len);
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.buf.clear();
    }

    /// Appends bytes that are already RESP.
    #[inline]
    pub fn raw(&mut self, encoded: &[u8]) {
        self.buf.extend_from_slice(encoded);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// A simple string, such as `PONG`. It must not contain CR or LF.
    pub fn simple(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        debug_assert!(!text.iter().any(|c| matches!(c, b'\r' | b'\n')));
        self.buf.reserve(text.len() + 3);
        self.buf.push(b'+');
        self.raw(text);
        self.raw(b"\r\n");
    }

    /// An error: its code and message, without the leading `-`. Line ends inside become spaces and
    /// line ends around it are dropped, since they would break the protocol.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let is_line_end = |c: &u8| matches!(c, b'\r' | b'\n');
        let text = text.as_ref();
        let start = text.iter().take_while(|c| is_line_end(c)).count();
        let end = text.len()
            - text[start..]
                .iter()
                .rev()
                .take_while(|c| is_line_end(c))
                .count();
        self.buf.reserve(end - start + 3);
        self.buf.push(b'-');
        let message = self.buf.len();
        self.raw(&text[start..end]);
        for c in &mut self.buf[message..] {
            if is_line_end(c) {
                *c = b' ';
            }
        }
        self.raw(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        match value {
            0 => self.raw(b":0\r\n"),
            1 => self.raw(b":1\r\n"),
            _ => self.signed_header(b':', value),
        }
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, data: impl AsRef<[u8]>) {
        let data = data.as_ref();
        self.buf.reserve(data.len() + HEADER_BYTES_MAX + 2);
        self.header(b'$', data.len());
        self.raw(data);
        self.raw(b"\r\n");
    }

    /// An integer as a bulk string, as values that happen to be integers are shown.
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value));
    }

    /// The absence of a value.
    #[inline]
    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"$-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// The absence of an array.
    #[inline]
    pub fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"*-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// The header of an array; `len` elements follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// The header of a map; `pairs` keys, each followed by its value, come next.
    pub fn map(&mut self, pairs: usize) {
        self.aggregate(Aggregate::Map, pairs);
    }

    /// The header of a set; `len` elements follow.
    pub fn set(&mut self, len: usize) {
        self.aggregate(Aggregate::Set, len);
    }

    /// The header of an out-of-band push (an array in RESP2); `len` elements follow.
    pub fn push(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', len),
            Protocol::Resp3 => self.header(b'>', len),
        }
    }

    /// The header of an attribute of the reply behind it, which only RESP3 has.
    pub fn attribute(&mut self, pairs: usize) {
        assert_eq!(self.protocol, Protocol::Resp3, "RESP2 has no attributes");
        self.header(b'|', pairs);
    }

    /// A double, spelled with the fewest digits that read back as itself.
    pub fn double(&mut self, value: f64) {
        let mut text = [0u8; crate::base::numbers::DOUBLE_TEXT_BYTES_MAX];
        let len = crate::base::numbers::write_f64(value, &mut text);
        self.double_text(&text[..len]);
    }

    /// A number with a fraction that is already text.
    pub fn double_text(&mut self, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.prefixed_line(b',', text),
        }
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) {
        match (self.protocol, value) {
            (Protocol::Resp2, false) => self.raw(b":0\r\n"),
            (Protocol::Resp2, true) => self.raw(b":1\r\n"),
            (Protocol::Resp3, false) => self.raw(b"#f\r\n"),
            (Protocol::Resp3, true) => self.raw(b"#t\r\n"),
        }
    }

    /// Text for people, with its format as three characters (`txt`, `mkd`); padded if shorter.
    pub fn verbatim(&mut self, format: &str, data: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(data),
            Protocol::Resp3 => {
                let mut mark = *b"   :";
                for (slot, c) in mark[..3].iter_mut().zip(format.bytes()) {
                    *slot = c;
                }
                self.buf.reserve(data.len() + HEADER_BYTES_MAX + 6);
                self.header(b'=', data.len() + mark.len());
                self.raw(&mark);
                self.raw(data);
                self.raw(b"\r\n");
            }
        }
    }

    /// An integer beyond 64 bits, as its decimal digits.
    pub fn big_number(&mut self, digits: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits),
            Protocol::Resp3 => self.prefixed_line(b'(', digits),
        }
    }

    /// Opens an aggregate whose length is not known yet.
    pub fn begin(&mut self, kind: Aggregate) -> Deferred {
        let at = self.buf.len();
        self.raw(&DEFERRED_HEADER);
        Deferred { at, kind }
    }

    /// Opens an array whose length is not known yet.
    pub fn begin_array(&mut self) -> Deferred {
        self.begin(Aggregate::Array)
    }

    /// Closes an aggregate that turned out to have `len` elements (pairs, for a map).
    pub fn end(&mut self, deferred: Deferred, len: usize) {
        let (prefix, len) = self.spelling(deferred.kind, len);
        let mut text = [0u8; HEADER_BYTES_MAX];
        let start = header_text(&mut text, prefix, false, len as u64);
        let header = &text[start..];
        let room = deferred.at..deferred.at + DEFERRED_HEADER.len();
        if header.len() == room.len() {
            self.buf[room].copy_from_slice(header);
        } else {
            self.buf.splice(room, header.iter().copied());
        }
    }

    fn aggregate(&mut self, kind: Aggregate, len: usize) {
        let (prefix, len) = self.spelling(kind, len);
        self.header(prefix, len);
    }

    /// The prefix of an aggregate in this protocol, and the count that goes with it.
    fn spelling(&self, kind: Aggregate, len: usize) -> (u8, usize) {
        match (kind, self.protocol) {
            (Aggregate::Map, Protocol::Resp2) => (b'*', len * 2),
            (Aggregate::Map, Protocol::Resp3) => (b'%', len),
            (Aggregate::Set, Protocol::Resp3) => (b'~', len),
            (Aggregate::Array, _) | (Aggregate::Set, Protocol::Resp2) => (b'*', len),
        }
    }

    fn prefixed_line(&mut self, prefix: u8, text: &[u8]) {
        self.buf.reserve(text.len() + 3);
        self.buf.push(prefix);
        self.raw(text);
        self.raw(b"\r\n");
    }

    #[inline]
    fn header(&mut self, prefix: u8, len: usize) {
        push_header(&mut self.buf, prefix, len);
    }

    fn signed_header(&mut self, prefix: u8, value: i64) {
        let mut text = [0u8; HEADER_BYTES_MAX];
        let start = header_text(&mut text, prefix, value < 0, value.unsigned_abs());
        self.raw(&text[start..]);
    }
}

/// Appends a prefix, a length and CR LF. Most lengths have one or two digits.
#[inline]
pub(super) fn push_header(out: &mut Vec<u8>, prefix: u8, len: usize) {
    match len {
        0..10 => out.extend_from_slice(&[prefix, b'0' + len as u8, b'\r', b'\n']),
        10..100 => {
            let [tens, ones] = [b'0' + (len / 10) as u8, b'0' + (len % 10) as u8];
            out.extend_from_slice(&[prefix, tens, ones, b'\r', b'\n']);
        }
        _ => {
            let mut text = [0u8; HEADER_BYTES_MAX];
            let start = header_text(&mut text, prefix, false, len as u64);
            out.extend_from_slice(&text[start..]);
        }
    }
}

/// Writes prefix, number and CR LF to the end of `text`; gives the position of the prefix.
fn header_text(
    text: &mut [u8; HEADER_BYTES_MAX],
    prefix: u8,
    negative: bool,
    mut magnitude: u64,
) -> usize {
    text[HEADER_BYTES_MAX - 2..].copy_from_slice(b"\r\n");
    let mut at = HEADER_BYTES_MAX - 2;
    while magnitude >= 10 {
        at -= 1;
        text[at] = b'0' + (magnitude % 10) as u8;
        magnitude /= 10;
    }
    at -= 1;
    text[at] = b'0' + magnitude as u8;
    if negative {
        at -= 1;
        text[at] = b'-';
    }
    at -= 1;
    text[at] = prefix;
    at
}

#[cfg(test)]
mod tests;
