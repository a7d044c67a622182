//! Why a command was refused, and the one place where such a refusal becomes text.
//!
//! Handlers return these; the dispatcher writes the reply and counts it under the text's first
//! word (`ERR`, `WRONGTYPE`, …) for `INFO errorstats`. The wording is the reference's, byte for
//! byte, because clients match on it.

use std::borrow::Cow;

/// A refused command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CmdError {
    /// The key holds a value of another type.
    WrongType,
    /// An argument or value is not an integer in the 64-bit range.
    NotInteger,
    /// An argument or value is not a floating point number.
    NotFloat,
    /// Options that do not fit together or words that mean nothing here.
    Syntax,
    /// The key does not exist where it must.
    NoSuchKey,
    /// Source and destination are the same object.
    SameObject,
    /// An index outside the value, or a database number that does not exist.
    OutOfRange,
    /// A result that does not fit 64 bits.
    Overflow,
    /// A string would exceed `proto-max-bulk-len`.
    StringTooLong,
    /// An expire time that is zero, negative or too large, for the named command.
    InvalidExpire(&'static str),
    /// The wrong number of arguments for the named command.
    Arity(Cow<'static, str>),
    /// Not authenticated yet.
    NoAuth,
    /// A wrong user name or password.
    WrongPass,
    /// A write on a read-only replica.
    ReadOnly,
    /// A write with fewer good replicas than `min-replicas-to-write`.
    NoReplicas,
    /// A replica with a broken link that must not serve stale data.
    MasterDown,
    /// A data set is being loaded.
    Loading,
    /// Memory is above `maxmemory`.
    OutOfMemory,
    /// Snapshots fail and `stop-writes-on-bgsave-error` is on.
    SnapshotsFail,
    /// The append-only file cannot be written, for the reason that the system gives.
    AofFails(String),
    /// Any other refusal, with its code word, as a constant.
    Fixed(&'static str),
    /// Any other refusal, with its code word, made from arguments.
    Text(Vec<u8>),
}

impl CmdError {
    /// A refusal with the plain code `ERR`.
    pub fn err(text: impl AsRef<[u8]>) -> CmdError {
        let mut full = b"ERR ".to_vec();
        full.extend_from_slice(text.as_ref());
        CmdError::Text(full)
    }

    /// The whole text, code word first, without the leading `-`.
    pub fn text(&self) -> Cow<'_, [u8]> {
        let fixed = match self {
            CmdError::WrongType => {
                "WRONGTYPE Operation against a key holding the wrong kind of value"
            }
            CmdError::NotInteger => "ERR value is not an integer or out of range",
            CmdError::NotFloat => "ERR value is not a valid float",
            CmdError::Syntax => "ERR syntax error",
            CmdError::NoSuchKey => "ERR no such key",
            CmdError::SameObject => "ERR source and destination objects are the same",
            CmdError::OutOfRange => "ERR index out of range",
            CmdError::Overflow => "ERR increment or decrement would overflow",
            CmdError::StringTooLong => {
                "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
            }
            CmdError::InvalidExpire(name) => {
                return format!("ERR invalid expire time in '{name}' command")
                    .into_bytes()
                    .into();
            }
            CmdError::Arity(name) => {
                let text = format!("ERR wrong number of arguments for '{name}' command");
                return text.into_bytes().into();
            }
            CmdError::NoAuth => "NOAUTH Authentication required.",
            CmdError::WrongPass => "WRONGPASS invalid username-password pair or user is disabled.",
            CmdError::ReadOnly => "READONLY You can't write against a read only replica.",
            CmdError::NoReplicas => "NOREPLICAS Not enough good replicas to write.",
            CmdError::MasterDown => {
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
            }
            CmdError::Loading => "LOADING Redis is loading the dataset in memory",
            CmdError::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            CmdError::SnapshotsFail => {
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
                 persist to disk. Commands that may modify the data set are disabled, because \
                 this instance is configured to report errors during writes if RDB snapshotting \
                 fails (stop-writes-on-bgsave-error option). Please check the Redis logs for \
                 details about the RDB error."
            }
            CmdError::AofFails(reason) => {
                let text = format!("MISCONF Errors writing to the AOF file: {reason}");
                return text.into_bytes().into();
            }
            CmdError::Fixed(text) => text,
            CmdError::Text(text) => return text.as_slice().into(),
        };
        fixed.as_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_begin_with_their_code_word() {
        assert_eq!(&*CmdError::Syntax.text(), b"ERR syntax error");
        assert_eq!(&*CmdError::err("no").text(), b"ERR no");
        assert_eq!(
            &*CmdError::InvalidExpire("set").text(),
            b"ERR invalid expire time in 'set' command"
        );
        assert_eq!(
            &*CmdError::Arity("client|kill".into()).text(),
            b"ERR wrong number of arguments for 'client|kill' command"
        );
    }
}
