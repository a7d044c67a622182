//! The `sentinel.conf` at the top of the repository against the tables.

use std::path::Path;

use super::common_table::{COMMON_OPTIONS, CommonOption};
use super::*;
use crate::base::quoting;
use crate::config::{Config, Row, Sources};

const EXAMPLE: &str = include_str!("../../../sentinel.conf");
/// Lines that are no options: masters, and what the Sentinel writes down.
const OTHERS: &[&str] = &[
    "monitor",
    "myid",
    "current-epoch",
    "config-epoch",
    "leader-epoch",
    "known-replica",
    "known-sentinel",
];

/// The lines with directives, switched on or off.
fn directives() -> impl Iterator<Item = &'static str> {
    let is_text = |line: &&str| line.starts_with("# ") || line.starts_with("##");
    let lines = EXAMPLE.lines().filter(move |line| !is_text(line));
    let lines = lines.map(|line| line.trim_start_matches('#'));
    lines.filter(|line| !line.is_empty())
}

fn load(text: &str) -> Config {
    let sources = Sources {
        options: text.into(),
        ..Sources::default()
    };
    let config = Config::load_sentinel(&sources, Path::new("/"), std::io::empty());
    config.unwrap_or_else(|error| panic!("{error}"))
}

/// What is set by default: for one master, and for all.
fn defaults() -> (MasterOptions, CommonOptions) {
    (MasterOptions::new(2), CommonOptions::default())
}

#[test]
fn the_example_itself_is_a_master_and_the_defaults() {
    let config = load(EXAMPLE);
    let state = config.sentinel.expect("it is a Sentinel");
    let [master] = &state.masters[..] else {
        panic!("one master");
    };
    assert_eq!((&master.name[..], master.port), ("mymaster", 6379));
    assert_eq!((master.options.clone(), state.common.clone()), defaults());
    let mut expected = Config::sentinel_defaults(Path::new("/")).settings;
    expected.save = config.settings.save.clone();
    assert_eq!(config.settings, expected);
}

#[test]
fn every_directive_stands_in_the_example_and_loads() {
    let names = MASTER_OPTIONS.iter().map(|option| option.name);
    let names = names.filter(|name| MasterOption::of_line(name.as_bytes()).is_some());
    let common = COMMON_OPTIONS.iter().map(|option| option.name);
    let common = common.filter(|name| CommonOption::of_line(name.as_bytes()).is_some());
    for name in names.chain(common).chain(OTHERS.iter().copied()) {
        let start = format!("sentinel {name} ");
        assert!(
            directives().any(|line| line.starts_with(&start)),
            "{name} is missing"
        );
    }
    for line in directives().filter(|line| !line.starts_with("sentinel ")) {
        let name = line.split(' ').next().expect("a word");
        assert!(Row::find(name.as_bytes()).is_some(), "{line}");
    }
    let is_script = |line: &&str| line.contains("-script ");
    let is_monitor = |line: &&str| line.starts_with("sentinel monitor ");
    let monitor = directives().find(is_monitor).expect("there is a master");
    for line in directives().filter(|line| !is_script(line) && !is_monitor(line)) {
        load(&format!("{monitor}\n{line}\n"));
    }
}

#[test]
fn what_is_switched_off_is_the_default_or_an_example_where_there_is_none() {
    let (of_master, common) = defaults();
    let monitor = "sentinel monitor mymaster 127.0.0.1 6379 2\n";
    for line in directives().filter(|line| line.starts_with("sentinel ")) {
        let words = quoting::split_args(line.as_bytes()).expect("balanced quotes");
        let has_default = match MasterOption::of_line(&words[1]) {
            Some(option) => !option.saved(&of_master).is_empty(),
            None => CommonOption::of_line(&words[1])
                .is_some_and(|option| option.saved(&common).is_some()),
        };
        if has_default {
            let state = load(&format!("{monitor}{line}\n"))
                .sentinel
                .expect("as asked");
            let read = (state.masters[0].options.clone(), state.common);
            assert_eq!(read, defaults(), "{line}");
        }
    }
}
