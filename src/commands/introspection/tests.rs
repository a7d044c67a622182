//! `COMMAND`, byte for byte as Redis 7.2.4 replies it.

use super::super::testing::Rig;

/// What 7.2.4 says of `PING`.
const PING: &str = "*10\r\n$4\r\nping\r\n:-1\r\n*1\r\n+fast\r\n:0\r\n:0\r\n:0\r\n\
                    *2\r\n+@fast\r\n+@connection\r\n\
                    *2\r\n$25\r\nrequest_policy:all_shards\r\n\
                    $29\r\nresponse_policy:all_succeeded\r\n*0\r\n*0\r\n";

#[test]
fn info_describes_in_the_order_asked() {
    let mut rig = Rig::new();
    let reply = rig.run("COMMAND INFO nosuch PING client|nosuch");
    assert_eq!(reply, format!("*3\r\n$-1\r\n{PING}$-1\r\n"));
}

#[test]
fn info_uses_sets_in_resp3() {
    let mut rig = Rig::new();
    rig.run("HELLO 3");
    assert_eq!(
        rig.run("COMMAND INFO CLIENT|ID"),
        "*1\r\n*10\r\n$9\r\nclient|id\r\n:2\r\n~3\r\n+noscript\r\n+loading\r\n+stale\r\n\
         :0\r\n:0\r\n:0\r\n~2\r\n+@slow\r\n+@connection\r\n~0\r\n~0\r\n~0\r\n"
    );
}

#[test]
fn all_commands_are_described_and_counted() {
    let mut rig = Rig::new();
    let count = rig.table.iter().count();
    assert_eq!(rig.run("COMMAND COUNT"), format!(":{count}\r\n"));
    let all = rig.run("COMMAND");
    assert!(all.starts_with(&format!("*{count}\r\n*10\r\n")));
    assert_eq!(all, rig.run("COMMAND INFO"));
}

#[test]
fn docs_leave_out_what_is_empty() {
    let mut rig = Rig::new();
    rig.run("HELLO 3");
    let docs = rig.run("COMMAND DOCS quit nosuch");
    let summary = "Ends the connection.";
    let expected = format!(
        "%1\r\n$4\r\nquit\r\n%7\r\n$7\r\nsummary\r\n${}\r\n{summary}\r\n\
         $5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$10\r\nconnection\r\n\
         $10\r\ncomplexity\r\n$4\r\nO(1)\r\n$9\r\ndoc_flags\r\n~1\r\n+deprecated\r\n\
         $16\r\ndeprecated_since\r\n$5\r\n7.2.0\r\n\
         $11\r\nreplaced_by\r\n$27\r\njust closing the connection\r\n",
        summary.len()
    );
    assert_eq!(docs, expected);
}

#[test]
fn docs_show_arguments_with_what_is_known_of_them() {
    let mut rig = Rig::new();
    let docs = rig.run("COMMAND DOCS client|setname");
    let argument = "$9\r\narguments\r\n*1\r\n*6\r\n$4\r\nname\r\n$15\r\nconnection-name\r\n\
                    $4\r\ntype\r\n$6\r\nstring\r\n$12\r\ndisplay_text\r\n\
                    $15\r\nconnection-name\r\n";
    assert!(docs.ends_with(argument), "{docs}");
    let docs = rig.run("COMMAND DOCS client|kill");
    for part in [
        "$12\r\ndisplay_text\r\n$7\r\nip:port\r\n$16\r\ndeprecated_since\r\n$6\r\n2.8.12\r\n",
        "$4\r\ntype\r\n$5\r\noneof\r\n$5\r\ntoken\r\n$6\r\nSKIPME\r\n\
         $5\r\nflags\r\n*1\r\n+optional\r\n$9\r\narguments\r\n*2\r\n",
    ] {
        assert!(docs.contains(part), "{part} in {docs}");
    }
}

#[test]
fn lists_are_filtered_one_way() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("COMMAND LIST FILTERBY PATTERN PIN?", "*1\r\n$4\r\nping\r\n"),
        (
            "COMMAND LIST FILTERBY PATTERN client|get*",
            "*2\r\n$14\r\nclient|getname\r\n\
          $15\r\nclient|getredir\r\n",
        ),
        ("COMMAND LIST FILTERBY MODULE any", "*0\r\n"),
        ("COMMAND LIST FILTERBY ACLCAT nosuch", "*0\r\n"),
        ("COMMAND LIST FILTERBY COLOR red", "-ERR syntax error\r\n"),
        ("COMMAND LIST FILTERBY PATTERN", "-ERR syntax error\r\n"),
        ("COMMAND LIST all", "-ERR syntax error\r\n"),
    ]);
    let everything = rig.run("COMMAND LIST");
    assert_eq!(
        everything.matches('$').count(),
        rig.table.iter_all().count()
    );
    let admin = rig.run("COMMAND LIST FILTERBY ACLCAT Admin");
    assert!(admin.contains("config|set") && !admin.contains("$4\r\nping"));
}

