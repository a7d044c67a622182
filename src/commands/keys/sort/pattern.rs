//! The patterns of `BY` and `GET`: names with a `*` where the element goes.
//!
//! `weight_*` is a string under such a key, `object_*->name` a field of a hash under such a key,
//! and `#` the element itself.

use memchr::memchr;
use memchr::memmem;

use crate::commands::context::{Access, Ctx};
use crate::keyspace::ValueRef;

/// What separates a key from a field.
const ARROW: &[u8] = b"->";

/// What a pattern finds for an element; nothing where there is no such key or field, where it
/// holds another type, and where the pattern has no place for the element.
pub(super) fn look_up(ctx: &mut Ctx<'_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = memchr(b'*', pattern)?;
    let (before, behind) = (&pattern[..star], &pattern[star + 1..]);
    let (behind, field) = split_field(behind);
    let key = [before, element, behind].concat();
    let entry = ctx.env.lookup(ctx.session, &key, Access::Read)?;
    match (entry.value(), field) {
        (ValueRef::String(string), None) => Some(string.bytes().into_owned()),
        (ValueRef::Hash(hash), Some(field)) => hash.get(field).map(|value| value.to_vec()),
        _ => None,
    }
}

/// Splits what stands behind the star at the first arrow that a name follows.
fn split_field(behind: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memmem::find(behind, ARROW) {
        Some(at) if at + ARROW.len() < behind.len() => {
            (&behind[..at], Some(&behind[at + ARROW.len()..]))
        }
        _ => (behind, None),
    }
}
