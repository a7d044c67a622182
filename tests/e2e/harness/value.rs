//! A parsed reply, RESP2 or RESP3, and the one-line text that tests compare.

use std::fmt::{self, Write as _};

/// A reply. Doubles and big numbers stay text: tests compare what the server wrote.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Null,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Double(String),
    Bool(bool),
    BigNumber(String),
    Verbatim(Vec<u8>),
}

impl Value {
    /// The elements of an array, a set or a push.
    #[track_caller]
    pub fn items(&self) -> &[Value] {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => items,
            other => panic!("expected an array, got {other}"),
        }
    }

    /// The bytes of a bulk, verbatim or simple string.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Value::Bulk(bytes) | Value::Verbatim(bytes) => bytes,
            Value::Simple(text) => text.as_bytes(),
            other => panic!("expected a string, got {other}"),
        }
    }

    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Value::Int(n) => *n,
            other => panic!("expected an integer, got {other}"),
        }
    }
}

/// One line: strings bare, errors with their `-`, a missing value as `(nil)`, lists in brackets.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, open: char, items: &[Value], close: char| {
            f.write_char(open)?;
            for (index, item) in items.iter().enumerate() {
                write!(f, "{}{item}", if index == 0 { "" } else { " " })?;
            }
            f.write_char(close)
        };
        match self {
            Value::Simple(text) | Value::Double(text) | Value::BigNumber(text) => f.write_str(text),
            Value::Error(text) => write!(f, "-{text}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Bulk(bytes) | Value::Verbatim(bytes) => {
                f.write_str(&String::from_utf8_lossy(bytes))
            }
            Value::Null => f.write_str("(nil)"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Array(items) => list(f, '[', items, ']'),
            Value::Set(items) => list(f, '~', items, '~'),
            Value::Push(items) => list(f, '>', items, '<'),
            Value::Map(pairs) => {
                f.write_char('{')?;
                for (index, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_char('}')
            }
        }
    }
}