#[test]
fn keys_cannot_be_found_in_what_has_none() {
    let mut rig = Rig::new();
    for (line, text) in [
        ("COMMAND GETKEYS nosuch", "Invalid command specified"),
        ("COMMAND GETKEYS client nosuch", "Invalid command specified"),
        ("COMMAND GETKEYS ping", "The command has no key arguments"),
        (
            "COMMAND GETKEYSANDFLAGS client id",
            "The command has no key arguments",
        ),
    ] {
        assert_eq!(rig.run(line), format!("-ERR {text}\r\n"), "{line}");
    }
}

#[test]
fn keys_are_found_in_whole_commands() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("COMMAND GETKEYS get a", "*1\r\n$1\r\na\r\n"),
        (
            "COMMAND GETKEYS MSET a 1 b 2",
            "*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        ),
        (
            "COMMAND GETKEYSANDFLAGS rename a b",
            "*2\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+delete\r\n\
             *2\r\n$1\r\nb\r\n*2\r\n+OW\r\n+update\r\n",
        ),
        (
            "COMMAND GETKEYSANDFLAGS set a 1 GET",
            "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n",
        ),
        (
            "COMMAND GETKEYS get",
            "-ERR Invalid number of arguments specified for command\r\n",
        ),
        (
            "COMMAND GETKEYS get a b",
            "-ERR Invalid number of arguments specified for command\r\n",
        ),
    ]);
}

/// The arguments that are keys, with what is done to each; what is refused stands behind a `-`.
fn keys_of(rig: &mut Rig, line: &str) -> String {
    let reply = rig.run(&format!("COMMAND GETKEYSANDFLAGS {line}"));
    let lines: Vec<&str> = reply
        .lines()
        .filter(|line| !line.starts_with(['*', '$']))
        .collect();
    lines.join(" ")
}

#[test]
fn arguments_that_make_no_sense_have_no_keys() {
    let mut rig = Rig::new();
    for line in [
        "pfmerge d",
        "zunionstore d 0 a",
        "zunionstore d 3 a b",
        "zunionstore d -1 a",
        "lmpop x a LEFT",
        "xread COUNT 2 a 0",
        "xread BLOCK 0 STREAMS",
        "xreadgroup GROUP g c COUNT a 0",
        "migrate h 1 k 0 1 KEYS a",
    ] {
        let refusal = "-ERR Invalid arguments specified for command";
        assert_eq!(keys_of(&mut rig, line), refusal, "{line}");
    }
    let refusal = "-ERR The command has no key arguments";
    for line in ["spublish c m", "spublish c", "ssubscribe c", "sunsubscribe"] {
        assert_eq!(
            keys_of(&mut rig, line),
            refusal,
            "channels are no keys: {line}"
        );
    }
}

#[test]
fn keys_are_found_where_specifications_do_not_hold() {
    let mut rig = Rig::new();
    for (line, keys) in [
        (
            "sort k BY STORE GET x STORE a STORE b",
            "k +RO +access b +OW +update",
        ),
        ("sort_ro k BY x", "k +RO +access"),
        ("zinter ' 2x' a b c", "a b"),
        ("zdiffstore d 01 a b", "a d"),
        ("zdiffstore d 1 a b", "d +OW +update a +RO +access"),
        ("georadius k 1 2 3 m STORE d", "k +RO +access d +OW +update"),
        ("georadius k 1 2 3 m COUNT STORE", "k +RO +access"),
        ("xreadgroup COUNT 1 STREAMS a b STREAMS 0", "a b"),
        (
            "xread COUNT 1 STREAMS a b 0 0",
            "a +RO +access b +RO +access",
        ),
        (
            "migrate h 1 '' 0 1 COPY KEYS a b",
            "a +RW +access +delete b +RW +access +delete",
        ),
        ("migrate h 1 k 0 1 KEYS", "k +RW +access +delete"),
    ] {
        assert_eq!(keys_of(&mut rig, line), keys, "{line}");
    }
}
