//! Doubles as text.
//!
//! Replies, stored scores and digests spell doubles with as few digits as read back to the same
//! double. The digits come from Grisu2 (Loitsch, "Printing Floating-Point Numbers Quickly and
//! Accurately with Integers", 2010): scale the number and the interval that rounds to it by a
//! tabulated power of ten until they are 64-bit fixed-point numbers, then emit decimal digits
//! until what is left fits into the interval.
//!
//! Grisu2 misses the very shortest or the very nearest digits now and then, in a way that depends
//! on its table and its rounding. The reference uses it, a dataset digest is made from such text,
//! and mixed replication sets compare digests; so we use it too, with the same table step and the
//! same choices, and not the standard library's exact algorithm.
//!
//! Invariant: what is written is always read back by `parse_f64` as the same bits.

/// Room for any double: sign, 18 digits, a point and a three-digit exponent, or an integer of up
/// to 24 digits.
pub const DOUBLE_TEXT_BYTES_MAX: usize = 32;

/// Appends `value` the way doubles are spelled in replies and stored scores: `inf`, `-inf`, `nan`,
/// `-0`, integers without a point, scientific notation where it is much shorter.
pub fn format_f64(value: f64, out: &mut Vec<u8>) {
    let mut text = [0u8; DOUBLE_TEXT_BYTES_MAX];
    let len = write_f64(value, &mut text);
    out.extend_from_slice(&text[..len]);
}

/// As [`format_f64`], but an integer is not always spelled in full: `5e+9` is shorter than
/// `5000000000`.
pub fn format_f64_shorter(value: f64, out: &mut Vec<u8>) {
    let mut text = [0u8; DOUBLE_TEXT_BYTES_MAX];
    let len = write_f64_shorter(value, &mut text);
    out.extend_from_slice(&text[..len]);
}

/// As [`format_f64_shorter`], into an array; gives the number of bytes written.
pub fn write_f64_shorter(value: f64, text: &mut [u8; DOUBLE_TEXT_BYTES_MAX]) -> usize {
    let mut cursor = Cursor::new(text);
    match exact_i64(value) {
        // All digits of such an integer are needed, and it has too few zeros at its end for an
        // exponent to be shorter; so there is no need to look for digits.
        Some(integer) if integer.unsigned_abs() < 1 << 53 && integer % 100_000_000 != 0 => {
            cursor.put(itoa::Buffer::new().format(integer).as_bytes());
        }
        _ => cursor.put_f64(value),
    }
    cursor.len
}

/// As [`format_f64`], into an array; gives the number of bytes written.
pub fn write_f64(value: f64, text: &mut [u8; DOUBLE_TEXT_BYTES_MAX]) -> usize {
    let mut cursor = Cursor::new(text);
    match exact_i64(value) {
        // A zero may have a sign.
        None | Some(0) => cursor.put_f64(value),
        Some(integer) => cursor.put(itoa::Buffer::new().format(integer).as_bytes()),
    }
    cursor.len
}

/// The integer that `value` is, where its magnitude leaves no doubt (at most 2^62).
pub fn exact_i64(value: f64) -> Option<i64> {
    const LIMIT: f64 = (i64::MAX / 2) as f64;
    if !(-LIMIT..=LIMIT).contains(&value) {
        return None;
    }
    let integer = value as i64;
    (integer as f64 == value).then_some(integer)
}

/// Writes pieces of text one behind the other.
struct Cursor<'a> {
    text: &'a mut [u8; DOUBLE_TEXT_BYTES_MAX],
    len: usize,
}

