//! A line of text that needs no heap: for whoever must be able to speak at any moment, such as the
//! handler of a crash, or a forked child whose other threads are gone.
//!
//! What does not fit is left out, so a line always has an end.

use std::fmt::{self, Write};

/// A line on its way; text is written to it as to any [`Write`].
pub struct Line {
    bytes: [u8; Line::BYTES_MAX],
    len: usize,
}

impl Line {
    /// Bytes of a line at most, with its end.
    pub const BYTES_MAX: usize = 4096;

    /// A line of this text.
    pub fn of(text: fmt::Arguments<'_>) -> Line {
        let mut line = Line::default();
        let _ = line.write_fmt(text);
        line
    }

    /// The text so far.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The text and the end of the line.
    pub fn ended(&mut self) -> &[u8] {
        self.bytes[self.len] = b'\n';
        &self.bytes[..=self.len]
    }
}

impl Default for Line {
    fn default() -> Line {
        Line {
            bytes: [0; Line::BYTES_MAX],
            len: 0,
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = Line::BYTES_MAX - 1 - self.len;
        let taken = text.len().min(room);
        self.bytes[self.len..self.len + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.len += taken;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_text_and_an_end() {
        let mut line = Line::of(format_args!("{} is {}", "six", 6));
        assert_eq!(line.text(), b"six is 6");
        assert_eq!(line.ended(), b"six is 6\n");
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut line = Line::of(format_args!("{}", "x".repeat(2 * Line::BYTES_MAX)));
        assert_eq!(line.ended().len(), Line::BYTES_MAX);
        assert_eq!(line.ended().last(), Some(&b'\n'));
    }
}
