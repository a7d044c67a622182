//! `REPLCONF`: options that a client sets before it asks for the stream, and reports while it
//! reads it.
//!
//! A replica sets its options with several commands on an ordinary connection; only `PSYNC` makes
//! it a replica. They are kept per client as [`ReplicaOptions`].

use bitflags::bitflags;

use super::action::Contents;
use super::extensions::{Extensions, SnapshotPart, StreamSum};
use crate::base::numbers::{parse_i64, parse_u64};

/// The longest address that `REPLCONF ip-address` may give.
const ADDRESS_BYTES_MAX: usize = 255;

/// What a client has set with `REPLCONF`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaOptions {
    /// The port it can be reached at; 0 if it did not say.
    pub listening_port: i64,
    /// The address it can be reached at, if not the one it connects from.
    pub ip_address: Option<String>,
    /// What it understands.
    pub capabilities: Capabilities,
    /// It wants a snapshot, and not the stream after it.
    pub snapshot_only: bool,
    /// What it wants the snapshot to hold.
    pub contents: Contents,
    /// What it can do beyond what stock replicas can.
    pub extensions: Extensions,
    /// What it has of a snapshot file of ours.
    pub part: Option<SnapshotPart>,
}

bitflags! {
    /// What a replica understands beyond the oldest protocol.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Capabilities: u8 {
        /// Snapshots of unknown length that end with a mark.
        const EOF = 1;
        /// `+CONTINUE` with a new replication id.
        const PSYNC2 = 1 << 1;
    }
}

/// How a `REPLCONF` command ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplconfReply {
    /// `+OK`.
    Ok,
    /// `+OK`, and behind it what we can do beyond what stock masters can.
    OkWith(Extensions),
    /// A line of its own, without the leading `+`.
    Line(String),
    /// No reply at all, as to acknowledgements.
    Silent,
    /// An error, without the leading `-`; it may quote any bytes.
    Error(Vec<u8>),
}

/// A replica's report of how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Bytes of the stream it has run.
    pub offset: i64,
    /// Bytes of the stream that are safe in its append-only file.
    pub fsynced: Option<i64>,
    /// How many milliseconds it is behind the origin of the stream, where it tells.
    pub lag_ms: Option<u64>,
    /// Whether all of it could be read. One that is not whole counts as far as it could be, but is
    /// no sign that the replica is well.
    pub is_whole: bool,
}

/// What one command amounts to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Replconf {
    /// All were set; or one was not, and those before it were.
    Reply(ReplconfReply),
    /// An acknowledgement; `None` if not even its offset could be read.
    Ack(Option<Ack>),
    /// Somebody, most likely our master, asks how far we are.
    GetAck,
    /// A replica that is about to ask to continue says what the stream comes to at its place.
    StreamSum(StreamSum),
    /// A replica asks for the time of the origin.
    OriginTime,
    /// A replica wants to know which histories ours grew out of.
    Lineage,
}

impl ReplicaOptions {
    /// Sets the options of one `REPLCONF` command, `args` without its name.
    pub(super) fn apply(&mut self, args: &[&[u8]]) -> Replconf {
        if !args.len().is_multiple_of(2) {
            return Replconf::Reply(ReplconfReply::Error(b"ERR syntax error".to_vec()));
        }
        let mut reply = ReplconfReply::Ok;
        for (at, pair) in args.chunks_exact(2).enumerate() {
            let (option, value) = (pair[0].to_ascii_lowercase(), pair[1]);
            let taken = match option.as_slice() {
                b"listening-port" => self.set_port(value),
                b"ip-address" => self.set_address(value),
                b"capa" => {
                    if let Some(extensions) = Extensions::parse(value) {
                        self.extensions = extensions;
                        reply = ReplconfReply::OkWith(Extensions::OURS);
                    }
                    self.add_capability(value)
                }
                b"ack" => return Replconf::Ack(parse_ack(&args[at * 2 + 1..])),
                b"getack" => return Replconf::GetAck,
                b"origin-time" => return Replconf::OriginTime,
                b"lineage" => return Replconf::Lineage,
                b"stream-sum" => match StreamSum::parse(value) {
                    Some(sum) => return Replconf::StreamSum(sum),
                    None => Err("ERR Invalid stream-sum".into()),
                },
                b"snapshot-part" => match SnapshotPart::parse(value) {
                    Some(part) => {
                        self.part = Some(part);
                        Ok(())
                    }
                    None => Err("ERR Invalid snapshot-part".into()),
                },
                b"rdb-only" => self.set_snapshot_only(value),
                b"rdb-filter-only" => self.set_contents(value),
                _ => Err(quoting("ERR Unrecognized REPLCONF option: ", pair[0])),
            };
            if let Err(text) = taken {
                return Replconf::Reply(ReplconfReply::Error(text));
            }
        }
        Replconf::Reply(reply)
    }

