//! Rules that single directives have beyond their type.
//!
//! A check sees the settings as they would be and answers with the reason against them. What
//! Tanist does not have (cluster mode, defragmentation) is refused here, so that nobody
//! believes in a protection or feature that is not there. What is allowed but hardly meant is a
//! [`doubts`] line in the log.

use super::table::Settings;
use super::value::Reason;

/// Longest host name plus one.
const HOSTNAME_BYTES_END: usize = 256;

fn refuse_if(wrong: bool, reason: &'static str) -> Result<(), Reason> {
    if wrong { Err(reason.into()) } else { Ok(()) }
}

fn is_path(name: &[u8]) -> bool {
    name.iter().any(|b| matches!(b, b'/' | b'\\'))
}

pub(super) fn dbfilename(s: &Settings) -> Result<(), Reason> {
    refuse_if(
        is_path(&s.dbfilename),
        "dbfilename can't be a path, just a filename",
    )
}

pub(super) fn appendfilename(s: &Settings) -> Result<(), Reason> {
    refuse_if(s.appendfilename.is_empty(), "appendfilename can't be empty")?;
    refuse_if(
        is_path(&s.appendfilename),
        "appendfilename can't be a path, just a filename",
    )
}

pub(super) fn appenddirname(s: &Settings) -> Result<(), Reason> {
    refuse_if(s.appenddirname.is_empty(), "appenddirname can't be empty")?;
    refuse_if(
        is_path(&s.appenddirname),
        "appenddirname can't be a path, just a dirname",
    )
}

pub(super) fn activedefrag(s: &Settings) -> Result<(), Reason> {
    refuse_if(
        s.activedefrag,
        "Active defragmentation cannot be enabled: it requires a Redis server compiled with a \
         modified Jemalloc like the one shipped by default with the Redis source distribution",
    )
}

pub(super) fn cluster_enabled(s: &Settings) -> Result<(), Reason> {
    refuse_if(s.cluster_enabled, "cluster mode is not supported")
}

pub(super) fn cluster_announce_hostname(s: &Settings) -> Result<(), Reason> {
    let name = s.cluster_announce_hostname.as_deref().unwrap_or_default();
    refuse_if(
        name.len() >= HOSTNAME_BYTES_END,
        "Hostnames must be less than 256 characters",
    )?;
    refuse_if(
        !name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')),
        "Hostnames may only contain alphanumeric characters, hyphens or dots",
    )
}

pub(super) fn cluster_announce_human_nodename(s: &Settings) -> Result<(), Reason> {
    let name = s
        .cluster_announce_human_nodename
        .as_deref()
        .unwrap_or_default();
    refuse_if(
        name.iter().any(|b| b"!#$%&()*+:;<>?@[]^{|}~".contains(b)),
        "Announced human node name contained invalid character",
    )
}

/// A template is text with `{variable}` in it; `{{` stands for a brace. What it makes must not be
/// blank, whatever the variables turn out to be.
pub(super) fn proc_title_template(s: &Settings) -> Result<(), Reason> {
    refuse_if(
        !makes_a_title(&s.proc_title_template, s),
        "template format is invalid or contains unknown variables",
    )
}

fn makes_a_title(mut rest: &[u8], s: &Settings) -> bool {
    let mut visible = false;
    while let [byte, after @ ..] = rest {
        if *byte != b'{' {
            visible |= *byte != b' ';
            rest = after;
        } else if let [b'{', after @ ..] = after {
            visible = true;
            rest = after;
        } else if let Some(end) = after.iter().position(|b| *b == b'}') {
            visible |= match &after[..end] {
                b"title" | b"server-mode" => false,
                b"listen-addr" | b"config-file" | b"port" | b"tls-port" => true,
                b"unixsocket" => s.unixsocket.is_some(),
                _ => return false,
            };
            rest = &after[end + 1..];
        } else {
            return false;
        }
    }
    visible
}

/// What the operator should know of settings that are accepted all the same.
pub(super) fn doubts(s: &Settings) -> Vec<&'static str> {
    let doubts = [
        (
            !s.oom_score_adj_values.is_ordered(),
            "The oom-score-adj-values configuration may not work for non-privileged processes! \
             Please consult the documentation.",
        ),
        (
            s.io_threads > 1,
            "io-threads has no effect: one thread serves all clients",
        ),
    ];
    doubts
        .into_iter()
        .filter_map(|(applies, text)| applies.then_some(text))
        .collect()
}
