//! What kinds of values there are: types, and the encodings that each can have.

/// The type of a value, as TYPE names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Type {
    /// A byte string or an integer.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    ZSet,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
}

impl Type {
    const ALL: [Type; 6] = [
        Type::String,
        Type::List,
        Type::Set,
        Type::ZSet,
        Type::Hash,
        Type::Stream,
    ];

    /// The name that TYPE replies with.
    pub const fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::ZSet => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
        }
    }

    /// The type with this name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Type> {
        let is_named = |t: &Type| name.eq_ignore_ascii_case(t.name().as_bytes());
        Type::ALL.into_iter().find(is_named)
    }

    /// The type whose discriminant this is.
    pub(super) const fn from_bits(bits: u8) -> Type {
        Type::ALL[bits as usize]
    }
}

/// How a value is represented, as OBJECT ENCODING names it.
///
/// The names are a promise to clients, RDB files and memory figures; where exactly the bytes lie
/// is another matter (a `raw` string may well be embedded in its entry).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// A string that is a 64-bit integer.
    Int,
    /// A string of at most [`EMBSTR_LEN_MAX`](super::value::EMBSTR_LEN_MAX) bytes, never modified
    /// in place.
    Embstr,
    /// Any other string.
    Raw,
    /// A small collection in one piece of memory.
    Listpack,
    /// A small set of integers.
    Intset,
    /// A list of listpacks.
    Quicklist,
    /// A hash table.
    Hashtable,
    /// A skip list with a hash table.
    Skiplist,
    /// A stream.
    Stream,
}

impl Encoding {
    const ALL: [Encoding; 9] = [
        Encoding::Int,
        Encoding::Embstr,
        Encoding::Raw,
        Encoding::Listpack,
        Encoding::Intset,
        Encoding::Quicklist,
        Encoding::Hashtable,
        Encoding::Skiplist,
        Encoding::Stream,
    ];

    /// The name that OBJECT ENCODING replies with.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
            Encoding::Listpack => "listpack",
            Encoding::Intset => "intset",
            Encoding::Quicklist => "quicklist",
            Encoding::Hashtable => "hashtable",
            Encoding::Skiplist => "skiplist",
            Encoding::Stream => "stream",
        }
    }

    /// The encoding whose discriminant this is.
    pub(super) const fn from_bits(bits: u8) -> Encoding {
        Encoding::ALL[bits as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discriminants_and_names_round_trip() {
        for (bits, t) in Type::ALL.into_iter().enumerate() {
            assert_eq!(Type::from_bits(bits as u8), t);
            assert_eq!(t as usize, bits);
            assert_eq!(Type::from_name(t.name().to_uppercase().as_bytes()), Some(t));
        }
        for (bits, encoding) in Encoding::ALL.into_iter().enumerate() {
            assert_eq!(Encoding::from_bits(bits as u8), encoding);
            assert_eq!(encoding as usize, bits);
        }
        assert_eq!(Type::from_name(b"lists"), None);
    }
}
