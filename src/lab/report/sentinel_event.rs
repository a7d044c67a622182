//! What the events of Sentinels say.
//!
//! An event is a name (`+sdown`) and a text of words: what it is about, and of which master that
//! is, as in `slave 10.0.0.2:6379 10.0.0.2 6379 @ mymaster 10.0.0.1 6379`. An address is an IP
//! address or a host name.

use std::net::{IpAddr, SocketAddr};

/// Whom an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `master`, `slave` or `sentinel`.
    pub kind: String,
    /// Its address, `ip:port`.
    pub address: String,
    /// The address of the master of the group that it belongs to; of a master, its own.
    pub master: String,
}

/// Whom an event is about, by the text that follows its name; none if the text says it otherwise.
pub fn subject(text: &str) -> Option<Subject> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let &[kind, _, ip, port, ref rest @ ..] = words.as_slice() else {
        return None;
    };
    if !matches!(kind, "master" | "slave" | "sentinel") {
        return None;
    }
    let address = joined(ip, port)?;
    let master = match rest {
        ["@", _, ip, port, ..] => joined(ip, port)?,
        _ => address.clone(),
    };
    Some(Subject {
        kind: kind.to_owned(),
        address,
        master,
    })
}

/// The old and the new address that a `+switch-master` names.
pub fn switched(text: &str) -> Option<(String, String)> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let &[_, old_ip, old_port, ip, port, ..] = words.as_slice() else {
        return None;
    };
    Some((joined(old_ip, old_port)?, joined(ip, port)?))
}

/// An address as [`SocketAddr`] shows it, so that both can be compared as text.
fn joined(ip: &str, port: &str) -> Option<String> {
    let port: u16 = port.parse().ok()?;
    Some(match ip.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port).to_string(),
        Err(_) => format!("{ip}:{port}"),
    })
}

/// Whether an event tells of the course of a failover, or of what Sentinels think of a master, and
/// so deserves words in a picture; the others are many.
pub fn is_major(name: &str, text: &str) -> bool {
    let of_master = || subject(text).is_none_or(|subject| subject.kind == "master");
    match name {
        "+sdown" | "-sdown" | "+odown" | "-odown" => of_master(),
        "+try-failover"
        | "+elected-leader"
        | "+selected-slave"
        | "+promoted-slave"
        | "+switch-master"
        | "+failover-end"
        | "+failover-end-for-timeout"
        | "+tilt"
        | "-tilt"
        | "+convert-to-slave"
        | "+reboot" => true,
        _ => name.starts_with("-failover-abort"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_say_whom_they_are_about() {
        let of = |kind: &str, address: &str, master: &str| {
            Some(Subject {
                kind: kind.into(),
                address: address.into(),
                master: master.into(),
            })
        };
        let cases = [
            (
                "master mm 127.1.1.1 6379 #quorum 2/2",
                of("master", "127.1.1.1:6379", "127.1.1.1:6379"),
            ),
            (
                "slave ::1:7 ::1 7 @ mm host 6379",
                of("slave", "[::1]:7", "host:6379"),
            ),
            ("slave a:7 a 7 @ mm host", of("slave", "a:7", "a:7")),
            ("master mm 127.1.1.1 port", None),
            ("#tilt mode entered", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(subject(text), expected, "{text}");
        }
        let switch = switched("mm 127.1.1.1 6379 127.1.1.2 6380");
        assert_eq!(
            switch,
            Some(("127.1.1.1:6379".into(), "127.1.1.2:6380".into()))
        );
        assert_eq!(switched("mm 127.1.1.1 6379"), None);
    }

    #[test]
    fn what_is_said_of_masters_is_major() {
        assert!(is_major("+sdown", "master mm 127.1.1.1 6379"));
        assert!(!is_major("+sdown", "slave a:1 a 1 @ mm 127.1.1.1 6379"));
        assert!(is_major(
            "-failover-abort-no-good-slave",
            "master mm 127.1.1.1 6379"
        ));
        assert!(!is_major("+new-epoch", "4"));
    }
}