impl Cursor<'_> {
    fn new(text: &mut [u8; DOUBLE_TEXT_BYTES_MAX]) -> Cursor<'_> {
        Cursor { text, len: 0 }
    }

    /// Spells any double by its digits, in the shorter notation.
    fn put_f64(&mut self, value: f64) {
        if value.is_nan() {
            return self.put(b"nan");
        }
        if value.is_sign_negative() {
            self.put(b"-");
        }
        if value.is_infinite() {
            self.put(b"inf");
        } else if value == 0.0 {
            self.put(b"0");
        } else {
            let digits = Digits::of(value.abs());
            self.put_decimal(&digits.text[..digits.count], digits.exponent, value < 0.0);
        }
    }

    fn put(&mut self, piece: &[u8]) {
        self.text[self.len..self.len + piece.len()].copy_from_slice(piece);
        self.len += piece.len();
    }

    fn put_zeros(&mut self, count: usize) {
        self.text[self.len..self.len + count].fill(b'0');
        self.len += count;
    }

    /// Spells `digits * 10^exponent` in the shorter notation.
    fn put_decimal(&mut self, digits: &[u8], exponent: i32, negative: bool) {
        let count = digits.len() as i32;
        let scientific = exponent + count - 1;
        if exponent >= 0 && scientific.abs() < count + 7 {
            self.put(digits);
            self.put_zeros(exponent as usize);
        } else if exponent < 0 && (exponent > -7 || scientific.abs() < 4) {
            self.put_with_point(digits, count + exponent);
        } else {
            let digits = &digits[..digits.len().min(18 - usize::from(negative))];
            self.put(&digits[..1]);
            if digits.len() > 1 {
                self.put(b".");
                self.put(&digits[1..]);
            }
            self.put(if scientific < 0 { b"e-" } else { b"e+" });
            self.put(
                itoa::Buffer::new()
                    .format(scientific.unsigned_abs())
                    .as_bytes(),
            );
        }
    }

    /// Spells the digits with the point behind the first `whole` of them, zeros in front if needed.
    fn put_with_point(&mut self, digits: &[u8], whole: i32) {
        if whole <= 0 {
            self.put(b"0.");
            self.put_zeros(whole.unsigned_abs() as usize);
            self.put(digits);
        } else {
            let (whole, fraction) = digits.split_at(whole as usize);
            self.put(whole);
            self.put(b".");
            self.put(fraction);
        }
    }
}

/// `fraction * 2^exponent`.
#[derive(Clone, Copy)]
struct Float {
    fraction: u64,
    exponent: i32,
}

const HIDDEN_BIT: u64 = 1 << 52;

impl Float {
    /// The exact value of a positive finite double.
    fn of(value: f64) -> Float {
        let bits = value.to_bits();
        let fraction = bits & (HIDDEN_BIT - 1);
        match (bits >> 52) as i32 {
            0 => Float {
                fraction,
                exponent: -1074,
            },
            biased => Float {
                fraction: fraction | HIDDEN_BIT,
                exponent: biased - 1075,
            },
        }
    }

    /// The same value with the top bit set.
    fn normalized(self) -> Float {
        let shift = self.fraction.leading_zeros();
        Float {
            fraction: self.fraction << shift,
            exponent: self.exponent - shift as i32,
        }
    }

    /// The middles between this double and its neighbours, both on the scale of the upper one.
    fn boundaries(self) -> (Float, Float) {
        let upper = Float {
            fraction: (self.fraction << 1) + 1,
            exponent: self.exponent - 1,
        }
        .normalized();
        // Below a power of two the neighbour is only half as far away.
        let closer = if self.fraction == HIDDEN_BIT { 2 } else { 1 };
        let fraction = (self.fraction << closer) - 1;
        let shift = self.exponent - closer - upper.exponent;
        (
            Float {
                fraction: fraction << shift,
                exponent: upper.exponent,
            },
            upper,
        )
    }

    /// The upper half of the product, rounded.
    fn times(self, other: Float) -> Float {
        let product = u128::from(self.fraction) * u128::from(other.fraction);
        Float {
            fraction: ((product + (1 << 63)) >> 64) as u64,
            exponent: self.exponent + other.exponent + 64,
        }
    }
}

/// Decimal digits and the power of ten of the last one.
struct Digits {
    text: [u8; 20],
    count: usize,
    exponent: i32,
}

