//! The arguments of a command, wherever their bytes are.
//!
//! Handlers see [`Args`]: a length, slices by index, and perhaps the bytes of the whole command as
//! it came over the wire, which is what the replication log appends. Where the bytes live is
//! hidden, because there are three places and none of them should cost a copy:
//!
//! - the connection's input buffer, for all ordinary requests: a span per argument;
//! - a vector of its own, for a big argument that the connection read straight into it, and that
//!   [`Args::take`] hands over whole;
//! - one buffer per command, for commands that outlive the input: queued by `MULTI`, run by a
//!   script, read from a file ([`OwnedArgs`]).
//!
//! [`ArgRanges`] is what a parser fills; one is reused for command after command, so that
//! parsing allocates nothing.

use std::borrow::Cow;
use std::ops::{Index, Range};

use super::writer::push_header;

/// The bytes `start..end` of the buffer that the command was parsed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    /// Stands for an argument that lives in a vector of its own.
    const BIG: Span = Span {
        start: usize::MAX,
        end: usize::MAX,
    };

    #[inline]
    fn is_big(self) -> bool {
        self.start == usize::MAX
    }
}

/// So much of the beginning of an argument can be shown even when it has been taken.
pub const HEAD_BYTES: usize = 128;

/// An argument with a vector of its own.
#[derive(Debug)]
pub(super) struct BigArg {
    index: usize,
    data: Big,
}

/// The bytes of such an argument.
#[derive(Debug)]
enum Big {
    Here(Vec<u8>),
    /// They were taken; this is how they began, and how many they were.
    Taken {
        head: [u8; HEAD_BYTES],
        len: usize,
    },
}

impl Big {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Big::Here(bytes) => Some(bytes),
            Big::Taken { .. } => None,
        }
    }

    fn take(&mut self) -> Vec<u8> {
        let Big::Here(bytes) = self else {
            return Vec::new();
        };
        let bytes = std::mem::take(bytes);
        let mut head = [0; HEAD_BYTES];
        let shown = bytes.len().min(HEAD_BYTES);
        head[..shown].copy_from_slice(&bytes[..shown]);
        let len = bytes.len();
        *self = Big::Taken { head, len };
        bytes
    }
}

/// Room for so many arguments is kept from command to command.
const SPANS_KEPT_MAX: usize = 1024;

/// Where the bytes of the parsed command's arguments are to be found.
#[derive(Debug, Default)]
enum Source {
    /// In the buffer that was parsed; with the command's length if it is in canonical form.
    #[default]
    Input,
    InputCanonical {
        len: usize,
    },
    /// In `ArgRanges::unquoted`, since an inline request may have escapes.
    Unquoted,
}

/// The parser's result for one command: spans into the buffer it was given. Reused between
/// commands.
#[derive(Debug, Default)]
pub struct ArgRanges {
    pub(super) spans: Vec<Span>,
    bigs: Vec<BigArg>,
    unquoted: Vec<u8>,
    source: Source,
}

impl ArgRanges {
    /// Number of arguments, the command's name included.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no command in here.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The arguments, given the same slice that the parser was given when it found the command.
    pub fn args<'a>(&'a mut self, input: &'a [u8]) -> Args<'a> {
        let (buf, raw) = match self.source {
            Source::Input => (input, None),
            Source::InputCanonical { len } => (input, Some(&input[..len])),
            Source::Unquoted => (&self.unquoted[..], None),
        };
        Args {
            buf,
            spans: &self.spans,
            bigs: &mut self.bigs,
            raw,
            pinned: false,
        }
    }

    /// Lets go of what a large command took, once it has run. The memory that an ordinary one
    /// needs is kept for the next.
    #[inline]
    pub fn release(&mut self) {
        if !self.bigs.is_empty() || self.spans.capacity() > SPANS_KEPT_MAX {
            *self = ArgRanges::default();
        }
    }

    /// Forgets the command, to be filled with the next.
    #[inline]
    pub fn clear(&mut self) {
        self.spans.clear();
        self.bigs.clear();
        self.unquoted.clear();
        self.source = Source::Input;
    }

    /// Adds an argument that is these bytes of the input.
    #[inline]
    pub fn push(&mut self, bytes: Range<usize>) {
        let (start, end) = (bytes.start, bytes.end);
        self.spans.push(Span { start, end });
    }

    /// Says that the first `len` bytes of the input are the command in canonical RESP.
    #[inline]
    pub fn set_canonical(&mut self, len: usize) {
        self.source = Source::InputCanonical { len };
    }

    /// Exchanges the arguments found so far with those put aside for a command that is incomplete.
    pub(super) fn swap_partial(&mut self, spans: &mut Vec<Span>, bigs: &mut Vec<BigArg>) {
        std::mem::swap(&mut self.spans, spans);
        std::mem::swap(&mut self.bigs, bigs);
    }

