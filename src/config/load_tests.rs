//! Loading, as an operator sees it: what a start reads, and what it says when it cannot.

use std::fs;
use std::path::Path;

use super::*;

/// Loads a configuration text as a file of its own directory would be.
fn load_text(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    load_in(dir.path(), text, &[])
}

fn load_in(dir: &Path, text: &str, options: &[&str]) -> Result<Config, ConfigError> {
    fs::write(dir.join("main.conf"), text).expect("writing a configuration");
    let args = [&["main.conf"], options].concat();
    Config::load(&Sources::from_args(&args), dir, std::io::empty())
}

fn load_args(args: &[&str]) -> Result<Config, ConfigError> {
    Config::load(&Sources::from_args(args), Path::new("/"), std::io::empty())
}

fn settings(text: &str) -> Settings {
    load_text(text)
        .unwrap_or_else(|error| panic!("{error}"))
        .settings
}

/// The number of the bad line and the reason.
fn complaint(loaded: Result<Config, ConfigError>) -> (usize, String) {
    match loaded {
        Err(ConfigError::Directive { place, reason }) => (place.line, reason.into_owned()),
        other => panic!("expected a bad line, got {other:?}"),
    }
}

#[test]
fn lines_comments_quotes_and_aliases_are_understood() {
    let read = settings(
        "# a comment\n\n  PORT 7000  \r\n\tslaveof master.example 7001\n\
         requirepass \"a \\\"b\\x21\"\nbind 127.0.0.1 -::1\nslave-read-only no\n\
         client-output-buffer-limit replica 2mb 1mb 7\nmaxmemory 1gb\n",
    );
    assert_eq!(read.port, 7000);
    let master = MasterAddress {
        host: "master.example".to_owned(),
        port: 7001,
    };
    assert_eq!(read.replicaof, Some(master));
    assert_eq!(read.requirepass.as_deref(), Some(&b"a \"b!"[..]));
    assert_eq!(read.bind.0, ["127.0.0.1", "-::1"]);
    assert!(!read.replica_read_only);
    let limit = OutputLimit {
        hard: 2 << 20,
        soft: 1 << 20,
        soft_seconds: 7,
    };
    assert_eq!(read.client_output_buffer_limit.replica, limit);
    assert_eq!(read.maxmemory, 1 << 30);
}

#[test]
fn the_first_save_line_replaces_the_default_and_the_others_add_to_it() {
    let points = |text: &str| {
        let SavePoints(points) = settings(text).save;
        points
            .into_iter()
            .map(|p| (p.seconds, p.changes))
            .collect::<Vec<_>>()
    };
    assert_eq!(points(""), [(3600, 1), (300, 100), (60, 10_000)]);
    assert_eq!(points("save 10 1"), [(10, 1)]);
    assert_eq!(
        points("save 10 1\nsave 20 2 30 3"),
        [(10, 1), (20, 2), (30, 3)]
    );
    assert_eq!(points("save \"10 1 20 2\""), [(10, 1), (20, 2)]);
    assert_eq!(points("save 10 1\nsave \"\"\nsave 20 2"), [(20, 2)]);
    assert_eq!(points("save \"\""), []);
}

#[test]
fn replicaof_no_one_makes_a_master() {
    assert_eq!(settings("replicaof a 1\nreplicaof No One").replicaof, None);
}

#[test]
fn hz_is_pulled_into_its_limits() {
    assert_eq!(settings("hz 0").hz, 1);
    assert_eq!(settings("hz 100000").hz, 500);
}

