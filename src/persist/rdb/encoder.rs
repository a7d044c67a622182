//! Writing the format, part by part, through one large buffer.
//!
//! The encoder knows how each part looks and nothing of what is saved or where to: the walk over
//! the keyspace is `save`, and the `Write` below may be a file, a pipe or a vector. It writes down
//! strings in the shortest form that the format has for them: integers of up to 32 bits as such,
//! longer strings compressed if that helps and is wanted, all else as it is.
//!
//! Every part goes into the buffer; when that is full the checksum takes it in as a whole and the
//! `Write` gets it in one piece. Strings larger than the buffer go around it. Nothing is allocated
//! per key.

use std::io::{self, Write};

use super::format::{SIGNATURE, ValueType, Version, length, opcode, string_encoding};
use crate::base::crc64::Crc64;
use crate::base::lzf::Compressor;
use crate::base::numbers::{format_i64, parse_i64};
use crate::data::listpack::ListpackRef;

/// The buffer is passed on when it holds this much: small enough to stay in the second-level
/// cache, large enough that a system call costs nothing per key.
const BUFFER_BYTES: usize = 128 * 1024;
/// The longest text that may be written as an integer: "-2147483648".
const INT_TEXT_BYTES_MAX: usize = 11;
/// Compression is not tried on strings up to this length.
const LZF_BYTES_MIN: usize = 20;

/// How a stream is to be written.
#[derive(Debug, Clone, Copy)]
pub struct EncoderOptions {
    /// Version of the format.
    pub version: Version,
    /// Whether long strings are compressed (`rdbcompression`).
    pub compression: bool,
    /// Whether a checksum is computed (`rdbchecksum`); if not, zero is written for it.
    pub checksum: bool,
}

/// What is known of a key besides its value.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyMarks {
    /// When it expires, in milliseconds since the epoch.
    pub expire_at_ms: Option<i64>,
    /// How recently or how often it was used, if that is to be kept.
    pub usage: Option<Usage>,
}

/// How recently or how often a key was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Seconds since it was last used.
    IdleSeconds(u64),
    /// Its logarithmic access counter.
    Frequency(u8),
}

/// Writes one stream.
pub struct Encoder<W> {
    sink: W,
    buffer: Vec<u8>,
    /// Bytes passed on to the sink.
    passed: u64,
    checksum: Option<Crc64>,
    compression: bool,
    /// Made when it is needed first.
    compressor: Option<Compressor>,
    packed: Vec<u8>,
    /// Room for a listpack with its frame.
    framed: Vec<u8>,
    version: Version,
}

impl<W: Write> Encoder<W> {
    /// Starts a stream: writes its header.
    pub fn new(sink: W, options: EncoderOptions) -> io::Result<Encoder<W>> {
        let mut encoder = Encoder::bare(sink, options);
        encoder.buffer.reserve(BUFFER_BYTES + BUFFER_BYTES / 4);
        encoder.raw(SIGNATURE)?;
        encoder.raw(format!("{:04}", options.version as u8).as_bytes())?;
        Ok(encoder)
    }

    /// Starts parts by themselves, without a header; to be ended by [`Encoder::into_sink`].
    pub fn bare(sink: W, options: EncoderOptions) -> Encoder<W> {
        Encoder {
            sink,
            buffer: Vec::new(),
            passed: 0,
            checksum: options.checksum.then(Crc64::default),
            compression: options.compression,
            compressor: None,
            packed: Vec::new(),
            framed: Vec::new(),
            version: options.version,
        }
    }

    /// The version that is written.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Bytes written so far, those in the buffer included.
    pub fn written(&self) -> u64 {
        self.passed + self.buffer.len() as u64
    }

    /// Writes a field that tells of the stream.
    pub fn aux(&mut self, name: &str, value: &[u8]) -> io::Result<()> {
        self.raw(&[opcode::AUX])?;
        self.string(name.as_bytes())?;
        self.string(value)
    }

    /// Writes a field with a number.
    pub fn aux_int(&mut self, name: &str, value: i64) -> io::Result<()> {
        self.raw(&[opcode::AUX])?;
        self.string(name.as_bytes())?;
        self.int(value)
    }

    /// Writes a library of functions, if those who read this version know of any.
    pub fn library(&mut self, code: &[u8]) -> io::Result<()> {
        if self.version() == Version::V9 {
            return Ok(());
        }
        self.raw(&[opcode::FUNCTION2])?;
        self.string(code)
    }

    /// Says to which database the keys that follow belong, and how many there are.
    pub fn database(&mut self, index: u64, keys: u64, expires: u64) -> io::Result<()> {
        self.raw(&[opcode::SELECTDB])?;
        self.length(index)?;
        self.raw(&[opcode::RESIZEDB])?;
        self.length(keys)?;
        self.length(expires)
    }

