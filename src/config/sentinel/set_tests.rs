//! `SENTINEL SET` and `SENTINEL CONFIG`.

use super::*;
use crate::config::LogLevel;

const PROGRAM: &[u8] = b"/bin/program";

/// Changes an option where scripts may be changed and there is one program.
fn set(options: &mut MasterOptions, line: &str) -> Result<OptionSet, String> {
    set_where(options, line, false)
}

fn set_where(
    options: &mut MasterOptions,
    line: &str,
    deny_scripts: bool,
) -> Result<OptionSet, String> {
    let words = crate::base::quoting::split_args(line.as_bytes()).expect("balanced quotes");
    let words: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
    let context = SetContext {
        deny_scripts,
        is_executable: &|path| path == PROGRAM,
    };
    options
        .set(&words, &context)
        .map_err(|error| error.to_string())
}

#[test]
fn an_option_takes_its_values_and_leaves_the_rest() {
    let cases: &[(&str, usize, &str, bool)] = &[
        ("quorum 3 x", 2, "quorum 3", false),
        (
            "Down-After-Milliseconds 1",
            2,
            "Down-After-Milliseconds 1",
            false,
        ),
        (
            "down-after-refused-milliseconds 0 x y",
            2,
            "down-after-refused-milliseconds 0",
            false,
        ),
        ("failover-timeout 2", 2, "failover-timeout 2", false),
        ("parallel-syncs 4", 2, "parallel-syncs 4", false),
        (
            "master-reboot-down-after-period 0",
            2,
            "master-reboot-down-after-period 0",
            false,
        ),
        (
            "forget-replicas-after-seconds 5",
            2,
            "forget-replicas-after-seconds 5",
            false,
        ),
        (
            "forget-sentinels-after-seconds 6",
            2,
            "forget-sentinels-after-seconds 6",
            false,
        ),
        (
            "notification-script /bin/program",
            2,
            "notification-script /bin/program",
            false,
        ),
        (
            "client-reconfig-script /bin/program",
            2,
            "client-reconfig-script /bin/program",
            false,
        ),
        ("auth-pass secret", 2, "auth-pass ******", true),
        ("auth-user u quorum 1", 2, "auth-user u", true),
        (
            "rename-command CONFIG x y",
            3,
            "rename-command CONFIG x",
            false,
        ),
    ];
    let mut options = MasterOptions::new(1);
    for (line, words, shown, drops_links) in cases {
        let expected = OptionSet {
            words: *words,
            shown: shown.to_string(),
            drops_links: *drops_links,
        };
        assert_eq!(set(&mut options, line), Ok(expected), "{line}");
    }
    let expected = MasterOptions {
        quorum: 3,
        down_after_ms: 1,
        down_after_refused_ms: 0,
        failover_timeout_ms: 2,
        parallel_syncs: 4,
        reboot_down_after_ms: 0,
        notification_script: Some(PROGRAM.to_vec()),
        client_reconfig_script: Some(PROGRAM.to_vec()),
        user: Some(b"u".to_vec()),
        password: Some(b"secret".to_vec()),
        renamed: [(b"config".to_vec(), b"x".to_vec())].into(),
        forget_replicas_after_s: 5,
        forget_sentinels_after_s: 6,
    };
    assert_eq!(options, expected);
    let named = cases
        .iter()
        .map(|(line, ..)| line.split(' ').next().expect("a word"));
    let named: Vec<String> = named.map(str::to_lowercase).collect();
    for option in MASTER_OPTIONS {
        assert!(
            named.iter().any(|name| name == option.name),
            "{}",
            option.name
        );
    }
}

#[test]
fn empty_text_takes_away_and_the_own_name_ends_a_renaming() {
    let mut options = MasterOptions::new(1);
    for line in [
        "auth-pass p",
        "auth-user u",
        "notification-script /bin/program",
        "client-reconfig-script /bin/program",
        "rename-command config x",
        "auth-pass \"\"",
        "auth-user \"\"",
        "notification-script \"\"",
        "client-reconfig-script \"\"",
        "rename-command CONFIG Config",
    ] {
        set(&mut options, line).expect(line);
    }
    assert_eq!(options, MasterOptions::new(1));
}

