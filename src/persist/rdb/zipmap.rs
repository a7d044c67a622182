//! The zipmap: what versions before 2.6 packed small hashes into.
//!
//! ```text
//! count (1)  pair pair pair ...  0xff
//! pair = length (1, or 0xfe and 4)  field  length  free (1)  value  free bytes
//! ```
//!
//! Lengths have their low byte first. A count of 254 and more means that nobody knows. Zipmaps are
//! read once, when they are loaded: one function checks everything while it shows the pairs.

const END: u8 = 0xff;
/// In front of a length that takes four more bytes; and a count that is not known.
const LONG: u8 = 0xfe;

/// Shows all pairs, in order, to `visit`, which may refuse one; none if any is refused, if there
/// are no pairs, or if this is no zipmap.
pub(super) fn visit<'a>(
    bytes: &'a [u8],
    mut visit: impl FnMut(&'a [u8], &'a [u8]) -> Option<()>,
) -> Option<()> {
    let (&told_count, body) = bytes.split_first()?;
    let (&end, mut rest) = body.split_last()?;
    if end != END {
        return None;
    }
    let mut count = 0usize;
    while !rest.is_empty() {
        let length = read_length(&mut rest)?;
        let field = take(&mut rest, length)?;
        let length = read_length(&mut rest)?;
        let free = take(&mut rest, 1)?[0];
        let value = take(&mut rest, length)?;
        take(&mut rest, usize::from(free))?;
        visit(field, value)?;
        count += 1;
    }
    let right = count > 0 && (told_count >= LONG || usize::from(told_count) == count);
    right.then_some(())
}

fn read_length(rest: &mut &[u8]) -> Option<usize> {
    match take(rest, 1)?[0] {
        END => None,
        LONG => {
            let length = take(rest, 4)?.try_into().expect("four bytes");
            Some(u32::from_le_bytes(length) as usize)
        }
        length => Some(usize::from(length)),
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    fn pairs(bytes: &[u8]) -> Option<Pairs> {
        let mut pairs = Vec::new();
        visit(bytes, |field, value| {
            pairs.push((field.to_vec(), value.to_vec()));
            Some(())
        })?;
        Some(pairs)
    }

    #[test]
    fn pairs_are_read_with_the_room_behind_them() {
        let long = vec![b'v'; 300];
        let head = b"\x02\x01a\x02\x03bcxyz\x00\xfe\x2c\x01\x00\x00\x00";
        let bytes = [&head[..], &long, b"\xff"].concat();
        let expected = vec![(b"a".to_vec(), b"bc".to_vec()), (b"".to_vec(), long)];
        assert_eq!(pairs(&bytes), Some(expected.clone()));
        for cut in 0..bytes.len() {
            assert_eq!(pairs(&bytes[..cut]), None);
        }
        let mut uncounted = bytes;
        uncounted[0] = 0xfe;
        assert_eq!(pairs(&uncounted), Some(expected));
        uncounted[0] = 3;
        assert_eq!(pairs(&uncounted), None);
    }

    #[test]
    fn an_empty_one_and_one_that_reaches_over_its_end_are_refused() {
        for bytes in [
            &b""[..],
            b"\x00",
            b"\x00\xff",
            b"\x01\x02a\xff",
            b"\x01\x01a\x02\x00b\xff",
            b"\x01\x01a\x01\x01b\xff",
            b"\x01\xfe\xff\xff\xff\xffa\x01\x00b\xff",
        ] {
            assert_eq!(pairs(bytes), None);
        }
    }
}