    /// Writes all that stands before a value: marks, type and key.
    #[inline]
    pub fn key(&mut self, key: &[u8], value_type: ValueType, marks: KeyMarks) -> io::Result<()> {
        if let Some(time_ms) = marks.expire_at_ms {
            let mut record = [opcode::EXPIRETIME_MS; 9];
            record[1..].copy_from_slice(&time_ms.to_le_bytes());
            self.raw(&record)?;
        }
        match marks.usage {
            None => {}
            Some(Usage::IdleSeconds(seconds)) => {
                self.raw(&[opcode::IDLE])?;
                self.length(seconds)?;
            }
            Some(Usage::Frequency(counter)) => self.raw(&[opcode::FREQ, counter])?,
        }
        self.raw(&[value_type.id()])?;
        self.string(key)
    }

    /// Writes a length.
    #[inline]
    pub fn length(&mut self, value: u64) -> io::Result<()> {
        if value < 1 << 6 {
            return self.raw(&[value as u8]);
        }
        self.long_length(value)
    }

    fn long_length(&mut self, value: u64) -> io::Result<()> {
        if value < 1 << 14 {
            return self.raw(&[length::FORM_14_BITS | (value >> 8) as u8, value as u8]);
        }
        match u32::try_from(value) {
            Ok(value) => {
                self.raw(&[length::LONG_32_BITS])?;
                self.raw(&value.to_be_bytes())
            }
            Err(_) => {
                self.raw(&[length::LONG_64_BITS])?;
                self.raw(&value.to_be_bytes())
            }
        }
    }

    /// Writes a string in its shortest form.
    #[inline]
    pub fn string(&mut self, text: &[u8]) -> io::Result<()> {
        if text.len() <= INT_TEXT_BYTES_MAX {
            if let Some(value) = parse_i64(text)
                && self.short_int(value)?
            {
                return Ok(());
            }
        } else if text.len() > LZF_BYTES_MIN && self.compressed(text)? {
            return Ok(());
        }
        self.length(text.len() as u64)?;
        self.raw(text)
    }

    /// Writes the string that a listpack is.
    pub fn listpack(&mut self, pack: ListpackRef<'_>) -> io::Result<()> {
        let mut framed = std::mem::take(&mut self.framed);
        framed.clear();
        pack.write_framed(&mut framed);
        let result = self.string(&framed);
        self.framed = framed;
        result
    }

    /// Writes the string that is the decimal text of `value`.
    #[inline]
    pub fn int(&mut self, value: i64) -> io::Result<()> {
        if self.short_int(value)? {
            return Ok(());
        }
        self.packed.clear();
        format_i64(value, &mut self.packed);
        let text = std::mem::take(&mut self.packed);
        self.length(text.len() as u64)?;
        self.raw(&text)?;
        self.packed = text;
        Ok(())
    }

    /// Writes an integer of up to 32 bits, or nothing.
    #[inline]
    fn short_int(&mut self, value: i64) -> io::Result<bool> {
        if let Ok(value) = i8::try_from(value) {
            self.raw(&[length::FORM_ENCODED | string_encoding::INT8, value as u8])?;
        } else if let Ok(value) = i16::try_from(value) {
            let [a, b] = value.to_le_bytes();
            self.raw(&[length::FORM_ENCODED | string_encoding::INT16, a, b])?;
        } else if let Ok(value) = i32::try_from(value) {
            let [a, b, c, d] = value.to_le_bytes();
            self.raw(&[length::FORM_ENCODED | string_encoding::INT32, a, b, c, d])?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Writes `text` compressed, or nothing if that would not be shorter.
    fn compressed(&mut self, text: &[u8]) -> io::Result<bool> {
        if !self.compression {
            return Ok(false);
        }
        let compressor = self.compressor.get_or_insert_with(Compressor::new);
        self.packed.clear();
        if !compressor.compress(text, &mut self.packed) {
            return Ok(false);
        }
        let packed = std::mem::take(&mut self.packed);
        self.lzf(&packed, text.len())?;
        self.packed = packed;
        Ok(true)
    }

    /// Writes a string of so many bytes that is compressed already.
    pub fn lzf(&mut self, packed: &[u8], len: usize) -> io::Result<()> {
        self.raw(&[length::FORM_ENCODED | string_encoding::LZF])?;
        self.length(packed.len() as u64)?;
        self.length(len as u64)?;
        self.raw(packed)
    }

    /// Writes bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            return self.raw_past_buffer(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    #[cold]
    fn raw_past_buffer(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pass_on()?;
        if bytes.len() < BUFFER_BYTES {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
        self.passed += bytes.len() as u64;
        self.sink.write_all(bytes)
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&self.buffer);
        }
        self.passed += self.buffer.len() as u64;
        let result = self.sink.write_all(&self.buffer);
        self.buffer.clear();
        result
    }

    /// Ends parts by themselves: gives the sink back, to which all of them have been passed on.
    pub fn into_sink(mut self) -> io::Result<W> {
        self.pass_on()?;
        Ok(self.sink)
    }

    /// Ends the stream: writes end mark and checksum, and gives the sink back, to which all of it
    /// has been passed on.
    pub fn finish(mut self) -> io::Result<W> {
        self.raw(&[opcode::EOF])?;
        self.pass_on()?;
        let checksum = self.checksum.take().map_or(0, |checksum| checksum.value());
        self.sink.write_all(&checksum.to_le_bytes())?;
        Ok(self.sink)
    }
}