/// Lines that stop the start, with the reason given.
const BAD_LINES: &[(&str, &str)] = &[
    ("foo bar", "Bad directive or wrong number of arguments"),
    ("include", "Bad directive or wrong number of arguments"),
    ("port", "wrong number of arguments"),
    ("port 1 2", "wrong number of arguments"),
    (
        "port 65536",
        "argument must be between 0 and 65535 inclusive",
    ),
    ("port -1", "argument must be between 0 and 65535 inclusive"),
    ("port x", "argument couldn't be parsed into an integer"),
    ("port \"1", "Unbalanced quotes in configuration line"),
    ("bind \"'a\"", "Unbalanced quotes in configuration line"),
    ("daemonize maybe", "argument must be 'yes' or 'no'"),
    ("maxmemory 1tb", "argument must be a memory value"),
    (
        "maxmemory-clients 101%",
        "percentage argument must be less or equal to 100",
    ),
    (
        "maxmemory-clients -1",
        "argument must be a memory or percent value",
    ),
    (
        "unixsocketperm 999",
        "argument couldn't be parsed as an octal number",
    ),
    (
        "unixsocketperm 1000",
        "argument must be between 0 and 777 inclusive",
    ),
    (
        "loglevel loud",
        "argument(s) must be one of the following: debug, verbose, notice, warning, nothing",
    ),
    (
        "shutdown-on-sigterm save nosave",
        "shutdown options SAVE and NOSAVE can't be used simultaneously",
    ),
    ("save 10", "Invalid save parameters"),
    ("save 0 1", "Invalid save parameters"),
    ("replicaof a 70000", "Invalid master port"),
    ("replicaof a", "wrong number of arguments"),
    ("dir /no/such/place", "No such file or directory"),
    ("dir \"\"", "No such file or directory"),
    (
        "dbfilename a/b",
        "dbfilename can't be a path, just a filename",
    ),
    (
        "client-output-buffer-limit other 0 0 0",
        "Invalid client class specified in buffer limit configuration.",
    ),
    (
        "client-output-buffer-limit normal 0 0",
        "Wrong number of arguments in buffer limit configuration.",
    ),
    (
        "oom-score-adj-values 1 2 3000",
        "Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
    ),
    ("cluster-enabled yes", "cluster mode is not supported"),
    ("loadmodule x.so", "Modules are not supported"),
    ("search.timeout 5", "Modules are not supported"),
    (
        "sentinel monitor a b 1 2",
        "sentinel directive while not in sentinel mode",
    ),
];

#[test]
fn a_bad_line_is_named_with_its_number_and_the_reason() {
    for (line, reason) in BAD_LINES {
        let text = format!("# first\n\n{line}\nport 1\n");
        assert_eq!(
            complaint(load_text(&text)),
            (3, reason.to_string()),
            "{line}"
        );
    }
}

#[test]
fn the_error_is_shown_as_the_reference_shows_it_and_names_the_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let error = load_in(dir.path(), "\nport  x \n", &[]).expect_err("a bad line");
    let expected = format!(
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n\
         Reading the configuration file, at line 2\n>>> 'port  x'\n\
         argument couldn't be parsed into an integer\nIn the file {}/main.conf",
        dir.path().display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn options_come_after_the_file_and_standard_input() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("main.conf"), "port 1\nhz 11\ntimeout 1\n").expect("writing");
    let sources = Sources::from_args(&["main.conf", "--timeout", "3", "-"]);
    let stdin = &b"hz 22\ntimeout 2"[..];
    let config = Config::load(&sources, dir.path(), stdin).expect("all lines are good");
    let read = &config.settings;
    assert_eq!((read.port, read.hz, read.timeout), (1, 22, 3));
    assert_eq!(config.file, Some(dir.path().join("main.conf")));
}

#[test]
fn bad_options_are_quoted_as_the_line_they_make() {
    let shown = |args: &[&str]| load_args(args).expect_err("a bad option").to_string();
    let error = shown(&["--port", "--loglevel", "verbose"]);
    assert!(
        error.contains(">>> 'port \"--loglevel\" \"verbose\"'\nwrong number of arg"),
        "{error}"
    );
    let error = shown(&["--replicaof", "127.0.0.1", "abc"]);
    assert!(
        error.ends_with("at line 2\n>>> 'replicaof \"127.0.0.1\" \"abc\"'\nInvalid master port")
    );
}

#[test]
fn values_of_options_may_come_in_one_argument_or_many() {
    let read = |args: &[&str]| load_args(args).unwrap_or_else(|e| panic!("{e}")).settings;
    assert_eq!(read(&["--bind", "a", "b"]).bind.0, ["a", "b"]);
    assert_eq!(read(&["--bind", "a b"]).bind.0, ["a", "b"]);
    assert_eq!(
        read(&["--shutdown-on-sigint", "now force"])
            .shutdown_on_sigint
            .save,
        SaveAtShutdown::AsConfigured
    );
    assert_eq!(
        read(&["--save", "10", "1", "--save", "20", "2"])
            .save
            .0
            .len(),
        2
    );
    assert_eq!(read(&["--save", "--port", "7"]).port, 7);
    assert_eq!(
        read(&["--proc-title-template", "--x"]).proc_title_template,
        b"--x"
    );
}

