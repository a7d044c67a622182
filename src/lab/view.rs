//! How a node looks from outside: `INFO` of a server, what a Sentinel says of its masters.

use std::collections::HashMap;
use std::net::IpAddr;

use super::model::{Sample, UnixUs};
use crate::resp::reply::Value;

/// What was last seen of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// A server.
    Server(Sample),
    /// A Sentinel.
    Sentinel(SentinelView),
}

/// A Sentinel as it was seen at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentinelView {
    /// When.
    pub at_us: UnixUs,
    /// It did not answer in time.
    pub silent: bool,
    /// The masters that it watches.
    pub masters: Vec<WatchedMaster>,
}

/// A master as a Sentinel knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchedMaster {
    /// Its name.
    pub name: String,
    /// Its address, as the name of a node where it is one.
    pub at: String,
    /// `master`, and what is wrong: `master,s_down,disconnected`.
    pub flags: String,
    /// Replicas that are known.
    pub replicas: usize,
    /// Other Sentinels that are known.
    pub sentinels: usize,
    /// The epoch of the configuration.
    pub epoch: u64,
}

/// Names of nodes by their public addresses.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    names: HashMap<IpAddr, String>,
}

impl Directory {
    /// Adds a node.
    pub fn add(&mut self, ip: IpAddr, name: &str) {
        self.names.insert(ip, name.to_owned());
    }

    /// The node at this address, or the address itself if it is none of ours.
    pub fn name(&self, ip: &str, port: &str) -> String {
        let known = ip.parse().ok().and_then(|ip| self.names.get(&ip));
        known.cloned().unwrap_or_else(|| format!("{ip}:{port}"))
    }
}

/// What `INFO` says of a server; `who` are the names of nodes by address.
pub fn read_info(node: &str, at_us: UnixUs, info: &str, who: &Directory) -> Sample {
    let fields: HashMap<&str, &str> = info
        .lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect();
    let field = |name: &str| fields.get(name).copied();
    let number = |name: &str| field(name).and_then(|digits| digits.parse().ok());
    let role = field("role").map(str::to_owned);
    let is_replica = role.as_deref() == Some("slave");
    let follows = field("master_host").zip(field("master_port"));
    let keys = |value: &&str| -> Option<u64> {
        let count = value.strip_prefix("keys=")?.split(',').next()?;
        count.parse().ok()
    };
    let databases = fields.iter().filter(|(name, _)| name.starts_with("db"));
    Sample {
        at_us,
        node: node.to_owned(),
        silent: false,
        follows: follows.map(|(ip, port)| who.name(ip, port)),
        link_up: is_replica.then(|| field("master_link_status") == Some("up")),
        offset: match is_replica {
            true => number("slave_repl_offset"),
            false => number("master_repl_offset"),
        },
        replicas: number("connected_slaves").map(|count| count as u32),
        keys: Some(databases.filter_map(|(_, value)| keys(value)).sum()),
        lag_ms: None,
        role,
    }
}

/// What `SENTINEL MASTERS` says.
pub fn read_masters(at_us: UnixUs, reply: &Value, who: &Directory) -> SentinelView {
    let masters = reply.array().unwrap_or_default();
    SentinelView {
        at_us,
        silent: reply.array().is_none(),
        masters: masters
            .iter()
            .map(|master| read_master(master, who))
            .collect(),
    }
}

fn read_master(reply: &Value, who: &Directory) -> WatchedMaster {
    let words = reply.array().unwrap_or_default();
    let field = |name: &str| {
        let pair = words
            .chunks(2)
            .find(|pair| pair[0].text() == Some(name.as_bytes()));
        let value = pair.and_then(|pair| pair.get(1)?.text());
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    };
    let number = |name: &str| field(name).parse().unwrap_or(0);
    WatchedMaster {
        name: field("name"),
        at: who.name(&field("ip"), &field("port")),
        flags: field("flags"),
        replicas: number("num-slaves") as usize,
        sentinels: number("num-other-sentinels") as usize,
        epoch: number("config-epoch"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who() -> Directory {
        let mut who = Directory::default();
        who.add("127.1.1.1".parse().expect("an address"), "m1");
        who
    }

    #[test]
    fn info_says_role_link_offset_and_keys() {
        let info = "# Replication\r\nrole:slave\r\nmaster_host:127.1.1.1\r\nmaster_port:6379\r\n\
                    master_link_status:up\r\nslave_repl_offset:42\r\nconnected_slaves:1\r\n\
                    master_repl_offset:41\r\n# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n\
                    db3:keys=4,expires=1,avg_ttl=5\r\n";
        let seen = read_info("r1", 7, info, &who());
        assert_eq!(seen.role.as_deref(), Some("slave"));
        assert_eq!(seen.follows.as_deref(), Some("m1"));
        assert_eq!(seen.link_up, Some(true));
        assert_eq!(
            (seen.offset, seen.replicas, seen.keys),
            (Some(42), Some(1), Some(7))
        );
        let seen = read_info("m1", 7, "role:master\r\nmaster_repl_offset:41\r\n", &who());
        assert_eq!(
            (seen.offset, seen.link_up, seen.follows),
            (Some(41), None, None)
        );
        let seen = read_info("m1", 7, "", &who());
        assert_eq!((seen.role, seen.offset, seen.keys), (None, None, Some(0)));
    }

    #[test]
    fn a_sentinel_says_what_it_knows_of_its_masters() {
        let text = |word: &str| Value::Bulk(word.as_bytes().to_vec());
        let line = "name mymaster ip 127.1.1.1 port 6379 flags master num-slaves 2 \
                    num-other-sentinels 1 config-epoch 3";
        let master = Value::Array(line.split_whitespace().map(text).collect());
        let seen = read_masters(7, &Value::Array(vec![master]), &who());
        let expected = WatchedMaster {
            name: "mymaster".to_owned(),
            at: "m1".to_owned(),
            flags: "master".to_owned(),
            replicas: 2,
            sentinels: 1,
            epoch: 3,
        };
        assert_eq!(seen.masters, [expected]);
        assert!(read_masters(7, &Value::Error(b"ERR".to_vec()), &who()).silent);
    }
}
