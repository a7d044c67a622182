//! What can be wrong with an RDB stream, where, and while doing what.
//!
//! Every kind is the fault of the bytes (or of a server too small for them), never of the disk:
//! failures to read are told apart by the callers, who did the reading.

use thiserror::Error;

use super::format::ValueType;

/// A fault in the bytes, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} (at offset {offset}, while doing: {stage})")]
pub struct RdbError {
    /// What is wrong.
    pub kind: RdbErrorKind,
    /// How many bytes could be made sense of before it.
    pub offset: u64,
    /// What was being read.
    pub stage: Stage,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum RdbErrorKind {
    #[error("Wrong signature trying to load DB from file")]
    WrongSignature,
    #[error("Can't handle RDB format version {0}")]
    UnsupportedVersion(i64),
    #[error("Unexpected EOF reading RDB file")]
    UnexpectedEnd,
    #[error("Invalid object type: {0}")]
    UnknownType(u8),
    #[error("Unknown length encoding {0:#04x}")]
    UnknownLengthEncoding(u8),
    #[error("Unknown RDB string encoding type {0}")]
    UnknownStringEncoding(u8),
    #[error("Invalid LZF compressed string")]
    InvalidLzf,
    #[error("Values of type {} ({}) can't be loaded: type not supported yet", .0.id(), .0.name())]
    UnsupportedType(ValueType),
    #[error("Pre-release module format not supported")]
    PreReleaseModule,
    #[error("Pre-release function format not supported")]
    PreReleaseFunction,
    #[error("Function libraries can't be loaded: not supported yet")]
    UnsupportedFunction,
    #[error("bad when_opcode")]
    ModuleAuxWithoutWhen,
    #[error("Unknown module value opcode {0}")]
    UnknownModuleOpcode(u64),
    #[error("The RDB file contains module data I can't load: no matching module type '{0}'")]
    NoModuleForValue(String),
    #[error("The RDB file contains AUX module data I can't load: no matching module '{0}'")]
    NoModuleForAux(String),
    #[error("RDB CRC error")]
    WrongChecksum { computed: u64, stored: u64 },
    #[error(
        "FATAL: Data file was created with a Redis server configured to handle more than \
         {0} databases. Exiting"
    )]
    TooManyDatabases(usize),
    #[error("RDB has duplicated key '{}' in DB {db}", String::from_utf8_lossy(.key))]
    DuplicateKey { key: Vec<u8>, db: usize },
}

/// What was being read, in the words of `redis-check-rdb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum Stage {
    #[error("start")]
    Start,
    #[error("read-type")]
    ReadType,
    #[error("read-expire")]
    ReadExpire,
    #[error("read-key")]
    ReadKey,
    #[error("read-object-value")]
    ReadValue,
    #[error("check-sum")]
    CheckSum,
    #[error("read-len")]
    ReadLength,
    #[error("read-aux")]
    ReadAux,
    #[error("read-module-aux")]
    ReadModuleAux,
    #[error("read-functions")]
    ReadFunctions,
}
