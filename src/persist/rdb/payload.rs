//! One value by itself, as `DUMP` gives it and `RESTORE` takes it.
//!
//! ```text
//! type (1)  value  version (2)  crc64 (8)
//! ```
//!
//! Version and checksum have their low byte first; the checksum is over all that comes before it.
//! Libraries of functions travel the same way (`FUNCTION DUMP`), with a snapshot's record of each
//! in place of type and value.

use thiserror::Error;

use super::build::packed::{self, Verdict};
use super::build::{BuildLimits, Builder, Means};
use super::cursor::{Cursor, RawString, Stop};
use super::dialect::VERSION_COMMON_MAX;
use super::encoder::{Encoder, EncoderOptions};
use super::error::RdbErrorKind;
use super::format::{ValueType, opcode};
use super::structure::Walk;
use super::value;
use crate::base::crc64::Crc64;
use crate::keyspace::{NewValue, Object, ValueRef};

const CHECKSUM_BYTES: usize = 8;

/// Why a payload makes no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// It is from a newer version, or was changed on its way.
    #[error("DUMP payload version or checksum are wrong")]
    Footer,
    /// It holds no value.
    #[error("Bad data format")]
    Value(RdbErrorKind),
}

/// Makes a payload of a value.
pub fn dump(value: ValueRef<'_>, options: EncoderOptions) -> Vec<u8> {
    let write = || {
        let mut encoder = Encoder::bare(Vec::new(), options);
        encoder.raw(&[value::type_of(value, options.version).id()])?;
        value::save(value, &mut encoder)?;
        Ok::<_, std::io::Error>(encoder)
    };
    close(write().expect("a vector takes everything"), options)
}

/// Makes a payload of libraries of functions, given the code of each.
pub fn dump_libraries<'a>(
    codes: impl Iterator<Item = &'a [u8]>,
    options: EncoderOptions,
) -> Vec<u8> {
    let mut encoder = Encoder::bare(Vec::new(), options);
    for code in codes {
        encoder.library(code).expect("a vector takes everything");
    }
    close(encoder, options)
}

/// Ends a payload.
fn close(mut encoder: Encoder<Vec<u8>>, options: EncoderOptions) -> Vec<u8> {
    let version = (options.version as u16).to_le_bytes();
    let payload = encoder.raw(&version).and_then(|()| encoder.into_sink());
    let mut payload = payload.expect("a vector takes everything");
    let checksum = checksum_of(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// Why a payload makes no libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LibrariesError {
    /// It is from a newer version, or was changed on its way.
    #[error("DUMP payload version or checksum are wrong")]
    Footer,
    /// It holds libraries as release candidates of 7.0 wrote them.
    #[error("Pre-GA function format not supported")]
    PreRelease,
    /// It holds something else.
    #[error("given type is not a function")]
    NotLibraries,
    /// It ends in the midst of one, or is damaged.
    #[error("failed loading the given functions payload")]
    Damaged,
}

/// The code of each library in a payload.
///
/// # Errors
///
/// It is none of libraries, or damaged.
pub fn libraries(payload: &[u8], verify_checksum: bool) -> Result<Vec<Vec<u8>>, LibrariesError> {
    let body = open(payload, verify_checksum).ok_or(LibrariesError::Footer)?;
    let mut cursor = Cursor::new(body, 0);
    let mut codes = Vec::new();
    while cursor.at() < body.len() {
        match cursor.byte().map_err(|_| LibrariesError::Damaged)? {
            opcode::FUNCTION2 => {}
            opcode::FUNCTION_PRE_GA => return Err(LibrariesError::PreRelease),
            _ => return Err(LibrariesError::NotLibraries),
        }
        let code = cursor.string().map_err(|_| LibrariesError::Damaged)?;
        codes.push(code.into_vec().map_err(|_| LibrariesError::Damaged)?);
    }
    Ok(codes)
}

/// How many bytes a value takes in a snapshot, without its type and key.
pub fn length_of(value: ValueRef<'_>, options: EncoderOptions) -> u64 {
    let mut encoder = Encoder::bare(std::io::sink(), options);
    value::save(value, &mut encoder).expect("a sink takes everything");
    encoder.written()
}

/// Makes a value of a payload. `verify_checksum` is off only in tests.
pub fn restore<'a>(
    payload: &'a [u8],
    limits: &BuildLimits,
    verify_checksum: bool,
) -> Result<NewValue<'a>, PayloadError> {
    let body = open(payload, verify_checksum).ok_or(PayloadError::Footer)?;
    let mut cursor = Cursor::new(body, 0);
    let result = read(&mut cursor, body.len(), limits);
    result.map_err(|stop| {
        PayloadError::Value(match stop {
            Stop::Short { .. } => RdbErrorKind::UnexpectedEnd,
            Stop::Bad(kind) => *kind,
        })
    })
}

