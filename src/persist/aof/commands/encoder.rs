//! Writing commands, word by word, through one large buffer.
//!
//! Words go into the buffer in the form that they have on the wire; when the next one does not fit,
//! the `Write` below gets all that is there in one piece. Words larger than the buffer go around
//! it. Nothing is allocated per word, and a key that is repeated costs its bytes once more.

use std::io::{self, Write};

use crate::data::listpack::Element;
use crate::data::stream::StreamId;
use crate::resp::args::{array_header, bulk};

/// The buffer is passed on when it holds this much: small enough to stay in the second-level
/// cache, large enough that a system call costs nothing per key.
const BUFFER_BYTES: usize = 128 * 1024;

/// Room for what stands around a word: a mark, the digits of its length and two line ends.
const FRAME_BYTES_MAX: usize = 32;

/// Writes one sequence of commands.
pub(super) struct Encoder<W> {
    sink: W,
    buffer: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(sink: W) -> Encoder<W> {
        Encoder {
            sink,
            buffer: Vec::with_capacity(BUFFER_BYTES),
        }
    }

    /// The line that says when it is, in seconds since the epoch, which is no command.
    pub(super) fn timestamp(&mut self, seconds: i64) -> io::Result<()> {
        self.make_room(FRAME_BYTES_MAX)?;
        write!(self.buffer, "#TS:{seconds}\r\n")
    }

    /// Begins a command of so many words, its name included; they follow.
    #[inline]
    pub(super) fn command(&mut self, words: usize) -> io::Result<()> {
        self.make_room(FRAME_BYTES_MAX)?;
        array_header(words, &mut self.buffer);
        Ok(())
    }

    /// Begins a command on a key, with so many words behind it; they follow.
    #[inline]
    pub(super) fn begin(&mut self, name: &[u8], key: &[u8], words: usize) -> io::Result<()> {
        self.command(2 + words)?;
        self.word(name)?;
        self.word(key)
    }

    /// One word.
    #[inline]
    pub(super) fn word(&mut self, word: &[u8]) -> io::Result<()> {
        if word.len() > BUFFER_BYTES - FRAME_BYTES_MAX {
            return self.large_word(word);
        }
        self.make_room(word.len() + FRAME_BYTES_MAX)?;
        bulk(word, &mut self.buffer);
        Ok(())
    }

    /// The word that is the decimal text of a number.
    #[inline]
    pub(super) fn int(&mut self, value: i64) -> io::Result<()> {
        self.word(itoa::Buffer::new().format(value).as_bytes())
    }

    /// The word that an element of a collection is.
    #[inline]
    pub(super) fn element(&mut self, element: Element<'_>) -> io::Result<()> {
        match element {
            Element::Int(value) => self.int(value),
            Element::Bytes(text) => self.word(text),
        }
    }

    /// The word that an id is.
    pub(super) fn id(&mut self, id: StreamId) -> io::Result<()> {
        self.word(id.text().as_ref())
    }

    /// Passes on what is there if there is no room for so many bytes.
    #[inline]
    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        if self.buffer.len() + bytes > BUFFER_BYTES {
            return self.pass_on();
        }
        Ok(())
    }

    #[cold]
    fn large_word(&mut self, word: &[u8]) -> io::Result<()> {
        self.make_room(FRAME_BYTES_MAX)?;
        write!(self.buffer, "${}\r\n", word.len())?;
        self.pass_on()?;
        self.sink.write_all(word)?;
        self.buffer.extend_from_slice(b"\r\n");
        Ok(())
    }

    #[cold]
    fn pass_on(&mut self) -> io::Result<()> {
        let result = self.sink.write_all(&self.buffer);
        self.buffer.clear();
        result
    }

    /// Gives the sink back, to which everything has been passed on.
    pub(super) fn into_sink(mut self) -> io::Result<W> {
        self.pass_on()?;
        Ok(self.sink)
    }
}
