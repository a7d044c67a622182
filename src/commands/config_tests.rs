//! `CONFIG`, reply by reply.

use super::super::testing::Rig;

fn rig() -> Rig {
    Rig::new()
}

#[test]
fn get_shows_names_as_they_were_asked_for() {
    let mut rig = rig();
    let reply = rig.run("CONFIG GET MAXCLIENTS nosuch maxclients");
    assert_eq!(reply, "*2\r\n$10\r\nMAXCLIENTS\r\n$5\r\n10000\r\n");
    rig.run("HELLO 3");
    let reply = rig.run("CONFIG GET lfu-log-factor slave-prio*");
    let expected = "%2\r\n$14\r\nlfu-log-factor\r\n$2\r\n10\r\n\
                    $14\r\nslave-priority\r\n$3\r\n100\r\n";
    assert_eq!(reply, expected);
    assert_eq!(rig.run("CONFIG GET nosuch*"), "%0\r\n");
}

#[test]
fn set_is_all_or_nothing() {
    let mut rig = rig();
    for (line, text) in [
        ("CONFIG SET lfu-log-factor 5 x", "syntax error"),
        (
            "CONFIG SET lfu-log-factor 5 nosuch 1",
            "Unknown option or number of arguments for CONFIG SET - 'nosuch'",
        ),
        (
            "CONFIG SET lfu-log-factor 5 daemonize yes",
            "CONFIG SET failed (possibly related to argument 'daemonize') - \
             can't set immutable config",
        ),
        (
            "CONFIG SET lfu-log-factor 5 hz x",
            "CONFIG SET failed (possibly related to argument 'hz') - \
             argument couldn't be parsed into an integer",
        ),
    ] {
        assert_eq!(rig.run(line), format!("-ERR {text}\r\n"), "{line}");
        assert_eq!(rig.env.config.lfu_log_factor, 10);
    }
    assert!(rig.host.wishes.is_empty(), "nothing was to take effect");
}

#[test]
fn set_makes_the_server_follow() {
    let mut rig = rig();
    assert_eq!(
        rig.run("CONFIG SET maxclients 500 lfu-log-factor 5"),
        "+OK\r\n"
    );
    assert_eq!(rig.env.config.maxclients, 500);
    assert_eq!(rig.env.config.lfu_log_factor, 5);
    assert_eq!(rig.host.wishes, ["apply MaxClients", "config changed"]);
}

#[test]
fn rewrite_needs_a_file_and_writes_what_differs() {
    let mut rig = rig();
    let refusal = "-ERR The server is running without a config file\r\n";
    assert_eq!(rig.run("CONFIG REWRITE"), refusal);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("redis.conf");
    rig.env.config_file = Some(path.clone());
    rig.run("CONFIG SET maxclients 500");
    assert_eq!(rig.run("CONFIG REWRITE"), "+OK\r\n");
    let text = std::fs::read_to_string(&path).expect("the file");
    assert!(text.lines().any(|line| line == "maxclients 500"), "{text}");
    rig.env.config_file = Some(folder.path().join("nosuch").join("redis.conf"));
    let refusal = "-ERR Rewriting config file: No such file or directory\r\n";
    assert_eq!(rig.run("CONFIG REWRITE"), refusal);
}

#[test]
fn reset_keeps_what_describes_the_present() {
    let mut rig = rig();
    rig.env.stats.keyspace_hits = 5;
    rig.env.stats.peak_memory = 7;
    rig.env.persistence.saves = 3;
    rig.env.persistence.dirty = 2;
    assert_eq!(rig.run("CONFIG RESETSTAT"), "+OK\r\n");
    assert_eq!(rig.env.stats.keyspace_hits, 0);
    assert_eq!(rig.env.stats.peak_memory, 7);
    assert_eq!(
        (rig.env.persistence.saves, rig.env.persistence.dirty),
        (0, 2)
    );
}