impl Digits {
    /// Digits of a positive finite double.
    fn of(value: f64) -> Digits {
        let exact = Float::of(value);
        let (lower, upper) = exact.boundaries();
        let (scale, power) = cached_power(upper.exponent);
        let scaled = exact.normalized().times(scale);
        // One unit on each side is given away for the errors of the products.
        let upper = Float {
            fraction: upper.times(scale).fraction - 1,
            ..upper.times(scale)
        };
        let lower = lower.times(scale).fraction + 1;
        let mut digits = Digits {
            text: [0; 20],
            count: 0,
            exponent: -power,
        };
        digits.generate(
            upper,
            upper.fraction - scaled.fraction,
            upper.fraction - lower,
        );
        digits
    }

    /// Emits digits of `upper` until the remainder is within `width`, the size of the interval.
    /// `distance` is how far below `upper` the number itself lies.
    fn generate(&mut self, upper: Float, distance: u64, width: u64) {
        let point = upper.exponent.unsigned_abs();
        let mask = (1u64 << point) - 1;
        let mut whole = upper.fraction >> point;
        let mut fraction = upper.fraction & mask;
        for place in (0..10).rev() {
            let unit = 10u64.pow(place);
            self.push((whole / unit) as u8);
            whole %= unit;
            let remainder = (whole << point) + fraction;
            if remainder <= width {
                self.exponent += place as i32;
                self.round_down(width, remainder, unit << point, distance);
                return;
            }
        }
        let (mut width, mut distance) = (width, distance);
        loop {
            fraction *= 10;
            width *= 10;
            distance = distance.wrapping_mul(10);
            self.exponent -= 1;
            self.push((fraction >> point) as u8);
            fraction &= mask;
            if fraction < width {
                self.round_down(width, fraction, 1 << point, distance);
                return;
            }
        }
    }

    fn push(&mut self, digit: u8) {
        if digit != 0 || self.count != 0 {
            self.text[self.count] = b'0' + digit;
            self.count += 1;
        }
    }

    /// Lowers the last digit while that brings the text nearer to the number and stays inside the
    /// interval. `unit` is the worth of one in the last digit.
    fn round_down(&mut self, width: u64, mut remainder: u64, unit: u64, distance: u64) {
        let last = &mut self.text[self.count - 1];
        while remainder < distance
            && width - remainder >= unit
            && (remainder + unit < distance || distance - remainder > remainder + unit - distance)
        {
            *last -= 1;
            remainder += unit;
        }
    }
}

const POWER_FIRST: i32 = -348;
const POWER_STEP: i32 = 8;

/// A power of ten that brings a number with this binary exponent to one between -60 and -32, and
/// which power it is.
fn cached_power(exponent: i32) -> (Float, i32) {
    const LOG10_OF_2: f64 = 0.301_029_995_663_981_14;
    let guess = (f64::from(-(exponent + POWERS_OF_TEN.len() as i32)) * LOG10_OF_2) as i32;
    let mut index = (guess - POWER_FIRST) / POWER_STEP;
    loop {
        let power = POWER_FIRST + index * POWER_STEP;
        // floor(power * log2(10)) in fixed point, exact over the whole table.
        let scale = Float {
            fraction: POWERS_OF_TEN[index as usize],
            exponent: ((power * 1_741_647) >> 19) - 63,
        };
        match exponent + scale.exponent + 64 {
            ..-60 => index += 1,
            -31.. => index -= 1,
            _ => return (scale, power),
        }
    }
}