    pub(super) fn push_big(&mut self, data: Vec<u8>) {
        self.bigs.push(BigArg {
            index: self.spans.len(),
            data: Big::Here(data),
        });
        self.spans.push(Span::BIG);
    }

    pub(super) fn push_unquoted(&mut self, arg: &[u8]) {
        let start = self.unquoted.len();
        self.unquoted.extend_from_slice(arg);
        self.spans.push(Span {
            start,
            end: self.unquoted.len(),
        });
        self.source = Source::Unquoted;
    }
}

impl BigArg {
    pub(super) fn held_bytes(&self) -> usize {
        match &self.data {
            Big::Here(bytes) => bytes.capacity(),
            Big::Taken { .. } => 0,
        }
    }
}

/// A command's arguments as its handler sees them; index 0 is the command's name.
#[derive(Debug)]
pub struct Args<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
    bigs: &'a mut [BigArg],
    raw: Option<&'a [u8]>,
    pinned: bool,
}

impl<'a> Args<'a> {
    /// Number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are no arguments, not even a name.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`, if there are that many. One that was taken reads as empty.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let span = self.spans.get(index)?;
        if span.is_big() {
            Some(self.big(index))
        } else {
            Some(&self.buf[span.start..span.end])
        }
    }

    /// How an argument begins, [`HEAD_BYTES`] at most, and how many bytes it has or had; also of
    /// one that was taken.
    pub fn head(&self, index: usize) -> (&[u8], usize) {
        let big = self.bigs.iter().find(|big| big.index == index);
        match big.map(|big| &big.data) {
            Some(Big::Taken { head, len }) => (&head[..HEAD_BYTES.min(*len)], *len),
            _ => {
                let whole = &self[index];
                (&whole[..whole.len().min(HEAD_BYTES)], whole.len())
            }
        }
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator + '_ {
        (0..self.spans.len()).map(|index| &self[index])
    }

    /// The arguments from `start` on; none if there are fewer.
    pub fn iter_from(&self, start: usize) -> impl ExactSizeIterator<Item = &[u8]> + '_ {
        (start.min(self.len())..self.len()).map(|index| &self[index])
    }

    /// The whole command in canonical RESP, where it came in that form and lies in one piece.
    pub fn raw(&self) -> Option<&'a [u8]> {
        self.raw
    }

    /// Asks that [`Args::take`] leave every argument in place, since the command will be encoded
    /// after it has run.
    pub fn pin(&mut self) {
        self.pinned = true;
    }

    /// Hands the argument over to be kept: a big one is moved out of here (and reads as empty from
    /// now on) unless the arguments are pinned; others are lent from the input buffer.
    pub fn take(&mut self, index: usize) -> Cow<'a, [u8]> {
        let span = self.spans[index];
        if !span.is_big() {
            return Cow::Borrowed(&self.buf[span.start..span.end]);
        }
        let pinned = self.pinned;
        let data = &mut self.big_mut(index).data;
        Cow::Owned(match data {
            Big::Here(bytes) if pinned => bytes.clone(),
            _ => data.take(),
        })
    }

    /// Appends the command in canonical RESP. No argument may have been taken away.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if let Some(raw) = self.raw {
            out.extend_from_slice(raw);
            return;
        }
        assert!(
            self.bigs.iter().all(|big| big.data.bytes().is_some()),
            "an argument has been moved away"
        );
        array_header(self.len(), out);
        for arg in self.iter() {
            bulk(arg, out);
        }
    }

    /// A copy that outlives the input buffer.
    pub fn to_owned(&self) -> OwnedArgs {
        match self.raw {
            Some(raw) => OwnedArgs {
                encoded: raw.into(),
                spans: self.spans.into(),
            },
            None => OwnedArgs::new(self.iter()),
        }
    }

    #[cold]
    fn big(&self, index: usize) -> &[u8] {
        let big = self.bigs.iter().find(|big| big.index == index);
        big.and_then(|big| big.data.bytes()).unwrap_or_default()
    }

    #[cold]
    fn big_mut(&mut self, index: usize) -> &mut BigArg {
        let big = self.bigs.iter_mut().find(|big| big.index == index);
        big.expect("a big span has a big argument")
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.get(index)
            .expect("arity was checked against the command's row")
    }
}

/// A command that owns its bytes, always in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedArgs {
    encoded: Box<[u8]>,
    spans: Box<[Span]>,
}

