//! Reading the small parts of the format from a slice that may end anywhere.
//!
//! A part that is not all there is no failure but [`Stop::Short`], with the number of bytes that
//! are missing at least; the position then stays at the piece that could not be read, and the
//! caller, who remembers where the whole thing began, tries again from there with more bytes. No
//! length that the stream announces makes anything allocate: strings are borrowed.

use super::error::RdbErrorKind;
use super::format::{length, string_encoding};
use crate::base::lzf;
use crate::base::numbers::format_i64;

/// Why a part could not be read.
pub(super) enum Stop {
    /// The slice ends first; at least so many bytes more are needed.
    Short { missing: usize },
    /// The bytes are wrong. Boxed so that the good case stays small.
    Bad(Box<RdbErrorKind>),
}

impl From<RdbErrorKind> for Stop {
    fn from(kind: RdbErrorKind) -> Stop {
        Stop::Bad(Box::new(kind))
    }
}

/// A string as it stands in the stream.
#[derive(Debug, Clone, Copy)]
pub(super) enum RawString<'a> {
    /// Written as an integer; means its decimal text.
    Int(i64),
    /// Written as it is.
    Plain(&'a [u8]),
    /// Compressed; `length` is announced, not yet believed.
    Lzf { packed: &'a [u8], length: usize },
}

impl<'a> RawString<'a> {
    /// The bytes that are meant; `scratch` holds them where the stream does not.
    #[inline]
    pub(super) fn resolve<'s>(self, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], RdbErrorKind>
    where
        'a: 's,
    {
        match self {
            RawString::Plain(bytes) => return Ok(bytes),
            RawString::Int(value) => {
                scratch.clear();
                format_i64(value, scratch);
            }
            RawString::Lzf { packed, length } => {
                scratch.clear();
                lzf::decompress(packed, length, scratch).map_err(|_| RdbErrorKind::InvalidLzf)?;
            }
        }
        Ok(scratch)
    }

    /// The bytes that are meant, to be kept.
    pub(super) fn into_vec(self) -> Result<Vec<u8>, RdbErrorKind> {
        let mut bytes = Vec::new();
        if let RawString::Plain(plain) = self {
            bytes.extend_from_slice(plain);
        } else {
            self.resolve(&mut bytes)?;
        }
        Ok(bytes)
    }
}

/// A position in a slice.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { bytes, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.at).ok_or(Stop::Short { missing: 1 })?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let rest = &self.bytes[self.at..];
        let array = *rest.first_chunk().ok_or_else(|| Stop::Short {
            missing: N - rest.len(),
        })?;
        self.at += N;
        Ok(array)
    }

    #[inline]
    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        // On a 32-bit machine a count past the address space can never be there.
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let taken = rest.get(..count).ok_or_else(|| Stop::Short {
            missing: count - rest.len(),
        })?;
        self.at += count;
        Ok(taken)
    }

    #[inline]
    pub(super) fn length(&mut self) -> Result<u64, Stop> {
        let first = self.byte()?;
        match first & length::FORM_MASK {
            length::FORM_6_BITS => Ok(u64::from(first)),
            length::FORM_ENCODED => Err(RdbErrorKind::UnknownLengthEncoding(first).into()),
            _ => self.length_after(first),
        }
    }

    fn length_after(&mut self, first: u8) -> Result<u64, Stop> {
        if first & length::FORM_MASK == length::FORM_14_BITS {
            let high = u64::from(first & !length::FORM_MASK);
            return Ok(high << 8 | u64::from(self.byte()?));
        }
        match first {
            length::LONG_32_BITS => Ok(u64::from(u32::from_be_bytes(self.array()?))),
            length::LONG_64_BITS => Ok(u64::from_be_bytes(self.array()?)),
            _ => Err(RdbErrorKind::UnknownLengthEncoding(first).into()),
        }
    }

    #[inline]
    pub(super) fn string(&mut self) -> Result<RawString<'a>, Stop> {
        let first = self.byte()?;
        let length = match first & length::FORM_MASK {
            length::FORM_6_BITS => u64::from(first),
            length::FORM_ENCODED => return self.encoded_string(first & !length::FORM_MASK),
            _ => self.length_after(first)?,
        };
        self.take(length).map(RawString::Plain)
    }

    fn encoded_string(&mut self, encoding: u8) -> Result<RawString<'a>, Stop> {
        Ok(match encoding {
            string_encoding::INT8 => RawString::Int(i64::from(self.byte()? as i8)),
            string_encoding::INT16 => RawString::Int(i64::from(i16::from_le_bytes(self.array()?))),
            string_encoding::INT32 => RawString::Int(i64::from(i32::from_le_bytes(self.array()?))),
            string_encoding::LZF => {
                let packed_length = self.length()?;
                let length = usize::try_from(self.length()?).unwrap_or(usize::MAX);
                RawString::Lzf {
                    packed: self.take(packed_length)?,
                    length,
                }
            }
            _ => return Err(RdbErrorKind::UnknownStringEncoding(encoding).into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(bytes: &[u8]) -> Result<Vec<u8>, Stop> {
        let mut scratch = Vec::new();
        let raw = Cursor::new(bytes, 0).string()?;
        Ok(raw.resolve(&mut scratch)?.to_vec())
    }

    #[test]
    fn every_length_form_is_read() {
        for (bytes, expected) in [
            (&b"\x3f"[..], 63),
            (b"\x7f\xff", 16383),
            (b"\x40\x05", 5),
            (b"\x80\x00\x01\x00\x00", 65536),
            (b"\x81\x00\x00\x00\x01\x00\x00\x00\x00", 1 << 32),
        ] {
            for cut in 0..bytes.len() {
                let stop = Cursor::new(&bytes[..cut], 0).length();
                assert!(
                    matches!(stop, Err(Stop::Short { missing }) if missing <= bytes.len() - cut)
                );
            }
            assert!(matches!(Cursor::new(bytes, 0).length(), Ok(n) if n == expected));
        }
        for wrong in [b"\x82", b"\xbf", b"\xc0", b"\xff"] {
            assert!(matches!(Cursor::new(wrong, 0).length(), Err(Stop::Bad(_))));
        }
    }

    #[test]
    fn every_string_form_is_read() {
        for (bytes, expected) in [
            (&b"\x03abc"[..], &b"abc"[..]),
            (b"\x00", b""),
            (b"\xc0\x80", b"-128"),
            (b"\xc1\x00\x80", b"-32768"),
            (b"\xc2\xff\xff\xff\x7f", b"2147483647"),
            (b"\xc3\x04\x0a\x00a\xc0\x00", b"aaaaaaaaa"),
        ] {
            for cut in 0..bytes.len() {
                assert!(
                    matches!(string(&bytes[..cut]), Err(Stop::Short { .. })),
                    "{bytes:?}"
                );
            }
            if let Ok(found) = string(bytes) {
                assert_eq!(found, expected);
            }
        }
        assert!(matches!(string(b"\xc4"), Err(Stop::Bad(_))));
        assert!(matches!(
            string(b"\x81\xff\xff\xff\xff\xff\xff\xff\xffx"),
            Err(Stop::Short { .. })
        ));
    }
}
