//! Whether elements that must differ do.
//!
//! Every small hash, set and sorted set that is loaded is asked this, nearly always to no avail,
//! so the answer has to cost less than the load. A quick filter sets one bit for each element by a
//! cheap hash, in a field with so many bits that two elements rarely share one; only if they do,
//! elements are really compared.

use crate::base::numbers::format_i64;
use crate::data::listpack::Element;

/// Words of the filter for few elements, for some, and for many.
const FEW_WORDS: usize = 16;
const SOME_WORDS: usize = 128;
const MANY_WORDS: usize = 1024;
/// Up to so many elements the filter has that size; at the most, one in ten gives a false alarm.
const FEW: usize = 12;
const SOME: usize = 40;
const MANY: usize = 128;

/// Whether all elements differ, of which there are about `expected`.
pub(super) fn all_differ<'a>(
    elements: impl Iterator<Item = Element<'a>> + Clone,
    expected: usize,
) -> bool {
    let pass = if expected <= FEW {
        filter::<FEW_WORDS>(elements.clone())
    } else if expected <= SOME {
        filter::<SOME_WORDS>(elements.clone())
    } else {
        // More than many are compared at once.
        expected <= MANY && filter::<MANY_WORDS>(elements.clone())
    };
    pass || compare(elements)
}

/// Whether no two elements share a bit.
fn filter<'a, const WORDS: usize>(mut elements: impl Iterator<Item = Element<'a>>) -> bool {
    let mut bits = [0u64; WORDS];
    elements.all(|element| {
        let hash = rough_hash(element);
        let word = &mut bits[(hash >> 6) as usize % WORDS];
        let bit = 1 << (hash & 63);
        let is_free = *word & bit == 0;
        *word |= bit;
        is_free
    })
}

/// A hash of the length and of eight bytes at either end; the same for an integer and its text.
#[inline]
fn rough_hash(element: Element<'_>) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let element = match element {
        Element::Bytes(text) => Element::from(text),
        int => int,
    };
    let mixed = match element {
        Element::Int(int) => int as u64,
        Element::Bytes(text) => {
            let (head, tail) = match (text.first_chunk(), text.last_chunk()) {
                (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
                _ => {
                    let mut short = [0; 8];
                    short[..text.len()].copy_from_slice(text);
                    (u64::from_le_bytes(short), 0)
                }
            };
            head ^ tail.wrapping_mul(MULTIPLIER).rotate_left(32) ^ (text.len() as u64) << 56
        }
    };
    let product = u128::from(mixed) * u128::from(MULTIPLIER);
    (product >> 64) as u64 ^ product as u64
}

/// Sorts the texts, which no choice of elements makes slow.
fn compare<'a>(elements: impl Iterator<Item = Element<'a>> + Clone) -> bool {
    let mut spelled = Vec::new();
    for element in elements.clone() {
        if let Element::Int(int) = element {
            format_i64(int, &mut spelled);
        }
    }
    let mut rest = &spelled[..];
    let mut digits = Vec::new();
    let mut texts: Vec<&[u8]> = Vec::new();
    for element in elements {
        texts.push(match element {
            Element::Bytes(text) => text,
            Element::Int(int) => {
                digits.clear();
                format_i64(int, &mut digits);
                let (text, behind) = rest.split_at(digits.len());
                rest = behind;
                text
            }
        });
    }
    texts.sort_unstable();
    texts.windows(2).all(|pair| pair[0] != pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_equal_texts_is_found_whatever_their_form() {
        for n in [0, 1, 2, 6, 7, 100, 128, 129, 1000] {
            let names: Vec<String> = (0..n).map(|n| format!("name:{n}")).collect();
            let different = || {
                let texts = names.iter().map(|name| Element::Bytes(name.as_bytes()));
                texts.chain((0..n).map(Element::Int))
            };
            let len = 2 * n as usize;
            assert!(all_differ(different(), len));
            let last = Element::Bytes(names.last().map_or(b"1", |name| name.as_bytes()));
            assert_eq!(all_differ(different().chain([last]), len), n == 0);
            let spelled = Element::Bytes(b"0");
            assert_eq!(all_differ(different().chain([spelled]), len), n == 0);
        }
    }
}
