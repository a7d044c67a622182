//! The pages of `docs/` that speak of metrics, against the metrics.

use std::collections::BTreeMap;

use super::super::table::FIELDS;
use super::{busy_replica, read_page};
use crate::commands::testing::Rig;

const MANUAL: &str = include_str!("../../../docs/metrics.md");
const DASHBOARD: &str = include_str!("../../../docs/grafana-dashboard.json");
const TABLE_START: &str = "<!-- families: a test holds what follows to the code -->\n";

/// All families: kind and help by name.
fn families() -> BTreeMap<String, (String, String)> {
    let mut all = BTreeMap::new();
    for field in FIELDS {
        let about = (field.kind.name().to_owned(), field.help.to_owned());
        all.insert(field.metric.to_owned(), about);
    }
    for rig in [
        &mut Rig::new(),
        &mut busy_replica(),
        &mut Rig::of_sentinel(),
    ] {
        for family in read_page(rig).families {
            all.insert(family.name, (family.kind, family.help));
        }
    }
    all
}

/// The words of a text that begin like a metric of ours.
fn metrics_in(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(move |c| !is_part(c));
    words.filter(|word| word.starts_with("redis_") || word.starts_with("tanist_"))
}

fn assert_there(text: &str, except: &[&str]) {
    let families = families();
    let is_name = |word: &&str| !word.ends_with('_') && !except.contains(word);
    for word in metrics_in(text).filter(is_name) {
        let ends = ["", "_bucket", "_sum", "_count"];
        let mut names = ends.iter().filter_map(|end| word.strip_suffix(end));
        let is_there = names.any(|name| families.contains_key(name));
        assert!(is_there, "{word} is on no page");
    }
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    assert!(metrics_in(DASHBOARD).count() > 50);
    // Labels, and what the dashboard itself is called.
    assert_there(DASHBOARD, &["redis_version"]);
}

#[test]
fn the_manual_speaks_of_what_there_is() {
    let (words, _) = MANUAL.split_once(TABLE_START).expect("the table's start");
    assert_there(words, &["redis_exporter"]);
}

#[test]
fn the_manual_lists_every_family() {
    let (_, table) = MANUAL.split_once(TABLE_START).expect("the table's start");
    let mut expected = "\n| metric | kind | |\n|---|---|---|\n".to_owned();
    for (name, (kind, help)) in families() {
        expected += &format!("| `{name}` | {kind} | {help} |\n");
    }
    if table != expected {
        let lines = expected.lines().zip(table.lines());
        let first = lines.into_iter().find(|(expected, is)| expected != is);
        panic!("docs/metrics.md must end in this:\n{expected}---\nfirst: {first:?}");
    }
}
