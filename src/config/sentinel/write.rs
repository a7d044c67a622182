//! From what is known to `sentinel …` lines.
//!
//! Lines come in groups, each of which takes the place of its old lines: one directive, or one
//! directive of one master, so that a comment above a line stays with the master that it is about.

use super::common_table::{COMMON_OPTIONS, CommonOption};
use super::master_table::MASTER_OPTIONS;
use super::read::is_same_host;
use super::{CommonOptions, MasterConfig, MasterOptions, SentinelConfig};
use crate::config::value::bare_or_quoted;

/// These come before the masters, so that whoever reads a file knows how to read what follows.
const BEFORE_MASTERS: &[&str] = &[
    "deny-scripts-reconfig",
    "resolve-hostnames",
    "announce-hostnames",
];

/// Lines that belong together.
pub(in crate::config) struct LineGroup {
    /// By which their old lines are found, see [`key`].
    pub(in crate::config) key: Vec<u8>,
    /// The lines.
    pub(in crate::config) lines: Vec<Vec<u8>>,
    /// Those among them that need not be written, because they say the default.
    pub(in crate::config) usual: Vec<Vec<u8>>,
}

impl LineGroup {
    fn one(key: Vec<u8>, line: Vec<u8>) -> LineGroup {
        LineGroup {
            key,
            lines: vec![line],
            usual: Vec::new(),
        }
    }
}

/// By what the old lines of a group are found: the directive, and whose it is.
///
/// `words` are those of a line behind `sentinel`.
pub(in crate::config) fn key<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut key = b"sentinel ".to_vec();
    let Some(directive) = words.first() else {
        return key;
    };
    let directive = directive.as_ref().to_ascii_lowercase();
    let directive = match &directive[..] {
        b"known-slave" => b"known-replica",
        other => other,
    };
    key.extend_from_slice(directive);
    let is_common = CommonOption::of_line(directive).is_some()
        || matches!(directive, b"myid" | b"current-epoch");
    if let (false, Some(name)) = (is_common, words.get(1)) {
        key.push(b' ');
        key.extend_from_slice(name.as_ref());
    }
    key
}

fn line(directive: &str, args: &[&[u8]]) -> Vec<u8> {
    let mut line = [b"sentinel ", directive.as_bytes()].concat();
    for arg in args {
        line.push(b' ');
        line.extend_from_slice(arg);
    }
    line
}

/// All groups, in the order in which they are written.
pub(in crate::config) fn groups(config: &SentinelConfig) -> Vec<LineGroup> {
    let mut groups = Vec::new();
    if let Some(id) = &config.id {
        let id = bare_or_quoted(id.as_bytes());
        groups.push(LineGroup::one(key(&["myid"]), line("myid", &[&id])));
    }
    let defaults = CommonOptions::default();
    let is_early = |option: &&CommonOption| BEFORE_MASTERS.contains(&option.name);
    let group = |option: &CommonOption| common_group(option, &config.common, &defaults);
    groups.extend(COMMON_OPTIONS.iter().filter(is_early).map(group));
    for master in &config.masters {
        master_groups(master, &mut groups);
    }
    let epoch = config.current_epoch.to_string();
    let epoch = line("current-epoch", &[epoch.as_bytes()]);
    groups.push(LineGroup::one(key(&["current-epoch"]), epoch));
    let late = COMMON_OPTIONS.iter().filter(|option| !is_early(option));
    groups.extend(late.map(group));
    groups
}

fn common_group(
    option: &CommonOption,
    common: &CommonOptions,
    defaults: &CommonOptions,
) -> LineGroup {
    let lines = |common| {
        let saved = option.saved(common).into_iter();
        saved.map(|value| line(option.name, &[&value])).collect()
    };
    LineGroup {
        key: key(&[option.name]),
        lines: lines(common),
        usual: lines(defaults),
    }
}

fn master_groups(master: &MasterConfig, groups: &mut Vec<LineGroup>) {
    let name = bare_or_quoted(master.name.as_bytes());
    let group = |directive: &str, values: &[Vec<u8>], usual: &[Vec<u8>]| {
        let lines = |values: &[Vec<u8>]| {
            let line = |values: &Vec<u8>| line(directive, &[&name, values]);
            values.iter().map(line).collect()
        };
        LineGroup {
            key: key(&[directive.as_bytes(), master.name.as_bytes()]),
            lines: lines(values),
            usual: lines(usual),
        }
    };
    let address = |host: &str, port: u16| {
        let host = bare_or_quoted(host.as_bytes());
        [&host[..], b" ", port.to_string().as_bytes()].concat()
    };
    let place = address(&master.host, master.port);
    let quorum = master.options.quorum.to_string();
    let place = [&place[..], b" ", quorum.as_bytes()].concat();
    groups.push(group("monitor", &[place], &[]));
    let defaults = MasterOptions::new(master.options.quorum);
    groups.extend(MASTER_OPTIONS.iter().map(|option| {
        let (values, usual) = (option.saved(&master.options), option.saved(&defaults));
        group(option.name, &values, &usual)
    }));
    let epoch = |epoch: u64| [epoch.to_string().into_bytes()];
    groups.push(group("config-epoch", &epoch(master.config_epoch), &[]));
    groups.push(group("leader-epoch", &epoch(master.leader_epoch), &[]));
    let replicas = first_of_each(&master.replicas, |(host, port), (other, other_port)| {
        port == other_port && is_same_host(host, other)
    });
    let replicas = replicas.map(|(host, port)| address(host, *port));
    groups.push(group("known-replica", &replicas.collect::<Vec<_>>(), &[]));
    let peers = first_of_each(&master.peers, |peer, other| peer.id == other.id);
    let peers = peers.map(|peer| {
        let id = bare_or_quoted(peer.id.as_bytes());
        [&address(&peer.host, peer.port)[..], b" ", &id].concat()
    });
    groups.push(group("known-sentinel", &peers.collect::<Vec<_>>(), &[]));
}

/// What comes for the first time. A file that says something twice would not load.
fn first_of_each<T>(all: &[T], is_same: impl Fn(&T, &T) -> bool) -> impl Iterator<Item = &T> {
    let is_new = move |(number, one): &(usize, &T)| {
        let mut earlier = all[..*number].iter();
        !earlier.any(|other| is_same(one, other))
    };
    let firsts = all.iter().enumerate().filter(is_new);
    firsts.map(|(_, one)| one)
}