    fn set_port(&mut self, value: &[u8]) -> Result<(), Vec<u8>> {
        self.listening_port = parse_i64(value).ok_or(NOT_AN_INTEGER)?;
        Ok(())
    }

    fn set_address(&mut self, value: &[u8]) -> Result<(), Vec<u8>> {
        if value.len() > ADDRESS_BYTES_MAX {
            let text = format!(
                "ERR REPLCONF ip-address provided by replica instance is too long: {} bytes",
                value.len()
            );
            return Err(text.into_bytes());
        }
        self.ip_address = Some(super::wire::printable(value));
        Ok(())
    }

    fn add_capability(&mut self, value: &[u8]) -> Result<(), Vec<u8>> {
        match value.to_ascii_lowercase().as_slice() {
            b"eof" => self.capabilities |= Capabilities::EOF,
            b"psync2" => self.capabilities |= Capabilities::PSYNC2,
            // Newer replicas may know more than we do.
            _ => {}
        }
        Ok(())
    }

    fn set_snapshot_only(&mut self, value: &[u8]) -> Result<(), Vec<u8>> {
        self.snapshot_only = match parse_i64(value).ok_or(NOT_AN_INTEGER)? {
            0 => false,
            1 => true,
            _ => return Err("ERR value is out of range, value must between 0 and 1".into()),
        };
        Ok(())
    }

    fn set_contents(&mut self, value: &[u8]) -> Result<(), Vec<u8>> {
        let Some(filters) = crate::base::quoting::split_args(value) else {
            return Err("ERR Missing rdb-filter-only values".into());
        };
        self.contents = Contents::Nothing;
        for filter in filters {
            if !filter.eq_ignore_ascii_case(b"functions") {
                return Err(quoting("ERR Unsupported rdb-filter-only option: ", &filter));
            }
            self.contents = Contents::FunctionsOnly;
        }
        Ok(())
    }
}

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// An error that quotes what a client sent, up to the first zero byte.
fn quoting(text: &str, quoted: &[u8]) -> Vec<u8> {
    let end = memchr::memchr(0, quoted).unwrap_or(quoted.len());
    [text.as_bytes(), &quoted[..end]].concat()
}

