//! Tests over the table itself, and of every row by the same few steps.

use std::collections::HashSet;

use super::row::{Row, Traits};
use super::set::{SetContext, plan};
use super::table::{FIELDS, Settings, TABLE};
use super::value::{NumberFormat, Occasion};
use crate::base::quoting;

const CALM: SetContext = SetContext {
    loading: false,
    client_is_local: true,
};

/// Words that differ from the default of the directive called `name`.
fn another_value(name: &str) -> &'static str {
    match name {
        "bind" => "127.0.0.1 -::1",
        "save" => "10 1 20 2",
        "client-output-buffer-limit" => "slave 2mb 1mb 7 pubsub 0 1000 8",
        "oom-score-adj-values" => "-5 5 50",
        "notify-keyspace-events" => "KEA",
        "latency-tracking-info-percentiles" => "1 99.99",
        "replicaof" => "master.example 7001",
        "shutdown-on-sigint" | "shutdown-on-sigterm" => "nosave now",
        "maxmemory-clients" => "5%",
        "proc-title-template" => "{port} {title}",
        "dir" => "/",
        "cluster-announce-hostname" => "node-1.example",
        "supervised" => "systemd",
        "syslog-facility" => "local3",
        "loglevel" => "warning",
        "maxmemory-policy" => "allkeys-lfu",
        "appendfsync" => "always",
        "repl-diskless-load" => "swapdb",
        "replica-lineage-guard" => "strict",
        "tls-auth-clients" => "optional",
        "oom-score-adj" => "absolute",
        "acl-pubsub-default" => "allchannels",
        "sanitize-dump-payload" => "clients",
        name if name.starts_with("enable-") => "local",
        "cluster-preferred-endpoint-type" => "unknown-endpoint",
        "propagation-error-behavior" => "panic-on-replicas",
        _ => "",
    }
}

/// The same for any row, following its type where no words of its own are needed.
pub(super) fn another_word(row: &Row, settings: &Settings) -> Vec<u8> {
    let own = another_value(row.name);
    match row.show(settings).as_slice() {
        _ if !own.is_empty() => own.into(),
        b"yes" => b"no".to_vec(),
        b"no" => b"yes".to_vec(),
        _ if row.number.bounds == (0, 0) => b"some text".to_vec(),
        shown => {
            let number = |n: i128| match row.number.format {
                NumberFormat::Octal => format!("{n:o}").into_bytes(),
                _ => n.to_string().into_bytes(),
            };
            let (least, _) = row.number.bounds;
            let least = row
                .number
                .clamp
                .map_or(least, |(clamped, _)| clamped)
                .max(0);
            if shown == number(least) {
                number(least + 1)
            } else {
                number(least)
            }
        }
    }
}

fn split(line: &[u8]) -> Vec<Vec<u8>> {
    quoting::split_args(line).expect("quotes balance")
}

/// The settings that the saved lines of one directive give.
fn read_saved(row: &Row, settings: &Settings) -> Settings {
    let mut read = Settings::default();
    for (number, line) in row.saved(settings).iter().enumerate() {
        let occasion = if number == 0 {
            Occasion::FirstLine
        } else {
            Occasion::LaterLine
        };
        row.set(&mut read, &split(line), occasion)
            .expect("saved lines are accepted");
    }
    read
}

/// Directives of which only one value is accepted.
pub(super) const FIXED: &[&str] = &[
    "activedefrag",
    "cluster-enabled",
    "tls-port",
    "tls-replication",
    "tls-cluster",
];

#[test]
fn no_name_and_no_alias_stands_twice() {
    let mut seen = HashSet::new();
    for name in TABLE.iter().flat_map(Row::names) {
        assert!(seen.insert(name), "{name}");
        assert_eq!(name, name.to_ascii_lowercase());
    }
}

#[test]
fn no_secret_is_shown_in_a_crash_report() {
    let leaks = |row: &&Row| row.is(Traits::SENSITIVE) && row.is(Traits::DEBUG);
    assert_eq!(TABLE.iter().find(leaks).map(|row| row.name), None);
}

#[test]
fn a_field_is_named_as_its_directive() {
    for (row, field) in TABLE.iter().zip(FIELDS) {
        assert_eq!(row.name.replace('-', "_"), *field);
    }
}

#[test]
fn every_default_is_accepted_by_its_own_row() {
    let defaults = Settings::default();
    for row in TABLE.iter().filter(|row| row.name != "dir") {
        assert_eq!(read_saved(row, &defaults), defaults, "{}", row.name);
    }
}

#[test]
fn bounds_fit_the_type_of_the_field() {
    for row in TABLE.iter().filter(|row| row.number.bounds != (0, 0)) {
        let (least, greatest) = row.number.bounds;
        assert!(least < greatest, "{}", row.name);
        for bound in [least, greatest] {
            let arg = match row.number.format {
                NumberFormat::Octal => format!("{bound:o}"),
                _ => bound.to_string(),
            };
            let mut settings = Settings::default();
            let done = row.set(&mut settings, &[arg.into_bytes()], Occasion::Command);
            assert!(done.is_ok() || FIXED.contains(&row.name), "{}", row.name);
        }
    }
}

#[test]
fn what_config_set_takes_config_get_shows_and_takes_again() {
    let defaults = Settings {
        enable_protected_configs: super::ProtectedAction::Yes,
        ..Settings::default()
    };
    for row in TABLE
        .iter()
        .filter(|row| row.is_mutable() && !FIXED.contains(&row.name))
    {
        let set = |from: &Settings, value: &[u8]| {
            plan(from, &[(row.name.as_bytes(), value)], CALM)
                .and_then(|change| change.carry_out(|_, _| Ok(())))
                .unwrap_or_else(|e| panic!("{}", String::from_utf8_lossy(&e.reply())))
        };
        let changed = set(&defaults, &another_word(row, &defaults));
        assert_ne!(changed, defaults, "{}", row.name);
        assert_eq!(set(&defaults, &row.show(&changed)), changed, "{}", row.name);
    }
}

#[test]
fn what_is_saved_in_a_file_reads_back_as_the_same_setting() {
    for row in TABLE.iter().filter(|row| !FIXED.contains(&row.name)) {
        let defaults = Settings::default();
        let mut changed = defaults.clone();
        let arg = another_word(row, &defaults);
        let args = if row.is(Traits::MULTI) {
            split(&arg)
        } else {
            vec![arg]
        };
        row.set(&mut changed, &args, Occasion::FirstLine)
            .unwrap_or_else(|reason| panic!("{}: {reason}", row.name));
        assert_ne!(changed, defaults, "{}", row.name);
        assert_eq!(read_saved(row, &changed), changed, "{}", row.name);
    }
}
