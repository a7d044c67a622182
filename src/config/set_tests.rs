//! `CONFIG GET` and `CONFIG SET` as a client sees them.

use super::*;

const CALM: SetContext = SetContext {
    loading: false,
    client_is_local: true,
};

fn pairs<'a>(args: &[&'a str]) -> Vec<(&'a [u8], &'a [u8])> {
    let (pairs, []) = args.as_chunks::<2>() else {
        panic!("names and values come in pairs")
    };
    pairs
        .iter()
        .map(|[name, value]| (name.as_bytes(), value.as_bytes()))
        .collect()
}

fn set(from: &Settings, context: SetContext, args: &[&str]) -> Result<Settings, String> {
    let done = plan(from, &pairs(args), context).and_then(|change| change.carry_out(|_, _| Ok(())));
    done.map_err(|error| String::from_utf8(error.reply()).expect("tests speak ASCII"))
}

fn refusal(args: &[&str]) -> String {
    set(&Settings::default(), CALM, args).expect_err("the change is refused")
}

#[test]
fn a_change_is_refused_in_the_words_of_the_reference() {
    let failed = "ERR CONFIG SET failed (possibly related to argument";
    assert_eq!(
        refusal(&["port", "1", "nothing", "x"]),
        "ERR Unknown option or number of arguments for CONFIG SET - 'nothing'"
    );
    assert_eq!(
        refusal(&["Daemonize", "yes"]),
        format!("{failed} 'Daemonize') - can't set immutable config")
    );
    assert_eq!(
        refusal(&["dir", "/"]),
        format!("{failed} 'dir') - can't set protected config")
    );
    assert_eq!(
        refusal(&["hz", "5", "HZ", "6"]),
        format!("{failed} 'HZ') - duplicate parameter")
    );
    assert_eq!(
        refusal(&["hz", "5", "SLAVE-priority", "x"]),
        format!("{failed} 'slave-priority') - argument couldn't be parsed into an integer")
    );
    assert_eq!(
        refusal(&["save", "60  1"]),
        format!("{failed} 'save') - Invalid save parameters")
    );
}

#[test]
fn protected_directives_follow_enable_protected_configs() {
    let remote = SetContext {
        client_is_local: false,
        ..CALM
    };
    for (who, local_may, remote_may) in [
        (ProtectedAction::No, false, false),
        (ProtectedAction::Local, true, false),
        (ProtectedAction::Yes, true, true),
    ] {
        let from = Settings {
            enable_protected_configs: who,
            ..Settings::default()
        };
        assert_eq!(
            set(&from, CALM, &["dbfilename", "x"]).is_ok(),
            local_may,
            "{who:?}"
        );
        assert_eq!(
            set(&from, remote, &["dbfilename", "x"]).is_ok(),
            remote_may,
            "{who:?}"
        );
    }
}

#[test]
fn some_directives_wait_until_loading_is_over() {
    let loading = SetContext {
        loading: true,
        ..CALM
    };
    let defaults = Settings::default();
    assert_eq!(
        set(&defaults, loading, &["appendonly", "yes"]),
        Err("LOADING Redis is loading the dataset in memory".to_owned())
    );
    assert!(set(&defaults, loading, &["hz", "20"]).is_ok());
}

#[test]
fn each_hook_runs_once_and_only_for_what_really_changed() {
    let args = [
        "min-replicas-to-write",
        "1",
        "min-replicas-max-lag",
        "5",
        "port",
        "6379",
    ];
    let change = plan(&Settings::default(), &pairs(&args), CALM).expect("all is good");
    let mut ran = Vec::new();
    let after = change
        .carry_out(|hook, _| {
            ran.push(hook);
            Ok(())
        })
        .expect("all hooks agree");
    assert_eq!(ran, [Apply::GoodReplicas]);
    assert_eq!(
        (after.min_replicas_to_write, after.min_replicas_max_lag),
        (1, 5)
    );
}

