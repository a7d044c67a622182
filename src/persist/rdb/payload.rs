//! One value by itself, as `DUMP` gives it and `RESTORE` takes it.
//!
//! ```text
//! type (1)  value  version (2)  crc64 (8)
//! ```
//!
//! Version and checksum have their low byte first; the checksum is over all that comes before it.

use thiserror::Error;

use super::build::packed::{self, Verdict};
use super::build::{BuildLimits, Builder, Means};
use super::checksum::Checksum;
use super::cursor::{Cursor, RawString, Stop};
use super::encoder::{Encoder, EncoderOptions};
use super::error::RdbErrorKind;
use super::format::{VERSION_MAX, ValueType};
use super::structure::Walk;
use super::value;
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
        encoder.raw(&(options.version as u16).to_le_bytes())?;
        encoder.into_sink()
    };
    let mut payload = write().expect("a vector takes everything");
    let checksum = checksum_of(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
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
    let is_known = i64::from(u16::from_le_bytes(*version)) <= VERSION_MAX;
    let is_whole = !verify_checksum || u64::from_le_bytes(*checksum) == checksum_of(summed);
    (is_known && is_whole).then_some(body)
}

fn checksum_of(bytes: &[u8]) -> u64 {
    let mut checksum = Checksum::default();
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
            return Err(RdbErrorKind::NoModuleForValue(module).into());
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
