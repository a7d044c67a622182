//! Showing settings: to clients that name some by patterns, and in a crash report.

use super::row::{Row, Traits};
use super::table::{Settings, TABLE};
use crate::base::glob::glob_match;

/// Names and values, each name once, in the order of the patterns and, within one, of the table.
///
/// A name in full stands for itself, in the letters it was asked with; only so is a hidden
/// directive found. A pattern is held against names and aliases alike.
pub fn get(settings: &Settings, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut add = |name: &[u8], row: &Row| {
        if !found
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            found.push((name.to_vec(), row.show(settings)));
        }
    };
    for pattern in patterns {
        if !pattern
            .iter()
            .any(|byte| matches!(byte, b'[' | b'*' | b'?'))
        {
            if let Some(row) = Row::find(pattern) {
                add(pattern, row);
            }
            continue;
        }
        for row in TABLE.iter().filter(|row| !row.is(Traits::HIDDEN)) {
            for name in row
                .names()
                .filter(|name| glob_match(pattern, name.as_bytes(), true))
            {
                add(name.as_bytes(), row);
            }
        }
    }
    found
}

/// The settings that help to understand a crash, a line each, without secrets.
pub fn crash_report_lines(settings: &Settings) -> Vec<u8> {
    let mut lines = Vec::new();
    for row in TABLE.iter().filter(|row| row.is(Traits::DEBUG)) {
        for args in row.saved(settings) {
            lines.extend_from_slice(&[row.name.as_bytes(), b" ", &args, b"\n"].concat());
        }
    }
    lines
}
