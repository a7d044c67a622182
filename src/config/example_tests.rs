//! The `redis.conf` at the top of the repository against the table.

use std::path::Path;

use super::value::Occasion;
use super::*;
use crate::base::quoting;

const EXAMPLE: &str = include_str!("../../redis.conf");

/// The arguments behind a directive's name on all its lines, switched on or off.
fn lines_of(name: &str) -> Vec<Vec<Vec<u8>>> {
    let directive = |line: &str| {
        let args = quoting::split_args(line.trim_start_matches('#').as_bytes())?;
        let (first, args) = args.split_first()?;
        (first == name.as_bytes()).then(|| args.to_vec())
    };
    let is_text = |line: &&str| line.starts_with("# ");
    EXAMPLE
        .lines()
        .filter(|line| !is_text(line))
        .filter_map(directive)
        .collect()
}

#[test]
fn every_directive_stands_in_the_example_with_its_default() {
    let defaults = Config::defaults(Path::new("/")).settings;
    for row in TABLE {
        let lines = lines_of(row.name);
        assert!(!lines.is_empty(), "{} is missing", row.name);
        let mut read = defaults.clone();
        for (number, args) in lines.iter().enumerate() {
            let occasion = if number == 0 {
                Occasion::FirstLine
            } else {
                Occasion::LaterLine
            };
            row.set(&mut read, args, occasion)
                .unwrap_or_else(|reason| panic!("{}: {reason}", row.name));
        }
        let has_default = !row.saved(&defaults).is_empty();
        assert!(
            read == defaults || !has_default,
            "{} is not the default",
            row.name
        );
    }
}

#[test]
fn the_example_itself_changes_nothing_but_the_addresses() {
    let sources = Sources {
        options: EXAMPLE.into(),
        ..Sources::default()
    };
    let config = Config::load(&sources, Path::new("/"), std::io::empty()).expect("it loads");
    let mut expected = Config::defaults(Path::new("/")).settings;
    expected.bind = BindAddresses(vec!["127.0.0.1".to_owned(), "-::1".to_owned()]);
    assert_eq!(config.settings, expected);
    assert!(config.notices.is_empty());
}