#[test]
fn what_is_wrong_changes_nothing_and_is_told_as_users_know_it() {
    let unknown =
        |option| format!("Unknown option or number of arguments for SENTINEL SET '{option}'");
    let invalid = |value, option| format!("Invalid argument '{value}' for SENTINEL SET '{option}'");
    let denied = "Reconfiguration of scripts path is denied for security reasons. Check the \
                  deny-scripts-reconfig configuration directive in your Sentinel configuration";
    let missing = "seems non existing or non executable";
    let cases = [
        ("nonsense 1", unknown("nonsense")),
        ("Quorum", unknown("Quorum")),
        ("rename-command a", unknown("rename-command")),
        ("quorum 0", invalid("0", "quorum")),
        ("quorum 2147483648", invalid("2147483648", "quorum")),
        ("QUORUM 01", invalid("01", "QUORUM")),
        (
            "down-after-milliseconds 0",
            invalid("0", "down-after-milliseconds"),
        ),
        ("failover-timeout 1x", invalid("1x", "failover-timeout")),
        (
            "failover-timeout 9007199254740993",
            invalid("9007199254740993", "failover-timeout"),
        ),
        ("parallel-syncs 0", invalid("0", "parallel-syncs")),
        (
            "master-reboot-down-after-period -1",
            invalid("-1", "master-reboot-down-after-period"),
        ),
        ("rename-command \"\" a", invalid("", "rename-command")),
        ("rename-command a \"\"", invalid("", "rename-command")),
        (
            "notification-script /x",
            format!("Notification script {missing}"),
        ),
        (
            "client-reconfig-script /x",
            format!("Client reconfiguration script {missing}"),
        ),
    ];
    let mut options = MasterOptions::new(1);
    for (line, expected) in cases {
        assert_eq!(set(&mut options, line), Err(expected), "{line}");
    }
    for line in [
        "notification-script /bin/program",
        "client-reconfig-script \"\"",
    ] {
        assert_eq!(set_where(&mut options, line, true), Err(denied.to_owned()));
    }
    assert_eq!(options, MasterOptions::new(1));
}

#[test]
fn all_or_nothing_of_config_set_happens() {
    let plan = |words: &[&str]| {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        CommonOptions::default()
            .plan(&words)
            .map_err(|error| error.to_string())
    };
    let change = plan(&[
        "announce-ip",
        "a",
        "announce-port",
        "7",
        "resolve-hostnames",
        "YES",
        "ANNOUNCE-hostnames",
        "yes",
        "loglevel",
        "Debug",
    ]);
    let change = change.expect("all are good");
    assert_eq!(change.loglevel, Some(LogLevel::Debug));
    assert!(!change.drops_peer_links);
    let expected = CommonOptions {
        announce_ip: Some("a".to_owned()),
        announce_port: Some(7),
        resolve_hostnames: true,
        announce_hostnames: true,
        ..CommonOptions::default()
    };
    assert_eq!(change.common, expected);
    let change = plan(&["sentinel-user", "u", "sentinel-pass", ""]).expect("both are good");
    assert!(change.drops_peer_links);
    assert_eq!(change.common.peer_user.as_deref(), Some(&b"u"[..]));
    for (words, expected) in [
        (
            &["x", "1"][..],
            "Invalid argument 'x' to SENTINEL CONFIG SET",
        ),
        (
            &["deny-scripts-reconfig", "no"],
            "Invalid argument 'deny-scripts-reconfig' to SENTINEL CONFIG SET",
        ),
        (
            &["announce-ip", "a", "Announce-ip", "b"],
            "Duplicate argument 'Announce-ip' to SENTINEL CONFIG SET",
        ),
        (
            &["announce-ip", "a", "loglevel"],
            "Missing argument 'loglevel' value",
        ),
        (
            &["announce-port", "65536"],
            "Invalid value '65536' to SENTINEL CONFIG SET 'announce-port'",
        ),
        (
            &["LogLevel", "loud"],
            "Invalid value 'loud' to SENTINEL CONFIG SET 'LogLevel'",
        ),
        (
            &["resolve-hostnames", "1"],
            "Invalid value '1' to SENTINEL CONFIG SET 'resolve-hostnames'",
        ),
        (
            &["announce-ip", "a b"],
            "Invalid value 'a b' to SENTINEL CONFIG SET 'announce-ip'",
        ),
    ] {
        assert_eq!(plan(words), Err(expected.to_owned()));
    }
}

#[test]
fn config_get_shows_each_name_once_in_a_fixed_order() {
    let common = CommonOptions {
        announce_port: Some(7),
        peer_password: Some(b"p".to_vec()),
        ..CommonOptions::default()
    };
    let show = |patterns: &[&[u8]]| {
        let shown = common.show(LogLevel::Notice, patterns).into_iter();
        let text = |(name, value)| format!("{name}={}", String::from_utf8_lossy(value));
        let shown: Vec<_> = shown.collect();
        let shown: Vec<String> = shown
            .iter()
            .map(|(name, value)| text((*name, value)))
            .collect();
        shown.join(" ")
    };
    let all = "resolve-hostnames=no announce-hostnames=no announce-ip= announce-port=7 \
               sentinel-user= sentinel-pass=p loglevel=notice";
    assert_eq!(show(&[b"*"]), all);
    assert_eq!(
        show(&[b"LOG*", b"loglevel", b"Announce-Port"]),
        "loglevel=notice announce-port=7"
    );
    assert_eq!(show(&[b"deny-scripts-reconfig", b"x"]), "");
}