/// What is in front of the footer, if that is right.
fn open(payload: &[u8], verify_checksum: bool) -> Option<&[u8]> {
    let (summed, checksum) = payload.split_last_chunk::<CHECKSUM_BYTES>()?;
    let (body, version) = summed.split_last_chunk()?;
    let is_known = i64::from(u16::from_le_bytes(*version)) <= VERSION_COMMON_MAX;
    let is_whole = !verify_checksum || u64::from_le_bytes(*checksum) == checksum_of(summed);
    (is_known && is_whole).then_some(body)
}

fn checksum_of(bytes: &[u8]) -> u64 {
    let mut checksum = Crc64::default();
    checksum.update(bytes);
    checksum.value()
}

fn read<'a>(
    cursor: &mut Cursor<'a>,
    len: usize,
    limits: &BuildLimits,
) -> Result<NewValue<'a>, Stop> {
    let id = cursor.byte()?;
    let value_type = ValueType::from_id(id).ok_or(RdbErrorKind::UnknownType(id))?;
    if value_type == ValueType::String {
        return Ok(match cursor.string()? {
            RawString::Int(value) => NewValue::Int(value),
            RawString::Plain(bytes) => NewValue::from_bytes_auto(bytes),
            packed => NewValue::from_vec_auto(packed.into_vec()?),
        });
    }
    let object = match (Walk::of_value(value_type), Builder::new(value_type, limits)) {
        (Some(walk), Some(builder)) => read_parts(walk, builder, cursor, len, limits)?,
        (Some(_), None) => {
            let module = super::format::module_type_name(cursor.length()?);
            return Err(RdbErrorKind::NoModuleForValue { module, key: None }.into());
        }
        (None, _) if value_type == ValueType::ModulePreGa => {
            return Err(RdbErrorKind::PreReleaseModule.into());
        }
        (None, _) => return read_packed(value_type, cursor.string()?, limits),
    };
    // What has no members is no value.
    let object = object.ok_or(RdbErrorKind::EmptyValue)?;
    Ok(NewValue::Object(object))
}

fn read_packed<'a>(
    value_type: ValueType,
    raw: RawString<'a>,
    limits: &BuildLimits,
) -> Result<NewValue<'a>, Stop> {
    let mut scratch = Vec::new();
    let verdict = packed::judge(value_type, raw.resolve(&mut scratch)?, limits)?;
    Ok(match (verdict, raw) {
        (Verdict::AsItIs(type_, encoding), RawString::Plain(bytes)) => NewValue::Packed {
            type_,
            encoding,
            bytes: packed::kept(encoding, bytes),
        },
        (Verdict::AsItIs(type_, encoding), _) => {
            let bytes = packed::kept(encoding, &scratch).to_vec();
            NewValue::Object(Object::from_packed(type_, encoding, bytes))
        }
        (Verdict::Made(object), _) => NewValue::Object(object),
        (Verdict::Empty, _) => return Err(RdbErrorKind::EmptyValue.into()),
    })
}

fn read_parts(
    mut walk: Walk,
    mut builder: Builder,
    cursor: &mut Cursor<'_>,
    len: usize,
    limits: &BuildLimits,
) -> Result<Option<Object>, Stop> {
    let mut scratch = Vec::new();
    while let Some(token) = walk.next(cursor)? {
        let mut means = Means {
            limits,
            ahead: (len - cursor.at()) as u64,
            scratch: &mut scratch,
        };
        builder.take(token, &mut means)?;
    }
    Ok(builder.finish(limits)?)
}
