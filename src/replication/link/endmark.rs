//! Finds the end of a snapshot whose length nobody knew.
//!
//! A master that streams its snapshot announces 40 random bytes and sends them again behind the
//! last byte. The network may cut anywhere, also in the middle of the mark, so what looks like the
//! beginning of the mark at the end of one read is held back until the next read decides. Only
//! that much is held back: everything else is passed on as it lies in the reader's buffer.

use std::ops::Range;

/// Bytes of a mark.
pub(super) const MARK_BYTES: usize = 40;

/// Looks for a mark in bytes that come in pieces.
#[derive(Debug)]
pub(super) struct EndMark {
    mark: [u8; MARK_BYTES],
    /// The last so many bytes received equal the beginning of the mark, and are held back; always
    /// less than all of it.
    held: usize,
}

/// What one piece holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// So many of the bytes held back are data after all; they come first. They are the first
    /// bytes of the mark.
    pub held: usize,
    /// This part of the piece is data.
    pub data: Range<usize>,
    /// The mark ended here in the piece; what follows is not ours.
    pub end: Option<usize>,
}

impl EndMark {
    pub fn new(mark: [u8; MARK_BYTES]) -> EndMark {
        EndMark { mark, held: 0 }
    }

    pub fn mark(&self) -> &[u8; MARK_BYTES] {
        &self.mark
    }

    /// Looks at the next piece.
    pub fn scan(&mut self, piece: &[u8]) -> Found {
        for skip in 0..self.held {
            // Does the mark begin `skip` bytes into what is held?
            let before = self.held - skip;
            let rest = &self.mark[before..];
            let known = rest.len().min(piece.len());
            let fits = self.mark[..before] == self.mark[skip..self.held]
                && rest[..known] == piece[..known];
            if fits && known == rest.len() {
                self.held = 0;
                return Found {
                    held: skip,
                    data: 0..0,
                    end: Some(known),
                };
            }
            if fits {
                self.held = before + piece.len();
                return Found {
                    held: skip,
                    data: 0..0,
                    end: None,
                };
            }
        }
        let held = std::mem::take(&mut self.held);
        if let Some(at) = memchr::memmem::find(piece, &self.mark) {
            return Found {
                held,
                data: 0..at,
                end: Some(at + MARK_BYTES),
            };
        }
        self.held = (1..MARK_BYTES.min(piece.len() + 1))
            .rev()
            .find(|&length| piece.ends_with(&self.mark[..length]))
            .unwrap_or(0);
        Found {
            held,
            data: 0..piece.len() - self.held,
            end: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    /// Feeds `stream` in pieces of random size; gives the data and what was left behind the mark.
    fn run(mark: &[u8; MARK_BYTES], stream: &[u8], rng: &mut Rng, most: u64) -> (Vec<u8>, usize) {
        let mut scanner = EndMark::new(*mark);
        let mut data = Vec::new();
        let mut at = 0;
        while at < stream.len() {
            let size = (1 + rng.below(most) as usize).min(stream.len() - at);
            let piece = &stream[at..at + size];
            let found = scanner.scan(piece);
            data.extend_from_slice(&mark[..found.held]);
            data.extend_from_slice(&piece[found.data]);
            if let Some(end) = found.end {
                return (data, stream.len() - at - end);
            }
            at += size;
        }
        panic!("the mark was not found");
    }

    #[test]
    fn the_end_is_found_however_the_network_cuts() {
        let mut rng = Rng::from_seed(1);
        for round in 0..2000 {
            // Few letters, so that false beginnings of the mark are everywhere.
            let letters = 1 + round % 3;
            let mut draw = |count: u64| -> Vec<u8> {
                (0..count)
                    .map(|_| b'a' + rng.below(letters) as u8)
                    .collect()
            };
            let mark: [u8; MARK_BYTES] = draw(40).try_into().expect("40 bytes");
            let body = draw(round % 200);
            let tail = draw(round % 7);
            let stream = [body.as_slice(), &mark, &tail].concat();
            let first = stream
                .windows(MARK_BYTES)
                .position(|w| w == mark)
                .expect("it is there");
            for most in [1, 3, 39, 40, 41, 500] {
                let (data, left) = run(&mark, &stream, &mut rng, most);
                assert_eq!(data, stream[..first], "round {round}");
                assert_eq!(left, stream.len() - first - MARK_BYTES, "round {round}");
            }
        }
    }

    #[test]
    fn ordinary_data_is_passed_on_at_once() {
        let mut scanner = EndMark::new([b'm'; MARK_BYTES]);
        let found = scanner.scan(b"data without a trace of it");
        assert_eq!(
            found,
            Found {
                held: 0,
                data: 0..26,
                end: None
            }
        );
    }
}
