//! Replies of other servers, as values.
//!
//! Who reads them knows what it has asked, so a reply is taken apart once and owned by its reader.

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `+text`.
    Simple(Vec<u8>),
    /// `-text`.
    Error(Vec<u8>),
    /// `:number`.
    Int(i64),
    /// `$length`, bytes.
    Bulk(Vec<u8>),
    /// A bulk string or an array that is not there.
    Null,
    /// `*count`, replies.
    Array(Vec<Value>),
}

impl Value {
    /// The text of a line or the bytes of a bulk string, if it is one of them and no error.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(text) | Value::Bulk(text) => Some(text),
            _ => None,
        }
    }

    /// The text of an error.
    pub fn error(&self) -> Option<&[u8]> {
        match self {
            Value::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The members of an array.
    pub fn array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(members) => Some(members),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }
}
