//! What can be wrong with an RDB stream, where, and while doing what.
//!
//! Every kind is the fault of the bytes (or of a server too small for them), never of the disk:
//! failures to read are told apart by the callers, who did the reading.

use thiserror::Error;

use crate::data::stream::RestoreError;

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
    #[error(transparent)]
    Flaw(#[from] Flaw),
    #[error("Collection without members")]
    EmptyValue,
    #[error("Pre-release module format not supported")]
    PreReleaseModule,
    #[error("Pre-release function format not supported")]
    PreReleaseFunction,
    #[error("Failed loading library, {0}")]
    Library(String),
    #[error("bad when_opcode")]
    ModuleAuxWithoutWhen,
    #[error("Unknown module value opcode {0}")]
    UnknownModuleOpcode(u64),
    #[error(
        "The RDB file contains module data I can't load: no matching module type '{module}'{}",
        of_key(.key)
    )]
    NoModuleForValue {
        module: String,
        key: Option<Vec<u8>>,
    },
    #[error("The RDB file contains AUX module data I can't load: no matching module '{0}'")]
    NoModuleForAux(String),
    #[error(
        "The hash '{}' has fields with a time to live, which this server cannot keep; \
         rdb-skip-unknown yes leaves it out",
        String::from_utf8_lossy(.key)
    )]
    FieldExpiry { key: Vec<u8> },
    #[error(
        "The RDB file is of a cluster node that was importing slots, which this server cannot go \
         on with; rdb-skip-unknown yes ignores it"
    )]
    SlotImport,
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

fn of_key(key: &Option<Vec<u8>>) -> String {
    let Some(key) = key else {
        return String::new();
    };
    format!(
        " of key '{}'; rdb-skip-unknown yes leaves it out",
        String::from_utf8_lossy(key)
    )
}

/// What is wrong with a value that is there as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum Flaw {
    #[error("Quicklist integrity check failed.")]
    ListNode,
    #[error("Listpack integrity check failed.")]
    Listpack,
    #[error("Ziplist integrity check failed.")]
    Ziplist,
    #[error("List ziplist integrity check failed.")]
    ListZiplist,
    #[error("Intset integrity check failed.")]
    Intset,
    #[error("Set listpack integrity check failed.")]
    SetListpack,
    #[error("Zipmap integrity check failed.")]
    Zipmap,
    #[error("Hash ziplist integrity check failed.")]
    HashZiplist,
    #[error("Hash listpack integrity check failed.")]
    HashListpack,
    #[error("Zset ziplist integrity check failed.")]
    ZsetZiplist,
    #[error("Zset listpack integrity check failed.")]
    ZsetListpack,
    #[error("Duplicate set members detected")]
    DuplicateMember,
    #[error("Duplicate hash fields detected")]
    DuplicateField,
    #[error("Duplicate zset fields detected")]
    DuplicateScored,
    #[error("Zset with NAN score detected")]
    Score,
    #[error("{}", stream_flaw(*.0))]
    Stream(#[from] RestoreError),
}

/// What is wrong with a stream, in the words that operators find in logs.
fn stream_flaw(error: RestoreError) -> &'static str {
    match error {
        RestoreError::NodeId => "Stream node key entry is not the size of a stream ID",
        RestoreError::Node => "Stream listpack integrity check failed.",
        RestoreError::NodeOrder => "Stream listpacks out of order",
        RestoreError::Length => "Stream length inconsistent with rax entries",
        RestoreError::LastId => "Stream entry above the last ID",
        RestoreError::GroupTwice => "Duplicated consumer group name",
        RestoreError::ConsumerTwice => "Duplicate stream consumer detected",
        RestoreError::PendingTwice => "Duplicated global PEL entry loading stream consumer group",
        RestoreError::NotPending => "Consumer entry not found in group global PEL",
        RestoreError::NoOwner => "Stream CG PEL entry without consumer",
        RestoreError::PartOrder => "Stream parts out of order",
    }
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
