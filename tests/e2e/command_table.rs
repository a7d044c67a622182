//! What commands are: every row of the command table beside that of stock Redis.
//!
//! Debian's server is 7.0, and the reference 7.2: what came between is listed here. With a 7.2 as
//! the peer (`TANIST_STOCK_SERVER`) nothing may differ.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::*;

/// Commands that came with 7.2.
const NEW: &[&str] = &["client|no-touch", "client|setinfo", "waitaof"];
/// Commands only of a cluster, whose names 7.2 added.
const NEW_IN_CLUSTER: &[&str] = &["cluster|myshardid"];

/// What 7.2 says otherwise of a command than 7.0 does.
const CHANGED: &[(&str, &str)] = &[
    ("acl|deluser", "tips"),
    ("acl|save", "tips"),
    ("acl|setuser", "tips"),
    ("blmove", "flags"),
    ("blpop", "flags"),
    ("brpop", "flags"),
    ("brpoplpush", "flags"),
    ("bzpopmax", "flags"),
    ("bzpopmin", "flags"),
    ("client|setname", "tips"),
    ("cluster|shards", "flags"),
    ("cluster|slots", "flags"),
    ("command|getkeys", "arity"),
    ("command|getkeysandflags", "arity"),
    ("config|resetstat", "tips"),
    ("config|rewrite", "tips"),
    ("latency|reset", "tips"),
    ("msetnx", "tips"),
    ("randomkey", "tips"),
    ("scan", "tips"),
    ("wait", "flags"),
    ("zrank", "arity"),
    ("zrevrank", "arity"),
];

fn names(server: &Server) -> BTreeSet<String> {
    let list = server.call("COMMAND LIST");
    list.items().iter().map(Value::to_string).collect()
}

/// What of a row a client sees: arity, flags, keys, categories, tips, key specifications.
fn row(server: &Server, name: &str) -> Vec<(&'static str, String)> {
    let info = server.call(&format!("COMMAND INFO {name}"));
    let fields = info.items()[0].items();
    let sorted = |value: &Value| {
        let mut words: Vec<String> = value.items().iter().map(Value::to_string).collect();
        words.sort();
        words.join(" ")
    };
    vec![
        ("arity", fields[1].to_string()),
        ("flags", sorted(&fields[2])),
        ("first key", fields[3].to_string()),
        ("last key", fields[4].to_string()),
        ("step", fields[5].to_string()),
        ("categories", sorted(&fields[6])),
        ("tips", sorted(&fields[7])),
        ("key specifications", key_specs(&fields[8])),
    ]
}

/// Key specifications without their notes, which are in each server's own words.
fn key_specs(specs: &Value) -> String {
    let without_notes = |spec: &Value| {
        let pairs = spec.items().chunks(2);
        let pairs = pairs.filter(|pair| pair[0].to_string() != "notes");
        let words = pairs.flatten().map(Value::to_string);
        words.collect::<Vec<String>>().join(" ")
    };
    let specs: Vec<String> = specs.items().iter().map(without_notes).collect();
    specs.join("; ")
}

#[test]
fn no_command_is_missing_and_each_is_what_it_is_in_stock_redis() {
    let (ours, stock) = (Server::ours(&[]), Server::stock(&[]));
    let is_72 = stock.info("redis_version").starts_with("7.2");
    let (mine, theirs) = (names(&ours), names(&stock));
    let missing: Vec<&String> = theirs.difference(&mine).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    let is_new = |name: &str| NEW.contains(&name) || NEW_IN_CLUSTER.contains(&name);
    let more: Vec<&String> = mine
        .difference(&theirs)
        .filter(|name| is_72 || !is_new(name))
        .collect();
    assert!(more.is_empty(), "unknown to stock Redis: {more:?}");
    let mut differences = BTreeMap::new();
    for name in mine.intersection(&theirs) {
        for ((what, ours), (_, stock)) in row(&ours, name).into_iter().zip(row(&stock, name)) {
            if ours != stock && (is_72 || !CHANGED.contains(&(name.as_str(), what))) {
                differences.insert((name, what), (ours, stock));
            }
        }
    }
    assert!(differences.is_empty(), "ours, stock: {differences:#?}");
}

/// What 7.2 tells otherwise of a command's history than 7.0 does.
const REDATED: &[&str] = &["client|pause"];
/// Sentences of so few words may happen to be the same.
const SAME_WORDS_MAX: usize = 4;

/// What a server says of its commands and their subcommands: name, kind of fact, text.
fn facts(docs: &Value, all: &mut BTreeMap<(String, String), String>) {
    for command in docs.items().chunks(2) {
        let name = command[0].to_string();
        for fact in command[1].items().chunks(2) {
            match fact[0].to_string().as_str() {
                "subcommands" => facts(&fact[1], all),
                what => drop(all.insert((name.clone(), what.to_owned()), fact[1].to_string())),
            }
        }
    }
}

#[test]
fn every_command_is_described_and_in_our_own_words() {
    let [ours, stock] = [Server::ours(&[]), Server::stock(&[])].map(|server| {
        let mut all = BTreeMap::new();
        facts(&server.call("COMMAND DOCS"), &mut all);
        all
    });
    for ((name, what), theirs) in &stock {
        let own = ours.get(&(name.clone(), what.clone()));
        let own = own.map(String::as_str).unwrap_or_default();
        let is_short = own.split(' ').count() <= SAME_WORDS_MAX;
        match what.as_str() {
            "group" => assert_eq!(own, theirs, "{name}"),
            "since" if !REDATED.contains(&name.as_str()) => assert_eq!(own, theirs, "{name}"),
            "summary" => assert!(
                !own.is_empty() && (is_short || own != theirs),
                "{name}: {own}"
            ),
            "arguments" => assert!(!own.is_empty(), "{name} has no {what}"),
            _ => {}
        }
    }
}

#[test]
fn cluster_and_module_commands_answer_as_of_a_server_that_has_neither() {
    let (ours, stock) = (Server::ours(&[]), Server::stock(&[]));
    for line in [
        "CLUSTER HELP",
        "CLUSTER INFO",
        "CLUSTER NODES",
        "CLUSTER SLOTS",
        "CLUSTER KEYSLOT k",
        "CLUSTER MEET 127.0.0.1 7000",
        "CLUSTER NODES more",
        "CLUSTER nonsense",
        "CLUSTER",
        "ASKING",
        "READONLY",
        "READWRITE",
        "READONLY more",
        "MODULE LIST",
        "MODULE LOAD /nowhere",
        "MODULE LOADEX /nowhere ARGS a",
        "MODULE UNLOAD none",
        "MODULE UNLOAD",
        "MODULE nonsense",
    ] {
        assert_eq!(ours.ask(line), stock.ask(line), "{line}");
    }
    let (ours, stock) = ["ours", "stock"]
        .map(|make| {
            let options = match make {
                "ours" => Options::ours(),
                _ => Options::stock(),
            };
            options.config("enable-module-command yes").start()
        })
        .into();
    for line in ["MODULE LOAD /nowhere", "MODULE UNLOAD none"] {
        assert_eq!(ours.ask(line), stock.ask(line), "{line}");
    }
    ours.wait_log("Module /nowhere failed to load: this server takes no modules");
}
