//! HyperLogLog: about how many different elements there were, in at most 12 KiB.
//!
//! Each element is hashed; 14 bits of the hash choose one of 16384 registers, the number of zeros
//! that the rest ends in, plus one, is what the register becomes if it was less. How the registers
//! are distributed tells how many elements there must have been (see [`estimate`]).
//!
//! The whole thing lives in an ordinary string, byte for byte the reference's, since clients may
//! copy such strings between servers:
//!
//! ```text
//! "HYLL"  encoding  0 0 0  cardinality (8 bytes, little endian)  registers …
//! ```
//!
//! The last estimate is kept in the header; the top bit of its last byte says that it is stale.
//! Registers are [`dense`], six bits each, or [`sparse`], runs of equal ones, until that takes more
//! bytes than allowed or a register becomes too large for it.
//!
//! Any bytes may stand in the string: a client can `SET` what it likes. [`Header`] is checked when
//! a value is opened, the runs of a sparse one when they are walked; nothing in here trusts either.

mod dense;
mod estimate;
mod hash;
mod register;
mod self_test;
mod sparse;

use estimate::Histogram;
use register::{HEADER_BYTES, Mark};
pub use register::{HllError, REGISTERS};
pub use self_test::self_test;

/// Bytes of a value in dense form.
pub const DENSE_BYTES: usize = HEADER_BYTES + dense::BYTES;

const MAGIC: &[u8; 4] = b"HYLL";

/// Where the encoding stands in the header.
const ENCODING_AT: usize = 4;

/// Where the cardinality stands in the header.
const CARDINALITY_AT: usize = 8;

/// Set in a cardinality that is out of date.
const STALE: u64 = 1 << 63;

/// How the registers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HllEncoding {
    /// Six bits each.
    Dense,
    /// Runs of equal ones.
    Sparse,
}

/// A string that is a HyperLogLog as far as its header tells.
#[derive(Clone, Copy, Debug)]
pub struct HllRef<'a> {
    bytes: &'a [u8],
    encoding: HllEncoding,
}

impl<'a> HllRef<'a> {
    /// Looks at a string.
    pub fn open(bytes: &'a [u8]) -> Result<HllRef<'a>, HllError> {
        let encoding = match bytes.get(ENCODING_AT) {
            Some(0) if bytes.len() == DENSE_BYTES => HllEncoding::Dense,
            Some(1) if bytes.len() >= HEADER_BYTES => HllEncoding::Sparse,
            _ => return Err(HllError::NotOne),
        };
        if bytes.starts_with(MAGIC) {
            Ok(HllRef { bytes, encoding })
        } else {
            Err(HllError::NotOne)
        }
    }

    /// How the registers are kept.
    pub fn encoding(self) -> HllEncoding {
        self.encoding
    }

    /// The estimate in the header, unless it is out of date.
    pub fn cached(self) -> Option<u64> {
        let bytes = &self.bytes[CARDINALITY_AT..HEADER_BYTES];
        let cardinality = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        (cardinality & STALE == 0).then_some(cardinality)
    }

    /// Estimates how many different elements there were.
    pub fn estimate(self) -> Result<u64, HllError> {
        let histogram = match self.encoding {
            HllEncoding::Dense => dense::histogram(self.registers()),
            HllEncoding::Sparse => sparse::histogram(self.registers())?,
        };
        Ok(histogram.estimate())
    }

    /// The sparse registers as text, run by run: `Z:` and `z:` for runs of zeros in their long and
    /// short form, `v:value,` for others.
    pub fn runs_as_text(self) -> Vec<u8> {
        sparse::as_text(self.registers())
    }

    fn registers(self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }
}

/// A string that is a HyperLogLog as far as its header tells, to be changed where it is.
#[derive(Debug)]
pub struct Hll<'a> {
    bytes: &'a mut Vec<u8>,
    encoding: HllEncoding,
}

/// An empty HyperLogLog, in sparse form.
pub fn new() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.resize(HEADER_BYTES, 0);
    bytes[ENCODING_AT] = 1;
    bytes.extend(sparse::long_zeros(REGISTERS));
    bytes
}

