//! Connections as a client sees them, reply by reply.

use super::super::session::{Kind, ReplyMode};
use super::super::testing::{Rig, START_MS};

/// Runs each line and expects the reply beside it, without its last line end.
fn dialogue(rig: &mut Rig, lines: &[(&str, &str)]) {
    for (line, reply) in lines {
        assert_eq!(rig.run(line), format!("{reply}\r\n"), "{line}");
    }
}

#[test]
fn ping_takes_a_message_or_none() {
    let lines = [
        ("PING", "+PONG"),
        ("ping hello", "$5\r\nhello"),
        (
            "PING a b",
            "-ERR wrong number of arguments for 'ping' command",
        ),
        ("ECHO \"a b\"", "$3\r\na b"),
        ("ECHO", "-ERR wrong number of arguments for 'echo' command"),
    ];
    dialogue(&mut Rig::new(), &lines);
}

#[test]
fn quit_closes_once_the_reply_is_out() {
    let mut rig = Rig::new();
    assert_eq!(rig.run("QUIT"), "+OK\r\n");
    assert!(rig.session.activity.is_closing() && !rig.session.activity.is_over());
}

#[test]
fn hello_describes_the_connection_in_the_chosen_protocol() {
    let mut rig = Rig::new();
    let map = "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n:3\r\n\
               $2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n\
               $7\r\nmodules\r\n*0\r\n";
    assert_eq!(rig.run("HELLO 3"), format!("%7\r\n{map}"));
    assert_eq!(rig.run("HELLO"), format!("%7\r\n{map}"));
    let map = map.replace(":3", ":2");
    assert_eq!(rig.run("HELLO 2"), format!("*14\r\n{map}"));
    rig.env.gates.replica = true;
    assert!(rig.run("HELLO").contains("$4\r\nrole\r\n$7\r\nreplica\r\n"));
}

#[test]
fn hello_does_nothing_when_any_option_is_wrong() {
    let mut rig = Rig::new();
    let name_rule = "-ERR Client names cannot contain spaces, newlines or special characters.";
    let lines = [
        (
            "HELLO x",
            "-ERR Protocol version is not an integer or out of range",
        ),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO 3 FOO", "-ERR Syntax error in HELLO option 'FOO'"),
        (
            "HELLO 3 AUTH default",
            "-ERR Syntax error in HELLO option 'AUTH'",
        ),
        ("HELLO 3 SETNAME \"a b\"", name_rule),
        (
            "HELLO 3 SETNAME bob AUTH nobody x",
            "-WRONGPASS invalid username-password pair or user is disabled.",
        ),
        ("CLIENT GETNAME", "$-1"),
    ];
    dialogue(&mut rig, &lines);
}

#[test]
fn hello_authenticates_and_names_at_once() {
    let mut rig = Rig::new();
    rig.env.users.set_default_password(Some(b"secret"));
    rig.session.authenticated = false;
    assert_eq!(
        rig.run("HELLO 3 SETNAME bob"),
        "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
         <proto> AUTH <user> <pass> option can be used to authenticate the client and select the \
         RESP protocol version at the same time\r\n"
    );
    assert!(
        rig.run("HELLO 3 SETNAME bob AUTH default secret")
            .starts_with("%7\r\n")
    );
    assert_eq!(rig.run("CLIENT GETNAME"), "$3\r\nbob\r\n");
}

