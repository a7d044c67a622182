//! How a client finds the master, and what a reply tells it.
//!
//! Client libraries ask the Sentinels one by one until one names a master, connect to it, and check
//! by `ROLE` that it is one: a Sentinel may not know yet, or not have heard yet that it was
//! replaced. They ask again when the connection fails, and when a server refuses a write for what
//! it *is* (a replica, not ready, on its own) and not for what the write is. They do not listen to
//! the Sentinels' events, so one that a replaced master goes on serving stays with it.
//!
//! The other client asks nobody and stays with one address, whoever is there, come what may.
//!
//! A Sentinel that was no help, by its silence or with the name of a server that is no master, is
//! asked last next time: else one that is cut off would be asked for ever.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::base::numbers::parse_u64;
use crate::resp::reply::Value;

/// How a client finds the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// It asks the Sentinels.
    Sentinels {
        /// Where they are.
        addresses: Vec<SocketAddr>,
        /// The name by which they know the master.
        master_name: String,
    },
    /// It stays with one server.
    Fixed(SocketAddr),
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Sentinels { .. } => f.write_str("asks the Sentinels"),
            Route::Fixed(address) => write!(f, "stays with {address}"),
        }
    }
}

/// Whose turn it is to be asked.
#[derive(Debug)]
pub(super) struct Turn {
    count: usize,
    next: usize,
}

impl Turn {
    /// Of so many, the first one first.
    pub fn new(count: usize) -> Turn {
        Turn { count, next: 0 }
    }

    /// The number of the one to ask.
    pub fn whom(&self) -> usize {
        self.next
    }

    /// That one was no help.
    pub fn on_failure(&mut self) {
        self.next = (self.next + 1) % self.count.max(1);
    }
}

/// The address in a Sentinel's answer. Names of hosts are not looked up.
pub(super) fn master_of(answer: &Value) -> Option<SocketAddr> {
    let [ip, port] = answer.array()? else {
        return None;
    };
    let ip: IpAddr = std::str::from_utf8(ip.text()?).ok()?.parse().ok()?;
    let port = u16::try_from(parse_u64(port.text()?)?).ok()?;
    Some(SocketAddr::new(ip, port))
}

/// Whether this answer to `ROLE` is that of a master.
pub(super) fn is_master(answer: &Value) -> bool {
    let role = answer.array().and_then(|members| members.first()?.text());
    role == Some(b"master")
}

/// What the reply to a write says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is done.
    Accepted,
    /// It is refused.
    Refused,
    /// It is refused for what the server is: another one may take it.
    RefusedHere,
    /// It is no reply to a write: nothing on this connection can be trusted.
    Nonsense,
}

/// Errors of servers that are no place to write to, for now at least.
const NOT_HERE: [&[u8]; 6] = [
    b"READONLY",
    b"MASTERDOWN",
    b"LOADING",
    b"NOREPLICAS",
    b"UNBLOCKED",
    b"REDIRECT",
];

/// What the reply to a write says.
pub(super) fn meaning(reply: &Value) -> Meaning {
    match reply {
        Value::Int(length) if *length > 0 => Meaning::Accepted,
        Value::Simple(text) if text == b"OK" => Meaning::Accepted,
        Value::Error(text) => {
            let code = text.split(|byte| *byte == b' ').next().unwrap_or_default();
            if NOT_HERE.contains(&code) {
                Meaning::RefusedHere
            } else {
                Meaning::Refused
            }
        }
        _ => Meaning::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulks(texts: &[&str]) -> Value {
        Value::Array(
            texts
                .iter()
                .map(|text| Value::Bulk(text.as_bytes().to_vec()))
                .collect(),
        )
    }

    #[test]
    fn a_sentinels_answer_is_an_address_or_nothing() {
        let address = "127.11.3.1:6379".parse().expect("an address");
        assert_eq!(master_of(&bulks(&["127.11.3.1", "6379"])), Some(address));
        let v6 = "[::1]:1".parse().expect("an address");
        assert_eq!(master_of(&bulks(&["::1", "1"])), Some(v6));
        for bad in [
            &["127.11.3.1"][..],
            &["host", "1"],
            &["127.0.0.1", "65536"],
            &["", ""],
            &[],
        ] {
            assert_eq!(master_of(&bulks(bad)), None, "{bad:?}");
        }
        assert_eq!(master_of(&Value::Null), None);
        assert_eq!(master_of(&Value::Error(b"ERR no".to_vec())), None);
    }

    #[test]
    fn only_a_master_is_a_master() {
        assert!(is_master(&bulks(&["master", "0"])));
        assert!(!is_master(&bulks(&["slave", "127.0.0.1"])));
        for other in [
            Value::Null,
            Value::Int(1),
            bulks(&[]),
            Value::Error(b"LOADING".to_vec()),
        ] {
            assert!(!is_master(&other), "{other:?}");
        }
    }

    #[test]
    fn each_reply_to_a_write_has_a_meaning() {
        let error = |text: &str| meaning(&Value::Error(text.as_bytes().to_vec()));
        assert_eq!(meaning(&Value::Int(17)), Meaning::Accepted);
        assert_eq!(meaning(&Value::Simple(b"OK".to_vec())), Meaning::Accepted);
        for code in NOT_HERE {
            let code = String::from_utf8_lossy(code);
            assert_eq!(error(&format!("{code} whatever")), Meaning::RefusedHere);
        }
        assert_eq!(error("OOM command not allowed"), Meaning::Refused);
        assert_eq!(error("READONLYX"), Meaning::Refused);
        for nonsense in [
            Value::Null,
            Value::Int(0),
            Value::Simple(b"QUEUED".to_vec()),
            bulks(&[]),
        ] {
            assert_eq!(meaning(&nonsense), Meaning::Nonsense, "{nonsense:?}");
        }
    }

    #[test]
    fn who_was_a_help_is_asked_again_and_who_was_not_comes_last() {
        let mut turn = Turn::new(3);
        assert_eq!((turn.whom(), turn.whom()), (0, 0));
        let mut asked = Vec::new();
        for _ in 0..4 {
            turn.on_failure();
            asked.push(turn.whom());
        }
        assert_eq!(asked, [1, 2, 0, 1]);
        let mut none = Turn::new(0);
        none.on_failure();
        assert_eq!(none.whom(), 0);
    }
}
