//! What `sentinel …` lines mean, and what is said of bad ones.

use std::path::Path;

use super::*;
use crate::config::{Config, Sources};

const ID: &str = "0123456789012345678901234567890123456789";

/// What a file with these lines gives, or the error as the operator reads it.
fn load(text: &str) -> Result<Config, String> {
    let sources = Sources {
        options: text.into(),
        ..Sources::default()
    };
    Config::load_sentinel(&sources, Path::new("/"), std::io::empty()).map_err(|e| e.to_string())
}

#[track_caller]
fn read(text: &str) -> SentinelConfig {
    let config = load(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    config.sentinel.expect("it is a Sentinel")
}

/// Lines that are wrong, each behind a master and with what is said of it.
const BAD_LINES: &[(&str, &str)] = &[
    ("monitor a 127.0.0.1 1 0", "Quorum must be 1 or greater."),
    ("monitor a 127.0.0.1 1 -3", "Quorum must be 1 or greater."),
    ("monitor a 127.0.0.1 1 many", "Quorum must be 1 or greater."),
    ("monitor a nowhere x 0", "Quorum must be 1 or greater."),
    ("monitor a 127.0.0.1 1 99999999999", "Number out of range."),
    ("monitor a 127.0.0.1 65536 1", "Invalid port number."),
    ("monitor a nowhere -1 1", "Invalid port number."),
    ("monitor a nowhere 1 1", "Can't resolve instance hostname."),
    ("monitor a \"\" 1 1", "Can't resolve instance hostname."),
    ("monitor m nowhere 1 1", "Can't resolve instance hostname."),
    ("monitor m 127.0.0.2 1 1", "Duplicate master name."),
    ("monitor a,b 127.0.0.1 1 1", NAME),
    ("monitor \"a b\" 127.0.0.1 1 1", NAME),
    ("monitor \"\" 127.0.0.1 1 1", NAME),
    ("monitor \"a\\xff\" 127.0.0.1 1 1", NAME),
    ("monitor a 127.0.0.1 1", UNRECOGNIZED),
    ("monitor a 127.0.0.1 1 1 1", UNRECOGNIZED),
    ("nonsense", UNRECOGNIZED),
    ("quorum m 2", UNRECOGNIZED),
    ("loglevel debug", UNRECOGNIZED),
    ("down-after-milliseconds m", UNRECOGNIZED),
    ("down-after-milliseconds m 1 1", UNRECOGNIZED),
    ("rename-command m a", UNRECOGNIZED),
    ("myid", UNRECOGNIZED),
    ("known-replica m 127.0.0.1", UNRECOGNIZED),
    ("known-sentinel m 127.0.0.1", UNRECOGNIZED),
    ("announce-ip 1.2.3.4 1", UNRECOGNIZED),
    ("down-after-milliseconds M 1", NO_MASTER),
    ("failover-timeout x 1", NO_MASTER),
    ("auth-pass x 1", NO_MASTER),
    ("rename-command x a b", NO_MASTER),
    ("config-epoch x 1", NO_MASTER),
    ("leader-epoch x 1", NO_MASTER),
    ("known-replica x nowhere 1", NO_MASTER),
    ("known-sentinel x nowhere 1 1", NO_MASTER),
    ("notification-script x /nowhere", NO_MASTER),
    ("down-after-milliseconds m 0", NOT_POSITIVE),
    ("down-after-milliseconds m -1", NOT_POSITIVE),
    ("down-after-milliseconds m soon", NOT_POSITIVE),
    ("failover-timeout m 0", NOT_POSITIVE),
    ("master-reboot-down-after-period m -1", NEGATIVE),
    ("down-after-refused-milliseconds m -1", NEGATIVE),
    ("forget-replicas-after-seconds m -1", NEGATIVE),
    ("forget-sentinels-after-seconds m -1", NEGATIVE),
    (
        "failover-timeout m 9007199254740993",
        "Number out of range.",
    ),
    ("parallel-syncs m 2147483648", "Number out of range."),
    (
        "notification-script m /there/is/none",
        "Notification script seems non existing or non executable.",
    ),
    (
        "notification-script m \"\"",
        "Notification script seems non existing or non executable.",
    ),
    (
        "client-reconfig-script m /dev/null",
        "Client reconfiguration script seems non existing or non executable.",
    ),
    ("myid abc", "Malformed Sentinel id in myid option."),
    (
        "myid 012345678901234567890123456789012345678,",
        "Malformed Sentinel id in myid option.",
    ),
    ("current-epoch x", "Invalid epoch."),
    ("config-epoch m -1", "Invalid epoch."),
    ("leader-epoch m 18446744073709551616", "Invalid epoch."),
    (
        "known-replica m nowhere 1",
        "Can't resolve instance hostname.",
    ),
    ("known-replica m 127.0.0.1 65536", "Invalid port number."),
    (
        "known-slave m 127.0.0.9 9",
        "Duplicate hostname and port for replica.",
    ),
    (
        "known-replica m 127.0.0.9 9",
        "Duplicate hostname and port for replica.",
    ),
    (
        "known-sentinel m nowhere 1 x",
        "Can't resolve instance hostname.",
    ),
    ("known-sentinel m 127.0.0.1 -1 x", "Invalid port number."),
    (
        "known-sentinel m 127.0.0.1 1 peer",
        "Duplicate runid for sentinel.",
    ),
    (
        "known-sentinel m 127.0.0.1 1 \"a b\"",
        "Malformed Sentinel id in known-sentinel option.",
    ),
    (
        "rename-command m config b",
        "Same command renamed multiple times with rename-command.",
    ),
    (
        "rename-command m get \"\"",
        "Empty name of a command in rename-command.",
    ),
    (
        "deny-scripts-reconfig maybe",
        "Please specify yes or no for the deny-scripts-reconfig options.",
    ),
    (
        "resolve-hostnames 1",
        "Please specify yes or no for the resolve-hostnames option.",
    ),
    (
        "announce-hostnames \"\"",
        "Please specify yes or no for the announce-hostnames option.",
    ),
    ("announce-ip \"1, 2\"", "Invalid announce-ip."),
    ("announce-port 65536", "Invalid port number."),
    ("announce-port -1", "Invalid port number."),
];

const NAME: &str = "A master's name must be text without blanks and commas.";
const UNRECOGNIZED: &str = "Unrecognized sentinel configuration statement.";
const NO_MASTER: &str = "No such master with specified name.";
const NOT_POSITIVE: &str = "negative or zero time parameter.";
const NEGATIVE: &str = "negative time parameter.";

#[test]
fn each_bad_line_is_told_with_its_place_and_reason() {
    let head = "sentinel monitor m 127.0.0.1 6379 2\nsentinel known-replica m 127.0.0.9 9\n\
                sentinel known-sentinel m 127.0.0.1 26379 peer\n\
                sentinel rename-command m CONFIG x\n";
    for (line, reason) in BAD_LINES {
        let error = load(&format!("{head} SENTINEL {line} \n")).expect_err(line);
        let expected = format!(
            "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\nReading the configuration file, at \
             line 6\n>>> 'SENTINEL {line}'\n{reason}"
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn a_sentinel_has_defaults_of_its_own_and_no_data_set() {
    let config = load("save 60 1\nappendonly yes\nreplicaof 127.0.0.1 1\n").expect("good lines");
    let settings = config.settings;
    assert_eq!((settings.port, settings.protected_mode), (26379, false));
    assert!(settings.save.0.is_empty() && !settings.appendonly && settings.replicaof.is_none());
    assert_eq!(config.sentinel, Some(SentinelConfig::default()));
    let config = load("port 1\nprotected-mode yes\nsentinel\n").expect("good lines");
    assert_eq!(
        (config.settings.port, config.settings.protected_mode),
        (1, true)
    );
}

#[test]
fn lines_stand_in_any_order() {
    let text = format!(
        "sentinel known-sentinel m peer.example 26379 abc\n\
         sentinel known-sentinel m ignored 26379\n\
         sentinel known-slave m ::1 7000\n\
         sentinel known-replica m replica.example 7000\n\
         sentinel config-epoch m 7\n\
         sentinel leader-epoch m 9\n\
         sentinel auth-pass m \"a b\"\n\
         sentinel auth-user m u\n\
         Sentinel Monitor m master.example 6379x 2x\n\
         sentinel monitor n 10.0.0.1 1 1\n\
         sentinel RESOLVE-hostnames YES\n\
         sentinel current-epoch 5\n\
         sentinel current-epoch 4\n\
         sentinel myid {ID}\n"
    );
    let config = read(&text);
    assert_eq!(config.id.as_deref(), Some(ID));
    assert_eq!(config.current_epoch, 7, "that of a master raises it");
    let [m, n] = &config.masters[..] else {
        panic!("two masters");
    };
    assert_eq!((&n.name[..], n.options.quorum), ("n", 1));
    assert_eq!(
        (&m.host[..], m.port, m.options.quorum),
        ("master.example", 6379, 2)
    );
    assert_eq!((m.config_epoch, m.leader_epoch), (7, 9));
    assert_eq!(m.options.password.as_deref(), Some(&b"a b"[..]));
    assert_eq!(m.options.user.as_deref(), Some(&b"u"[..]));
    let replicas = [
        ("::1".to_owned(), 7000),
        ("replica.example".to_owned(), 7000),
    ];
    assert_eq!(m.replicas, replicas);
    let peer = PeerConfig {
        host: "peer.example".to_owned(),
        port: 26379,
        id: "abc".to_owned(),
    };
    assert_eq!(m.peers, [peer]);
}

#[test]
fn the_first_bad_line_in_the_order_of_reading_is_told() {
    let error = load(
        "sentinel auth-pass x y\nsentinel monitor a nowhere 1 1\nsentinel myid x\nsentinel x\n",
    );
    assert!(
        error
            .expect_err("bad")
            .contains("at line 4\n>>> 'sentinel myid x'")
    );
    let error = load("sentinel nonsense\nport x\n").expect_err("bad");
    assert!(error.contains(">>> 'port x'"), "{error}");
}

#[test]
fn each_option_of_a_master_is_read() {
    let text = "sentinel monitor m 127.0.0.1 0 1\n\
                sentinel down-after-milliseconds m 1500ms\n\
                sentinel down-after-refused-milliseconds m 0\n\
                sentinel failover-timeout m 5000000000\n\
                sentinel parallel-syncs m -1\n\
                sentinel notification-script m bin/sh\n\
                sentinel client-reconfig-script m /bin/sh\n\
                sentinel auth-pass m \"\"\n\
                sentinel master-reboot-down-after-period m x\n\
                sentinel forget-replicas-after-seconds m 60\n\
                sentinel forget-sentinels-after-seconds m 61\n\
                sentinel rename-command m CONFIG guessme\n";
    let options = read(text).masters[0].options.clone();
    let expected = MasterOptions {
        down_after_ms: 1500,
        down_after_refused_ms: 0,
        failover_timeout_ms: 5_000_000_000,
        parallel_syncs: 0,
        notification_script: Some(b"bin/sh".to_vec()),
        client_reconfig_script: Some(b"/bin/sh".to_vec()),
        forget_replicas_after_s: 60,
        forget_sentinels_after_s: 61,
        renamed: [(b"config".to_vec(), b"guessme".to_vec())].into(),
        ..MasterOptions::new(1)
    };
    assert_eq!(options, expected);
}

#[test]
fn scripts_are_looked_for_where_dir_points_to() {
    let text = "sentinel monitor m 127.0.0.1 1 1\nsentinel notification-script m sh\n";
    assert!(load(text).is_err());
    assert!(load(&format!("{text}dir /bin\n")).is_ok());
}

#[test]
fn what_holds_for_all_masters_is_read_and_empty_text_says_nothing() {
    let text = "sentinel announce-ip a.example\nsentinel announce-ip \"\"\n\
                sentinel announce-port 7\nsentinel sentinel-user u\nsentinel sentinel-user \"\"\n\
                sentinel sentinel-pass p\nsentinel deny-scripts-reconfig no\n\
                sentinel announce-hostnames yes\n";
    let expected = CommonOptions {
        announce_ip: Some("a.example".to_owned()),
        announce_port: Some(7),
        resolve_hostnames: false,
        announce_hostnames: true,
        deny_scripts_reconfig: false,
        peer_user: Some(b"u".to_vec()),
        peer_password: Some(b"p".to_vec()),
    };
    assert_eq!(read(text).common, expected);
    let text = "sentinel announce-port 5\nsentinel announce-port 0\n";
    assert_eq!(read(text).common.announce_port, None);
}

#[test]
fn a_server_refuses_the_lines_of_a_sentinel() {
    let sources = Sources {
        options: b"sentinel monitor m 127.0.0.1 1 1\n".to_vec(),
        ..Sources::default()
    };
    let error = Config::load(&sources, Path::new("/"), std::io::empty()).expect_err("refused");
    let reason = "sentinel directive while not in sentinel mode";
    assert!(error.to_string().ends_with(reason), "{error}");
}
