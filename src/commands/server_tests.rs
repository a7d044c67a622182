//! The server's commands, reply by reply.

use super::super::testing::Rig;
use super::*;

#[test]
fn time_is_seconds_and_microseconds_of_the_tick() {
    let mut rig = Rig::new();
    rig.env.now.unix_us = 1_700_000_000_000_042;
    assert_eq!(rig.run("TIME"), "*2\r\n$10\r\n1700000000\r\n$2\r\n42\r\n");
}

#[test]
fn saving_is_the_servers_business() {
    let mut rig = Rig::new();
    assert_eq!(rig.run("SAVE"), "+OK\r\n");
    assert_eq!(rig.run("BGSAVE"), "+Background saving started\r\n");
    rig.run("BGSAVE schedule");
    assert_eq!(rig.run("BGSAVE now"), "-ERR syntax error\r\n");
    assert_eq!(rig.run("BGSAVE SCHEDULE now"), "-ERR syntax error\r\n");
    assert_eq!(
        rig.host.wishes,
        ["save", "bgsave schedule=false", "bgsave schedule=true"]
    );
    assert_eq!(rig.run("LASTSAVE"), ":1700000000\r\n");
}

#[test]
fn shutdown_is_meant_one_way() {
    let parse = |line: &str| Shutdown::parse(line.split_ascii_whitespace().map(str::as_bytes));
    let options = |save, now, force| Ok(Shutdown::Begin(ShutdownOptions { save, now, force }));
    assert_eq!(parse(""), options(None, false, false));
    assert_eq!(parse("SAVE save"), options(Some(true), false, false));
    assert_eq!(parse("nosave NOW force"), options(Some(false), true, true));
    assert_eq!(parse("abort"), Ok(Shutdown::Abort));
    for line in [
        "save nosave",
        "nosave save",
        "abort now",
        "save abort",
        "maybe",
    ] {
        assert_eq!(parse(line), Err(CmdError::Syntax), "{line}");
    }
}

#[test]
fn lolwut_is_the_version_and_sometimes_a_picture() {
    let mut rig = Rig::new();
    for line in [
        "LOLWUT",
        "LOLWUT VERSION 4",
        "LOLWUT 80 25",
        "LOLWUT VERSION",
    ] {
        assert_eq!(rig.run(line), "$17\r\nRedis ver. 7.2.4\n\r\n", "{line}");
    }
    let refusal = "-ERR value is not an integer or out of range\r\n";
    assert_eq!(rig.run("LOLWUT VERSION x"), refusal);
    assert_eq!(rig.run("LOLWUT VERSION 5 9 9 x"), refusal);
    for (line, rows) in [("LOLWUT VERSION 5", 20), ("LOLWUT VERSION 6 0 -3 x", 1)] {
        let reply = rig.run(line);
        assert_eq!(reply.lines().count(), rows + 5, "{reply}");
        assert!(reply.ends_with("\nRedis ver. 7.2.4\n\r\n"), "{reply}");
    }
}