/// The leading 64 bits, rounded to nearest, of every eighth power of ten from 10^-348 to 10^340.
static POWERS_OF_TEN: [u64; 87] = [
    0xfa8fd5a0081c0288,
    0xbaaee17fa23ebf76,
    0x8b16fb203055ac76,
    0xcf42894a5dce35ea,
    0x9a6bb0aa55653b2d,
    0xe61acf033d1a45df,
    0xab70fe17c79ac6ca,
    0xff77b1fcbebcdc4f,
    0xbe5691ef416bd60c,
    0x8dd01fad907ffc3c,
    0xd3515c2831559a83,
    0x9d71ac8fada6c9b5,
    0xea9c227723ee8bcb,
    0xaecc49914078536d,
    0x823c12795db6ce57,
    0xc21094364dfb5637,
    0x9096ea6f3848984f,
    0xd77485cb25823ac7,
    0xa086cfcd97bf97f4,
    0xef340a98172aace5,
    0xb23867fb2a35b28e,
    0x84c8d4dfd2c63f3b,
    0xc5dd44271ad3cdba,
    0x936b9fcebb25c996,
    0xdbac6c247d62a584,
    0xa3ab66580d5fdaf6,
    0xf3e2f893dec3f126,
    0xb5b5ada8aaff80b8,
    0x87625f056c7c4a8b,
    0xc9bcff6034c13053,
    0x964e858c91ba2655,
    0xdff9772470297ebd,
    0xa6dfbd9fb8e5b88f,
    0xf8a95fcf88747d94,
    0xb94470938fa89bcf,
    0x8a08f0f8bf0f156b,
    0xcdb02555653131b6,
    0x993fe2c6d07b7fac,
    0xe45c10c42a2b3b06,
    0xaa242499697392d3,
    0xfd87b5f28300ca0e,
    0xbce5086492111aeb,
    0x8cbccc096f5088cc,
    0xd1b71758e219652c,
    0x9c40000000000000,
    0xe8d4a51000000000,
    0xad78ebc5ac620000,
    0x813f3978f8940984,
    0xc097ce7bc90715b3,
    0x8f7e32ce7bea5c70,
    0xd5d238a4abe98068,
    0x9f4f2726179a2245,
    0xed63a231d4c4fb27,
    0xb0de65388cc8ada8,
    0x83c7088e1aab65db,
    0xc45d1df942711d9a,
    0x924d692ca61be758,
    0xda01ee641a708dea,
    0xa26da3999aef774a,
    0xf209787bb47d6b85,
    0xb454e4a179dd1877,
    0x865b86925b9bc5c2,
    0xc83553c5c8965d3d,
    0x952ab45cfa97a0b3,
    0xde469fbd99a05fe3,
    0xa59bc234db398c25,
    0xf6c69a72a3989f5c,
    0xb7dcbf5354e9bece,
    0x88fcf317f22241e2,
    0xcc20ce9bd35c78a5,
    0x98165af37b2153df,
    0xe2a0b5dc971f303a,
    0xa8d9d1535ce3b396,
    0xfb9b7cd9a4a7443c,
    0xbb764c4ca7a44410,
    0x8bab8eefb6409c1a,
    0xd01fef10a657842c,
    0x9b10a4e5e9913129,
    0xe7109bfba19c0c9d,
    0xac2820d9623bf429,
    0x80444b5e7aa7cf85,
    0xbf21e44003acdd2d,
    0x8e679c2f5e44ff8f,
    0xd433179d9c8cb841,
    0x9e19db92b4e31ba9,
    0xeb96bf6ebadf77d9,
    0xaf87023b9bf0ee6b,
];

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn an_integer_has_the_digits_that_would_have_been_looked_for(
            integer in -(1i64 << 54)..1 << 54, zeros in 0u32..12, bits in 0u32..54
        ) {
            let value = (integer >> bits).saturating_mul(10i64.pow(zeros)) as f64;
            let (mut text, mut other) = ([0; DOUBLE_TEXT_BYTES_MAX], [0; DOUBLE_TEXT_BYTES_MAX]);
            let len = write_f64_shorter(value, &mut text);
            let mut slow = Cursor::new(&mut other);
            slow.put_f64(value);
            proptest::prop_assert_eq!(&text[..len], &slow.text[..slow.len]);
        }
    }
}