impl OwnedArgs {
    /// A command made of the given arguments.
    pub fn new<I>(args: I) -> OwnedArgs
    where
        I: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
    {
        let args = args.into_iter();
        let mut encoded = Vec::new();
        let mut spans = Vec::with_capacity(args.len());
        array_header(args.len(), &mut encoded);
        for arg in args {
            let arg = arg.as_ref();
            bulk(arg, &mut encoded);
            let end = encoded.len() - 2;
            spans.push(Span {
                start: end - arg.len(),
                end,
            });
        }
        OwnedArgs {
            encoded: encoded.into(),
            spans: spans.into(),
        }
    }

    /// The arguments as a handler sees them.
    pub fn args(&self) -> Args<'_> {
        Args {
            buf: &self.encoded,
            spans: &self.spans,
            bigs: &mut [],
            raw: Some(&self.encoded),
            pinned: false,
        }
    }

    /// The command in canonical RESP.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Memory held by the copy.
    pub fn held_bytes(&self) -> usize {
        self.encoded.len() + size_of_val(&*self.spans)
    }
}

/// Appends a command in canonical RESP.
pub fn encode_command(args: &[&[u8]], out: &mut Vec<u8>) {
    out.reserve(args.iter().map(|arg| arg.len() + 8).sum::<usize>() + 8);
    array_header(args.len(), out);
    for arg in args {
        bulk(arg, out);
    }
}

/// Appends the header of a command of `len` arguments; as many [`bulk`]s must follow.
pub fn array_header(len: usize, out: &mut Vec<u8>) {
    push_header(out, b'*', len);
}

/// Appends one argument of a command.
pub fn bulk(data: &[u8], out: &mut Vec<u8>) {
    push_header(out, b'$', data.len());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_encoded_canonically() {
        let mut out = Vec::new();
        encode_command(&[b"SET", b"key", b"", &[b'v'; 12]], &mut out);
        assert_eq!(
            out,
            b"*4\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n$12\r\nvvvvvvvvvvvv\r\n"
        );
    }

    #[test]
    fn an_owned_command_lends_its_arguments_and_its_encoding() {
        let owned = OwnedArgs::new(["SET", "key", ""]);
        let mut args = owned.args();
        assert_eq!(args.len(), 3);
        assert_eq!(args.iter().collect::<Vec<_>>(), [&b"SET"[..], b"key", b""]);
        assert_eq!(args.iter_from(1).collect::<Vec<_>>(), [&b"key"[..], b""]);
        assert_eq!(args.iter_from(9).count(), 0);
        assert_eq!(args.get(3), None);
        assert_eq!(
            args.raw(),
            Some(&b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n"[..])
        );
        assert!(matches!(args.take(1), Cow::Borrowed(b"key")));
        assert_eq!(args.to_owned(), owned);
    }

    fn with_big_value() -> ArgRanges {
        let mut ranges = ArgRanges::default();
        ranges.spans.push(Span { start: 0, end: 3 });
        ranges.push_big(vec![b'v'; 20]);
        ranges
    }

    #[test]
    fn a_big_argument_moves_out_once() {
        let mut ranges = with_big_value();
        let mut args = ranges.args(b"SET");
        assert_eq!(&args[1], &[b'v'; 20]);
        assert!(matches!(args.take(1), Cow::Owned(data) if data == [b'v'; 20]));
        assert_eq!(&args[1], b"");
        assert_eq!(args.head(1), (&[b'v'; 20][..], 20), "how it began is kept");
        assert_eq!(args.head(0), (&b"SET"[..], 3));
    }

    #[test]
    fn the_beginning_of_a_long_argument_is_shown_before_and_after_it_is_taken() {
        let mut ranges = ArgRanges::default();
        ranges.push_big(vec![b'v'; 1000]);
        let mut args = ranges.args(b"");
        let head = (&[b'v'; HEAD_BYTES][..], 1000);
        assert_eq!(args.head(0), head);
        assert_eq!(args.take(0).len(), 1000);
        assert_eq!(args.head(0), head);
    }

    #[test]
    fn a_pinned_big_argument_is_copied_and_can_still_be_encoded() {
        let mut ranges = with_big_value();
        let mut args = ranges.args(b"SET");
        args.pin();
        assert_eq!(args.take(1).len(), 20);
        let mut out = Vec::new();
        args.encode(&mut out);
        assert_eq!(out, b"*2\r\n$3\r\nSET\r\n$20\r\nvvvvvvvvvvvvvvvvvvvv\r\n");
        assert_eq!(args.to_owned().encoded(), out);
    }

    #[test]
    #[should_panic(expected = "moved away")]
    fn a_command_that_lost_an_argument_is_never_encoded() {
        let mut ranges = with_big_value();
        let mut args = ranges.args(b"SET");
        let _ = args.take(1);
        args.encode(&mut Vec::new());
    }
}