#[test]
fn auth_knows_one_user() {
    let mut rig = Rig::new();
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    let lines = [
        (
            "AUTH x",
            "-ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        ),
        ("AUTH default anything", "+OK"),
        ("AUTH a b c", "-ERR syntax error"),
    ];
    dialogue(&mut rig, &lines);
    rig.env.users.set_default_password(Some(b"secret"));
    rig.session.authenticated = false;
    let lines = [
        ("PING", "-NOAUTH Authentication required."),
        ("AUTH secre", wrong),
        ("AUTH secrets", wrong),
        ("AUTH bob secret", wrong),
        ("AUTH Default secret", wrong),
        ("AUTH secret", "+OK"),
        ("PING", "+PONG"),
        ("AUTH wrong", wrong),
        ("PING", "+PONG"),
    ];
    dialogue(&mut rig, &lines);
    assert_eq!(rig.env.stats.acl_access_denied_auth, 5);
}

#[test]
fn reset_makes_the_connection_as_new() {
    let mut rig = Rig::new();
    rig.env.users.set_default_password(Some(b"secret"));
    for line in [
        "HELLO 3 SETNAME bob",
        "CLIENT NO-TOUCH ON",
        "CLIENT SETINFO LIB-NAME lib",
    ] {
        rig.run(line);
    }
    rig.session.db = 5;
    rig.session.reply_mode = ReplyMode::Off;
    assert_eq!(rig.run("RESET"), "+RESET\r\n");
    assert_eq!(rig.session.db, 0);
    assert!(!rig.session.no_touch && !rig.session.authenticated);
    assert_eq!(
        rig.session.client().lib_name,
        b"lib",
        "the library behind it is still the same"
    );
    assert_eq!(rig.run("AUTH secret"), "+OK\r\n");
    assert_eq!(rig.run("CLIENT GETNAME"), "$-1\r\n");
    rig.session.kind = Kind::Replica;
    rig.run("RESET");
    let logged = rig.host.logged.borrow();
    assert!(logged[0].contains("'ERR can only reset normal client connections'"));
}

#[test]
fn a_client_says_which_replies_it_wants() {
    let mut rig = Rig::new();
    assert_eq!(rig.run("CLIENT REPLY SKIP"), "");
    assert_eq!(rig.run("PING"), "");
    assert_eq!(rig.run("PING"), "+PONG\r\n");
    assert_eq!(rig.run("CLIENT REPLY OFF"), "");
    for line in ["PING", "CLIENT REPLY SKIP", "NOSUCH", "CLIENT REPLY maybe"] {
        assert_eq!(rig.run(line), "", "{line}");
    }
    assert_eq!(rig.run("CLIENT REPLY ON"), "+OK\r\n");
    assert_eq!(rig.run("CLIENT REPLY maybe"), "-ERR syntax error\r\n");
}

#[test]
fn what_a_client_says_of_itself_is_kept_if_it_fits_a_line() {
    let rule = "cannot contain spaces, newlines or special characters.";
    let lines = [
        (
            "CLIENT SETNAME \"a b\"",
            format!("-ERR Client names {rule}"),
        ),
        ("CLIENT SETNAME bob", "+OK".to_owned()),
        ("CLIENT GETNAME", "$3\r\nbob".to_owned()),
        ("CLIENT SETNAME \"\"", "+OK".to_owned()),
        ("CLIENT GETNAME", "$-1".to_owned()),
        (
            "CLIENT SETINFO lib-name \"a b\"",
            format!("-ERR lib-name {rule}"),
        ),
        ("CLIENT SETINFO LIB-VER a\\n", "+OK".to_owned()),
        (
            "CLIENT SETINFO LIB-VER \"a\\n\"",
            format!("-ERR LIB-VER {rule}"),
        ),
        (
            "CLIENT SETINFO Color red",
            "-ERR Unrecognized option 'Color'".to_owned(),
        ),
    ];
    let lines: Vec<(&str, &str)> = lines.iter().map(|(l, r)| (*l, r.as_str())).collect();
    dialogue(&mut Rig::new(), &lines);
}

#[test]
fn kill_refuses_conditions_that_mean_nothing() {
    let id_rule = "-ERR client-id should be greater than 0";
    let lines = [
        (
            "CLIENT KILL",
            "-ERR wrong number of arguments for 'client|kill' command",
        ),
        ("CLIENT KILL 1.2.3.4:1", "-ERR No such client"),
        ("CLIENT KILL ID 0", id_rule),
        ("CLIENT KILL ID x", id_rule),
        ("CLIENT KILL TYPE foo", "-ERR Unknown client type 'foo'"),
        ("CLIENT KILL USER foo", "-ERR No such user 'foo'"),
        ("CLIENT KILL ADDR a:1 SKIPME", "-ERR syntax error"),
        ("CLIENT KILL ADDR a:1 SKIPME maybe", "-ERR syntax error"),
        ("CLIENT KILL COLOR red", "-ERR syntax error"),
        ("CLIENT KILL ID 7 TYPE slave SKIPME no", ":0"),
        ("CLIENT LIST foo", "-ERR syntax error"),
        ("CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'"),
        ("CLIENT LIST TYPE normal foo", "-ERR syntax error"),
        ("CLIENT LIST ID", "-ERR syntax error"),
        ("CLIENT LIST ID 1 x", "-ERR Invalid client ID"),
    ];
    let mut rig = Rig::new();
    dialogue(&mut rig, &lines);
    assert_eq!(
        rig.host.wishes,
        [
            "kill ClientFilter { ids: None, addr: Some([49, 46, 50, 46, 51, 46, 52, 58, 49]), \
             local_addr: None, class: None, user: None, skip_me: false }",
            "kill ClientFilter { ids: Some([7]), addr: None, local_addr: None, \
             class: Some(Replica), user: None, skip_me: false }",
        ]
    );
}

#[test]
fn kill_replies_by_its_form() {
    let mut rig = Rig::new();
    rig.host.killed = 2;
    dialogue(
        &mut rig,
        &[
            ("CLIENT KILL a:1", "+OK"),
            ("CLIENT KILL TYPE normal", ":2"),
        ],
    );
}

#[test]
fn lists_are_verbatim_text() {
    let mut rig = Rig::new();
    rig.host.clients = b"id=1\n".to_vec();
    assert_eq!(rig.run("CLIENT LIST"), "$5\r\nid=1\n\r\n");
    rig.run("HELLO 3");
    assert_eq!(rig.run("CLIENT INFO"), "=9\r\ntxt:id=1\n\r\n");
}

#[test]
fn a_pause_ends_at_an_instant() {
    let lines = [
        (
            "CLIENT PAUSE x",
            "-ERR timeout is not an integer or out of range",
        ),
        ("CLIENT PAUSE -1", "-ERR timeout is negative"),
        (
            "CLIENT PAUSE 9223372036854775807",
            "-ERR timeout is out of range",
        ),
        (
            "CLIENT PAUSE 1 maybe",
            "-ERR CLIENT PAUSE mode must be WRITE or ALL",
        ),
        (
            "CLIENT PAUSE 1 ALL now",
            "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
        ),
        ("CLIENT PAUSE 100 WRITE", "+OK"),
        ("CLIENT PAUSE 0", "+OK"),
        ("CLIENT UNPAUSE", "+OK"),
    ];
    let mut rig = Rig::new();
    dialogue(&mut rig, &lines);
    let until = |mode: &str, ms: i64| format!("pause {mode} until {ms}");
    let wishes = [
        until("Write", START_MS + 100),
        until("All", START_MS),
        "unpause".to_owned(),
    ];
    assert_eq!(rig.host.wishes, wishes);
}

#[test]
fn nobody_is_blocked_and_nothing_is_tracked() {
    let lines = [
        ("CLIENT UNBLOCK 5", ":0"),
        ("CLIENT UNBLOCK 5 ERROR", ":0"),
        (
            "CLIENT UNBLOCK x",
            "-ERR value is not an integer or out of range",
        ),
        (
            "CLIENT UNBLOCK x maybe",
            "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
        ),
        ("CLIENT GETREDIR", ":-1"),
        (
            "CLIENT TRACKINGINFO",
            "*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0",
        ),
    ];
    dialogue(&mut Rig::new(), &lines);
}

#[test]
fn help_is_lines_of_text() {
    let mut rig = Rig::new();
    let help = rig.run("client help");
    let head = "+CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n";
    let count = help.lines().count() - 1;
    assert!(help.starts_with(&format!("*{count}\r\n{head}")), "{help}");
    assert!(help.ends_with("+HELP\r\n+    Print this help.\r\n"));
}