#[test]
fn a_hook_that_refuses_has_everything_undone() {
    let args = ["hz", "50", "port", "1", "maxclients", "7"];
    let change = plan(&Settings::default(), &pairs(&args), CALM).expect("all is good");
    let mut ran = Vec::new();
    let error = change.carry_out(|hook, settings| {
        ran.push((hook, settings.port));
        match (hook, settings.port) {
            (Apply::Port, 1) => Err("Unable to listen on this port. Check server logs.".into()),
            _ => Ok(()),
        }
    });
    let expected = SetError::Refused {
        name: b"port".to_vec(),
        reason: "Unable to listen on this port. Check server logs.".into(),
    };
    assert_eq!(error, Err(expected));
    let hooks = [
        (Apply::Hz, 1),
        (Apply::Port, 1),
        (Apply::Hz, 6379),
        (Apply::Port, 6379),
    ];
    assert_eq!(ran, hooks);
}

#[test]
fn several_words_are_split_at_spaces_and_none_empties_a_list() {
    let args = ["save", "", "bind", "", "shutdown-on-sigterm", "save now"];
    let after = set(&Settings::default(), CALM, &args).expect("all is good");
    assert!(after.save.0.is_empty() && after.bind.0.is_empty());
    let expected = ShutdownOnSignal {
        save: SaveAtShutdown::Save,
        now: true,
        force: false,
    };
    assert_eq!(after.shutdown_on_sigterm, expected);
}

fn shown(settings: &Settings, patterns: &[&str]) -> Vec<(String, String)> {
    let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
    let text = |bytes| String::from_utf8(bytes).expect("tests speak ASCII");
    get(settings, &patterns)
        .into_iter()
        .map(|(n, v)| (text(n), text(v)))
        .collect()
}

fn names(patterns: &[&str]) -> Vec<String> {
    shown(&Settings::default(), patterns)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn patterns_match_names_and_aliases_and_each_name_is_shown_once() {
    assert_eq!(
        names(&["MAXmemory", "maxmemory", "maxmem*ry"]),
        ["MAXmemory"]
    );
    assert_eq!(names(&["slave-prio*"]), ["slave-priority"]);
    assert_eq!(
        names(&["*-read-only"]),
        ["replica-read-only", "slave-read-only"]
    );
    assert_eq!(names(&["nothing", "no*thing"]), [""; 0]);
}

#[test]
fn hidden_directives_are_shown_by_their_full_name_only() {
    assert_eq!(names(&["key-load-dela?"]), [""; 0]);
    assert_eq!(names(&["key-load-delay"]), ["key-load-delay"]);
}

#[test]
fn values_are_shown_as_the_reference_shows_them() {
    let args = [
        ("repl-backlog-size", "1mb", "1048576"),
        ("maxmemory-clients", "5%", "5%"),
        ("save", "60 1 10 2", "60 1 10 2"),
        ("oom-score-adj", "relative", "yes"),
        ("notify-keyspace-events", "AnEK", "AKE"),
        ("notify-keyspace-events", "mlgE", "glEm"),
        (
            "latency-tracking-info-percentiles",
            "0 100.0 99.90",
            "0 100 99.9",
        ),
        ("shutdown-on-sigint", "force now nosave", "nosave now force"),
        ("list-max-ziplist-size", "-5", "-5"),
        (
            "client-output-buffer-limit",
            "replica 1k 2kb 3",
            "normal 0 0 0 slave 1000 2048 3 pubsub 33554432 8388608 60",
        ),
    ];
    for (name, value, expected) in args {
        let after = set(&Settings::default(), CALM, &[name, value]).expect("a good value");
        assert_eq!(
            shown(&after, &[name]),
            [(name.to_owned(), expected.to_owned())]
        );
    }
    let perm = Settings {
        unixsocketperm: 0o700,
        ..Settings::default()
    };
    assert_eq!(shown(&perm, &["unixsocketperm"])[0].1, "700");
}

#[test]
fn a_crash_report_names_what_matters_and_no_secrets() {
    let settings = Settings {
        requirepass: Some(b"secret".to_vec()),
        ..Settings::default()
    };
    let lines = String::from_utf8(crash_report_lines(&settings)).expect("tests speak ASCII");
    assert!(
        lines.contains("io-threads 1\nio-threads-do-reads no\n"),
        "{lines}"
    );
    assert!(!lines.contains("requirepass"), "{lines}");
}