#[test]
fn files_are_included_where_the_line_stands() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(dir.path().join("conf.d")).expect("a directory");
    for (name, text) in [
        ("b.conf", "port 3"),
        ("a.conf", "port 2\nhz 33"),
        (".c.conf", "port 4"),
    ] {
        fs::write(dir.path().join("conf.d").join(name), text).expect("writing");
    }
    let read = |text: &str| load_in(dir.path(), text, &[]).map(|config| config.settings);
    let both = read("port 1\ninclude conf.d/*.conf\ntimeout 5").expect("all lines are good");
    assert_eq!((both.port, both.hz, both.timeout), (3, 33, 5));
    assert_eq!(read("include conf.d/a.conf\nport 9").expect("good").port, 9);
    assert_eq!(read("dir conf.d\ninclude b.conf").expect("good").port, 3);
    read("include nothing/*.conf").expect("wildcards may match nothing");
    let missing = read("include conf.d/x.conf")
        .expect_err("the file is missing")
        .to_string();
    assert!(
        missing.ends_with("conf.d/x.conf': No such file or directory"),
        "{missing}"
    );
}

#[test]
fn a_bad_line_in_an_included_file_names_that_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("part.conf"), "\n\nport x").expect("writing");
    let error = load_in(dir.path(), "include part.conf", &[]).expect_err("a bad line");
    let shown = error.to_string();
    assert!(
        shown.contains("at line 3\n>>> 'port x'") && shown.ends_with("part.conf"),
        "{shown}"
    );
}

#[test]
fn files_that_include_each_other_end() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("other.conf"), "include main.conf").expect("writing");
    let loop_of_two = load_in(dir.path(), "include other.conf", &[]);
    assert_eq!(complaint(loop_of_two).1, "Too many files are included");
}

#[test]
fn what_only_the_server_can_judge_is_kept_with_its_place() {
    let config = load_text("rename-command CONFIG \"\"\nuser bob on +@all\nsentinel\n")
        .expect("all lines are good");
    assert_eq!(config.renamed_commands[0].command, b"CONFIG");
    assert!(config.renamed_commands[0].name.is_empty());
    assert_eq!(config.users[0].args, [&b"bob"[..], b"on", b"+@all"]);
    let error = config.users[0].place.error("no such rule").to_string();
    assert!(
        error.contains("at line 2\n>>> 'user bob on +@all'\nno such rule"),
        "{error}"
    );
}

#[test]
fn forgotten_directives_and_doubtful_values_do_not_stop_the_start() {
    let config = load_text("list-max-ziplist-entries 5\nio-threads 4\noom-score-adj-values 9 8 7")
        .expect("all lines are good");
    assert_eq!(config.notices.len(), 2);
}

#[test]
fn the_log_file_is_made_and_must_be_writable() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    load_in(dir.path(), "logfile server.log", &[]).expect("a good name");
    assert!(dir.path().join("server.log").exists());
    let error = load_in(dir.path(), "logfile no/server.log", &[]).expect_err("no such place");
    let expected = "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n\
                    Can't open the log file: No such file or directory";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_missing_file_stops_the_start() {
    let error = load_args(&["/no/such.conf"])
        .expect_err("no such file")
        .to_string();
    let expected = "Fatal error, can't open config file '/no/such.conf': No such file or directory";
    assert_eq!(error, expected);
}

#[test]
fn the_path_of_the_file_is_made_absolute() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).expect("a directory");
    fs::write(dir.path().join("up.conf"), "").expect("writing");
    let sources = Sources::from_args(&["../up.conf"]);
    let config = Config::load(&sources, &inner, std::io::empty()).expect("an empty file is good");
    assert_eq!(config.file, Some(dir.path().join("up.conf")));
}
