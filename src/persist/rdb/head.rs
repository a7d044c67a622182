//! Whether a snapshot holds a key: told by its head, without loading it.
//!
//! Before the first key come facts of the file, function libraries, and the numbers and sizes of
//! databases; they are passed over as they are read, so this takes the memory of a small buffer
//! whatever they claim. Of the first key one byte is looked at. Nothing else is checked: a snapshot
//! that is damaged further on is found to be so when it is loaded.

use std::io::{self, BufReader, Error, ErrorKind, Read};

use super::cursor::{Cursor, Stop};
use super::dialect::Dialect;
use super::error::RdbErrorKind;
use super::format::{length, opcode, string_encoding};

/// The head is read in pieces of this size.
const READ_BYTES: usize = 8 * 1024;

/// Whether there is a key in the snapshot that `source` gives.
///
/// # Errors
///
/// It cannot be read, ends before that can be told, or is no snapshot that can be loaded.
pub fn holds_key(source: impl Read) -> io::Result<bool> {
    let mut head = Head(BufReader::with_capacity(READ_BYTES, source));
    let (dialect, _) = Dialect::of_header(head.array()?).map_err(|kind| fault(&kind))?;
    loop {
        match head.byte()? {
            opcode::EOF => return Ok(false),
            opcode::AUX => {
                head.skip_string()?;
                head.skip_string()?;
            }
            opcode::FUNCTION2 => head.skip_string()?,
            opcode::SELECTDB => {
                head.length()?;
            }
            opcode::RESIZEDB => {
                head.length()?;
                head.length()?;
            }
            other if dialect.has_opcode(other) => head.skip_newer(other)?,
            other @ (opcode::MODULE_AUX | opcode::FUNCTION_PRE_GA) => {
                return Err(fault(&RdbErrorKind::UnknownType(other)));
            }
            // What is known of a key, or the type of its value.
            _ => return Ok(true),
        }
    }
}

fn fault(kind: &RdbErrorKind) -> Error {
    Error::new(ErrorKind::InvalidData, kind.to_string())
}

/// What is read of it.
struct Head<R>(BufReader<R>);

impl<R: Read> Head<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn length(&mut self) -> io::Result<u64> {
        let first = self.byte()?;
        self.length_after(first)
    }

    /// The length whose first byte this is.
    fn length_after(&mut self, first: u8) -> io::Result<u64> {
        let mut bytes = [first, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut count = 1;
        loop {
            match Cursor::new(&bytes[..count], 0).length() {
                Ok(length) => return Ok(length),
                Err(Stop::Bad(kind)) => return Err(fault(&kind)),
                Err(Stop::Short { missing }) => {
                    self.0.read_exact(&mut bytes[count..count + missing])?;
                    count += missing;
                }
            }
        }
    }

    fn skip_string(&mut self) -> io::Result<()> {
        let first = self.byte()?;
        if first & length::FORM_MASK != length::FORM_ENCODED {
            let bytes = self.length_after(first)?;
            return self.skip(bytes);
        }
        match first & !length::FORM_MASK {
            string_encoding::INT8 => self.skip(1),
            string_encoding::INT16 => self.skip(2),
            string_encoding::INT32 => self.skip(4),
            string_encoding::LZF => {
                let packed = self.length()?;
                self.length()?;
                self.skip(packed)
            }
            other => Err(fault(&RdbErrorKind::UnknownStringEncoding(other))),
        }
    }

    fn skip_newer(&mut self, opcode: u8) -> io::Result<()> {
        let lengths = match opcode {
            opcode::SLOT_IMPORT => {
                self.skip_string()?;
                2 * u128::from(self.length()?)
            }
            _ => 3,
        };
        for _ in 0..lengths {
            self.length()?;
        }
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.0.by_ref().take(bytes), &mut io::sink())?;
        match skipped == bytes {
            true => Ok(()),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(parts: &[&[u8]]) -> Result<bool, ErrorKind> {
        let bytes = parts.concat();
        holds_key(bytes.as_slice()).map_err(|e| e.kind())
    }

    #[test]
    fn the_first_key_is_found_behind_everything_that_may_stand_before_it() {
        let aux: &[u8] = b"\xfa\x03one\xc1\x01\x02\xfa\x03two\xc2\x01\x02\x03\x04";
        let packed: &[u8] = b"\xfa\x05three\xc3\x04\x0a\x00a\xc0\x00";
        let long = [b"\xf5\x80\x00\x01\x00\x00".as_slice(), &[b'x'; 65536]].concat();
        let database: &[u8] = b"\xfe\x00\xfb\x01\x00";
        let before = [b"REDIS0011", aux, packed, &long, database].concat();
        let keys: [&[u8]; 4] = [b"\x00\x01k\x01v", b"\xfc\0\0\0\0\0\0\0\0", b"\xf8", b"\xf9"];
        for key in keys {
            assert_eq!(look(&[&before, key]), Ok(true));
        }
        assert_eq!(look(&[&before, b"\xff12345678"]), Ok(false));
        assert_eq!(look(&[&before, b"\xfe\x03\xff"]), Ok(false));
    }

    #[test]
    fn what_ends_too_early_or_is_no_snapshot_is_not_judged() {
        let whole = [b"REDIS0011\xfa\x01a\xc1\x00\x00\xf5\x02ab\xfe\x00\xfb\x01\x40\x01\xff"];
        for cut in 0..whole[0].len() {
            let found = look(&[&whole[0][..cut]]);
            assert_eq!(found, Err(ErrorKind::UnexpectedEof), "{cut}");
        }
        assert_eq!(look(&[b"NOTRDB0011\xff"]), Err(ErrorKind::InvalidData));
        let wrong: [&[u8]; 4] = [b"\xf7", b"\xf6", b"\xfa\xc4", b"\xfe\x82"];
        for bytes in wrong {
            assert_eq!(look(&[b"REDIS0011", bytes]), Err(ErrorKind::InvalidData));
        }
    }
}
