//! The integers of `BITFIELD`: signed or not, of any width up to 64 bits, and what becomes of a
//! result that does not fit.

use crate::base::numbers::parse_i64;
use crate::data::bits;

/// The type of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct IntType {
    signed: bool,
    bits: u32,
}

/// What becomes of a number that its field cannot hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Overflow {
    /// Its high bits are lost.
    Wrap,
    /// The nearest number that fits is stored.
    Saturate,
    /// Nothing is stored.
    Fail,
}

impl IntType {
    /// The type with a name like `i16` or `u8`. There is no `u64`, since replies are signed.
    pub(super) fn parse(word: &[u8]) -> Option<IntType> {
        let (signed, bits_max) = match word.first()? {
            b'i' => (true, bits::FIELD_BITS_MAX),
            b'u' => (false, bits::FIELD_BITS_MAX - 1),
            _ => return None,
        };
        let bits = u32::try_from(parse_i64(&word[1..])?).ok()?;
        (1..=bits_max)
            .contains(&bits)
            .then_some(IntType { signed, bits })
    }

    /// The width of a field.
    pub(super) fn bits(self) -> u32 {
        self.bits
    }

    /// The number in the field at an offset.
    pub(super) fn read(self, string: &[u8], offset: u64) -> i64 {
        self.wrap(i128::from(bits::read_field(string, offset, self.bits)))
    }

    /// Stores a number that fits in the field at an offset.
    pub(super) fn write(self, string: &mut [u8], offset: u64, number: i64) {
        bits::write_field(string, offset, self.bits, number as u64);
    }

    /// The number that a field comes to hold where `number` is to be stored; nothing if it must
    /// stay as it is.
    pub(super) fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = if self.signed {
            (-1i128 << (self.bits - 1), (1i128 << (self.bits - 1)) - 1)
        } else {
            (0, (1i128 << self.bits) - 1)
        };
        match overflow {
            _ if (min..=max).contains(&number) => Some(number as i64),
            Overflow::Wrap => Some(self.wrap(number)),
            Overflow::Saturate => Some(number.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }

    /// What `SET` means by its argument: for an unsigned field a negative number is a huge one. For
    /// a signed one so is a number so small that its distance to the largest of the field takes
    /// more than 64 bits; that is how the reference computes.
    pub(super) fn meant_by(self, number: i64) -> i128 {
        let huge = if self.signed {
            let max = (1i64 << (self.bits - 1)).wrapping_sub(1);
            self.bits < bits::FIELD_BITS_MAX && max.checked_sub(number).is_none()
        } else {
            number < 0
        };
        i128::from(number) + (i128::from(huge) << u64::BITS)
    }

    /// A number's low bits.
    fn wrap(self, number: i128) -> i64 {
        let spare = i128::BITS - self.bits;
        let high = number << spare;
        if self.signed {
            (high >> spare) as i64
        } else {
            (high as u128 >> spare) as i64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> IntType {
        IntType::parse(name.as_bytes()).expect("a type")
    }

    #[test]
    fn names_of_types_are_exact() {
        for name in ["i1", "i64", "u1", "u63"] {
            assert_eq!(of(name).bits().to_string(), name[1..]);
        }
        for name in [
            "", "i", "u", "i0", "i65", "u64", "I8", "s8", "i08", "i 8", "u-1",
        ] {
            assert_eq!(IntType::parse(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_wrap_saturate_or_fail() {
        let cases: &[(&str, i128, i64, i64)] = &[
            ("u8", 256, 0, 255),
            ("u8", 300, 44, 255),
            ("u8", -1, 255, 0),
            ("i8", 128, -128, 127),
            ("i8", -129, 127, -128),
            ("u1", 2, 0, 1),
            ("i1", 1, -1, 0),
            ("i64", i64::MAX as i128 + 1, i64::MIN, i64::MAX),
            ("i64", i64::MIN as i128 - 1, i64::MAX, i64::MIN),
            ("u63", 1 << 63, 0, i64::MAX),
        ];
        for (name, number, wrapped, saturated) in cases {
            assert_eq!(
                of(name).fit(*number, Overflow::Wrap),
                Some(*wrapped),
                "{name}"
            );
            assert_eq!(of(name).fit(*number, Overflow::Saturate), Some(*saturated));
            assert_eq!(of(name).fit(*number, Overflow::Fail), None);
        }
        assert_eq!(of("i8").fit(-128, Overflow::Fail), Some(-128));
        let set = |name: &str, number| of(name).fit(of(name).meant_by(number), Overflow::Saturate);
        assert_eq!(set("i8", i64::MIN + 127), Some(127));
        assert_eq!(set("i8", i64::MIN + 128), Some(-128));
        assert_eq!(set("i64", i64::MIN), Some(i64::MIN));
        assert_eq!(set("u8", -1), Some(255));
        assert_eq!(
            of("u63").fit(i64::MAX.into(), Overflow::Fail),
            Some(i64::MAX)
        );
    }

    #[test]
    fn a_field_gives_back_what_was_stored() {
        let mut string = [0; 12];
        for (name, number) in [
            ("i5", -16),
            ("u5", 31),
            ("i64", i64::MIN),
            ("u63", i64::MAX),
        ] {
            of(name).write(&mut string, 13, number);
            assert_eq!(of(name).read(&string, 13), number);
        }
    }
}