impl<'a> Hll<'a> {
    /// Looks at a string.
    pub fn open(bytes: &'a mut Vec<u8>) -> Result<Hll<'a>, HllError> {
        let encoding = HllRef::open(bytes)?.encoding;
        Ok(Hll { bytes, encoding })
    }

    /// For reading.
    pub fn as_ref(&self) -> HllRef<'_> {
        HllRef {
            bytes: self.bytes,
            encoding: self.encoding,
        }
    }

    /// Adds an element; tells whether a register changed. A sparse value stays one only while it
    /// has no more than `sparse_bytes_max` bytes.
    pub fn add(&mut self, element: &[u8], sparse_bytes_max: usize) -> Result<bool, HllError> {
        self.raise(hash::mark(element), sparse_bytes_max)
    }

    /// Raises a register to a value, unless it is that large already.
    fn raise(&mut self, mark: Mark, sparse_bytes_max: usize) -> Result<bool, HllError> {
        if self.encoding == HllEncoding::Dense {
            return Ok(dense::raise(self.registers_mut(), mark));
        }
        match sparse::raise(self.bytes, mark, sparse_bytes_max)? {
            sparse::Raised::No => Ok(false),
            sparse::Raised::Yes => {
                self.invalidate();
                Ok(true)
            }
            sparse::Raised::NoRoom => {
                self.make_dense()?;
                Ok(dense::raise(self.registers_mut(), mark))
            }
        }
    }

    /// Takes over the registers of a union where they are larger.
    pub fn raise_all(&mut self, union: &Union, sparse_bytes_max: usize) -> Result<(), HllError> {
        for (register, &value) in union.0.iter().enumerate().filter(|(_, value)| **value > 0) {
            self.raise(Mark { register, value }, sparse_bytes_max)?;
        }
        Ok(())
    }

    /// Gives the registers six bits each; tells whether they had not.
    pub fn make_dense(&mut self) -> Result<bool, HllError> {
        if self.encoding == HllEncoding::Dense {
            return Ok(false);
        }
        let mut dense = vec![0; DENSE_BYTES];
        let (header, registers) = dense.split_at_mut(HEADER_BYTES);
        header.copy_from_slice(&self.bytes[..HEADER_BYTES]);
        header[ENCODING_AT] = 0;
        sparse::for_each_register(self.as_ref().registers(), |mark| {
            dense::raise(registers, mark);
        })?;
        *self.bytes = dense;
        self.encoding = HllEncoding::Dense;
        Ok(true)
    }

    /// Keeps an estimate in the header.
    pub fn cache(&mut self, cardinality: u64) {
        self.bytes[CARDINALITY_AT..HEADER_BYTES].copy_from_slice(&cardinality.to_le_bytes());
    }

    /// Marks the estimate in the header as out of date.
    pub fn invalidate(&mut self) {
        self.bytes[HEADER_BYTES - 1] |= (STALE >> 56) as u8;
    }

    /// The registers of a value in dense form.
    pub fn dense_registers(&self) -> impl Iterator<Item = u8> + '_ {
        let registers = self.as_ref().registers();
        (0..REGISTERS).map(|register| dense::get(registers, register))
    }

    fn registers_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[HEADER_BYTES..]
    }
}

/// The registers of several values taken together, a byte each.
pub struct Union(Box<[u8; REGISTERS]>);

impl Default for Union {
    fn default() -> Union {
        Union(Box::new([0; REGISTERS]))
    }
}

impl Union {
    /// Takes in a value.
    pub fn add(&mut self, hll: HllRef<'_>) -> Result<(), HllError> {
        let raise = |mark: Mark| {
            let mine = &mut self.0[mark.register];
            *mine = (*mine).max(mark.value);
        };
        match hll.encoding {
            HllEncoding::Dense => {
                dense::for_each_register(hll.registers(), raise);
                Ok(())
            }
            HllEncoding::Sparse => sparse::for_each_register(hll.registers(), raise),
        }
    }

    /// Estimates how many different elements the values saw together.
    pub fn estimate(&self) -> u64 {
        let mut histogram = Histogram::default();
        self.0.iter().for_each(|value| histogram.add(*value, 1));
        histogram.estimate()
    }
}

#[cfg(test)]
mod tests;
