//! What scripts can set of how JSON is written and read.

/// What can be set.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Arrays with too many holes are written as objects; otherwise they are an error.
    pub sparse_convert: bool,
    /// An array has too many holes if it is so many times as long as it has members.
    pub sparse_ratio: i64,
    /// An array of this length never has too many.
    pub sparse_safe: i64,
    /// Tables within tables are written so deep.
    pub encode_depth_max: usize,
    /// Arrays and objects are read so deep.
    pub decode_depth_max: usize,
    /// What becomes of numbers that JSON does not know.
    pub encode_invalid: InvalidNumbers,
    /// Whether such numbers may be read.
    pub decode_invalid: bool,
    /// Significant digits of a number.
    pub precision: usize,
}

/// What becomes of numbers that JSON does not know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum InvalidNumbers {
    /// They are an error.
    Refuse,
    /// They are written nevertheless.
    Write,
    /// They are written as null.
    Null,
}

/// What holds as long as no script sets anything.
pub const DEFAULTS: Settings = Settings {
    sparse_convert: false,
    sparse_ratio: 2,
    sparse_safe: 10,
    encode_depth_max: 1000,
    decode_depth_max: 1000,
    encode_invalid: InvalidNumbers::Refuse,
    decode_invalid: true,
    precision: 14,
};