/// Parses what follows the word `ack`: an offset, and perhaps `fack` and another, and perhaps `lag`
/// and milliseconds.
fn parse_ack(values: &[&[u8]]) -> Option<Ack> {
    let offset = parse_i64(values[0])?;
    let has_second = values.len() > 2 && values[1].eq_ignore_ascii_case(b"fack");
    let fsynced = has_second.then(|| parse_i64(values[2])).flatten();
    let words = values[1..].chunks_exact(2);
    let lag = words
        .into_iter()
        .find(|pair| pair[0].eq_ignore_ascii_case(b"lag"));
    Some(Ack {
        offset,
        fsynced,
        lag_ms: lag.and_then(|pair| parse_u64(pair[1])),
        is_whole: fsynced.is_some() || !has_second,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    fn apply(options: &mut ReplicaOptions, line: &str) -> Replconf {
        options.apply(&args(line))
    }

    const OK: Replconf = Replconf::Reply(ReplconfReply::Ok);

    #[test]
    fn a_replica_introduces_itself() {
        let mut options = ReplicaOptions::default();
        assert_eq!(apply(&mut options, "listening-port 6380"), OK);
        assert_eq!(apply(&mut options, "ip-address 10.0.0.7"), OK);
        assert_eq!(apply(&mut options, "CAPA eof capa PSYNC2 capa newer"), OK);
        assert_eq!(options.listening_port, 6380);
        assert_eq!(options.ip_address.as_deref(), Some("10.0.0.7"));
        assert_eq!(options.capabilities, Capabilities::all());
    }

    #[test]
    fn only_a_replica_of_ours_is_told_what_we_can_do() {
        let mut options = ReplicaOptions::default();
        let ours = Replconf::Reply(ReplconfReply::OkWith(Extensions::OURS));
        assert_eq!(apply(&mut options, "capa psync2 capa tanist:sum,x"), ours);
        assert_eq!(options.extensions, Extensions::SUM);
        assert_eq!(options.capabilities, Capabilities::PSYNC2);
        assert_eq!(apply(&mut options, "capa eof"), OK);
    }

    #[test]
    fn errors_are_those_of_the_reference() {
        let long = format!("ip-address {}", "x".repeat(256));
        for (line, text) in [
            ("capa", "ERR syntax error"),
            (
                "listening-port x",
                "ERR value is not an integer or out of range",
            ),
            (
                long.as_str(),
                "ERR REPLCONF ip-address provided by replica instance is too long: 256 bytes",
            ),
            (
                "rdb-only 2",
                "ERR value is out of range, value must between 0 and 1",
            ),
            ("Foo bar", "ERR Unrecognized REPLCONF option: Foo"),
            (
                "rdb-filter-only keys",
                "ERR Unsupported rdb-filter-only option: keys",
            ),
            ("rdb-filter-only \"", "ERR Missing rdb-filter-only values"),
        ] {
            let got = apply(&mut ReplicaOptions::default(), line);
            assert_eq!(
                got,
                Replconf::Reply(ReplconfReply::Error(text.into())),
                "{line}"
            );
        }
    }

    #[test]
    fn what_an_error_quotes_comes_back_as_it_was_sent() {
        let error = |text: &[u8]| Replconf::Reply(ReplconfReply::Error(text.to_vec()));
        let mut options = ReplicaOptions::default();
        assert_eq!(
            options.apply(&[b"\x01\xff\0more", b"x"]),
            error(b"ERR Unrecognized REPLCONF option: \x01\xff")
        );
        assert_eq!(
            options.apply(&[b"rdb-filter-only", b"k\xffys"]),
            error(b"ERR Unsupported rdb-filter-only option: k\xffys")
        );
    }

    #[test]
    fn acknowledgements_may_carry_two_offsets() {
        let mut options = ReplicaOptions::default();
        let ack = |offset, fsynced| Ack {
            offset,
            fsynced,
            lag_ms: None,
            is_whole: true,
        };
        for (line, want) in [
            ("ACK 100", Some(ack(100, None))),
            ("ack 100 fack 90", Some(ack(100, Some(90)))),
            ("ack 100 other x", Some(ack(100, None))),
            (
                "ack 100 fack 90 lag 250",
                Some(Ack {
                    lag_ms: Some(250),
                    ..ack(100, Some(90))
                }),
            ),
            (
                "ack 100 LAG 7",
                Some(Ack {
                    lag_ms: Some(7),
                    ..ack(100, None)
                }),
            ),
            ("ack 100 lag -7", Some(ack(100, None))),
            ("ack x", None),
            ("ack x fack 1", None),
            (
                "ack 1 fack x",
                Some(Ack {
                    is_whole: false,
                    ..ack(1, None)
                }),
            ),
        ] {
            assert_eq!(apply(&mut options, line), Replconf::Ack(want), "{line}");
        }
    }

    #[test]
    fn a_filter_names_what_the_snapshot_holds() {
        let mut options = ReplicaOptions::default();
        assert_eq!(options.apply(&[b"rdb-filter-only", b""]), OK);
        assert_eq!(options.contents, Contents::Nothing);
        assert_eq!(options.apply(&[b"rdb-filter-only", b"functions"]), OK);
        assert_eq!(options.contents, Contents::FunctionsOnly);
    }
}
