//! `ACL` and what the dispatcher refuses: users made, asked, noted and taken away.

use crate::commands::testing::Rig;

/// A rig whose client 1 is the default user, and client 2 is logged in as `bob` with these rules.
fn with_bob(rules: &str) -> Rig {
    let mut rig = Rig::new();
    let line = format!("ACL SETUSER bob on nopass {rules}");
    assert_eq!(rig.run(&line), "+OK\r\n", "{rules}");
    assert_eq!(rig.run_as(2, "AUTH bob x"), "+OK\r\n");
    rig
}

#[test]
fn a_client_begins_as_the_default_user_who_may_do_everything() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("ACL WHOAMI", "$7\r\ndefault\r\n"),
        ("ACL USERS", "*1\r\n$7\r\ndefault\r\n"),
        (
            "ACL LIST",
            "*1\r\n$51\r\nuser default on nopass sanitize-payload ~* &* +@all\r\n",
        ),
        ("ACL GETUSER nobody", "$-1\r\n"),
    ]);
}

#[test]
fn users_are_made_changed_and_deleted() {
    let mut rig = Rig::new();
    rig.expect(&[
        ("ACL SETUSER bob", "+OK\r\n"),
        ("ACL USERS", "*2\r\n$3\r\nbob\r\n$7\r\ndefault\r\n"),
        ("ACL SETUSER bob on >pass +get ~a* (+set %W~b)", "+OK\r\n"),
        ("AUTH bob pass", "+OK\r\n"),
        (
            "ACL DELUSER nobody",
            "-NOPERM User bob has no permissions to run the 'acl|deluser' command\r\n",
        ),
        ("AUTH default x", "+OK\r\n"),
        ("ACL DELUSER bob nobody", ":1\r\n"),
        ("ACL DELUSER bob", ":0\r\n"),
        (
            "AUTH bob pass",
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        ),
    ]);
    rig.expect_refusals(&[
        (
            "ACL DELUSER bob default",
            "ERR The 'default' user cannot be removed",
        ),
        (
            "ACL SETUSER 'a b'",
            "ERR Usernames can't contain spaces or null characters",
        ),
        (
            "ACL SETUSER bob +get +nothing",
            "ERR Error in ACL SETUSER modifier '+nothing': Unknown command or category name in ACL",
        ),
        (
            "ACL SETUSER bob (+get",
            "ERR Unmatched parenthesis in acl selector starting at '(+get'.",
        ),
    ]);
    assert_eq!(rig.run("ACL GETUSER bob"), "$-1\r\n", "all rules or none");
}

#[test]
fn a_user_is_shown_with_all_selectors() {
    let mut rig = with_bob("+get %R~a &c (+set ~b)");
    rig.run("ACL SETUSER bob resetpass >pass");
    let hash = "d74ff0ee8da3b9806b18c877dbf29bbde50b5bd8e4dad7a3a725000feb82e8f1";
    let words = format!(
        "*12 flags *2 on sanitize-payload passwords *1 {hash} commands -@all +get keys %R~a \
         channels &c selectors *1 *6 commands -@all +set keys ~b channels"
    );
    let reply = rig.run("ACL GETUSER bob");
    let lines = reply.split("\r\n").filter(|line| !line.starts_with('$'));
    let shown: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    assert_eq!(shown.join(" "), words);
    assert!(rig.run("ACL LIST").contains(&format!(
        "user bob on sanitize-payload #{hash} %R~a resetchannels &c -@all +get (~b resetchannels \
         -@all +set)"
    )));
}

#[test]
fn what_is_not_open_is_refused_noted_and_counted() {
    let mut rig = with_bob("+@all -ping ~a* &c*");
    for (line, reply) in [
        ("GET a1", "$-1\r\n"),
        (
            "PING",
            "-NOPERM User bob has no permissions to run the 'ping' command\r\n",
        ),
        ("GET b", "-NOPERM No permissions to access a key\r\n"),
        ("MGET a b", "-NOPERM No permissions to access a key\r\n"),
        ("PUBLISH c1 x", ":0\r\n"),
        (
            "PUBLISH d x",
            "-NOPERM No permissions to access a channel\r\n",
        ),
        (
            "PSUBSCRIBE c?",
            "-NOPERM No permissions to access a channel\r\n",
        ),
        (
            "PING",
            "-NOPERM User bob has no permissions to run the 'ping' command\r\n",
        ),
        ("ACL WHOAMI", "$3\r\nbob\r\n"),
    ] {
        assert_eq!(rig.run_as(2, line), reply, "{line}");
    }
    let stats = &rig.env.stats;
    let counts = [
        stats.acl_access_denied_cmd,
        stats.acl_access_denied_key,
        stats.acl_access_denied_channel,
        stats.acl_access_denied_auth,
    ];
    assert_eq!(counts, [2, 2, 2, 0]);
    let entries: Vec<_> = rig.env.acl_log.entries().collect();
    let objects: Vec<_> = entries
        .iter()
        .map(|e| e.refusal.object.as_slice())
        .collect();
    assert_eq!(objects, [&b"ping"[..], b"c?", b"d", b"b"]);
    assert_eq!(entries[0].count, 2);
    assert!(
        rig.run("ACL LOG 1")
            .starts_with("*1\r\n*20\r\n$5\r\ncount\r\n:2\r\n")
    );
    rig.expect(&[("ACL LOG RESET", "+OK\r\n"), ("ACL LOG", "*0\r\n")]);
}

#[test]
fn a_transaction_is_looked_at_again_when_it_runs() {
    let mut rig = with_bob("+@all ~*");
    for line in ["MULTI", "SET a 1", "GET a"] {
        rig.run_as(2, line);
    }
    rig.run("ACL SETUSER bob -set");
    let refusal = "-NOPERM ACLs rules changed between the moment the transaction was accumulated \
                   and the EXEC call. This command is no longer allowed for the following reason: \
                   no permission to execute the command or subcommand\r\n";
    assert_eq!(rig.run_as(2, "EXEC"), format!("*2\r\n{refusal}$-1\r\n"));
    rig.run_as(2, "MULTI");
    assert!(rig.run_as(2, "SET a 1").starts_with("-NOPERM User bob"));
    assert!(rig.run_as(2, "EXEC").starts_with("-EXECABORT"));
}

#[test]
fn a_client_that_waits_is_refused_when_its_turn_comes() {
    let mut rig = with_bob("+@all ~*");
    assert_eq!(rig.run_as(2, "BLPOP l 0"), "");
    rig.run("ACL SETUSER bob resetkeys");
    rig.run("LPUSH l x");
    let refusal = "-NOPERM No permissions to access a key\r\n".to_owned();
    assert_eq!(rig.served(), [(2, refusal)]);
}

#[test]
fn who_listens_to_what_is_closed_now_is_disconnected() {
    for (before, subscribe, after, closed) in [
        ("&c*", "SUBSCRIBE c1", "resetchannels &d", true),
        ("&c*", "SUBSCRIBE c1", "resetchannels &c1", false),
        ("&c*", "PSUBSCRIBE c*", "resetchannels &c1", true),
        ("&c*", "PSUBSCRIBE c*", "resetchannels &c* &d", false),
        ("&c*", "SSUBSCRIBE c1", "resetchannels", true),
        ("&*", "SUBSCRIBE c1", "resetchannels &c1", false),
        ("&*", "SUBSCRIBE c1", "resetchannels", true),
        ("&c*", "SUBSCRIBE c1", "allchannels", false),
        ("&c*", "PING", "resetchannels", false),
    ] {
        let mut rig = with_bob(&format!("+@all {before}"));
        rig.run_as(2, subscribe);
        rig.run(&format!("ACL SETUSER bob {after}"));
        let wished = rig.host.wishes.iter().any(|wish| wish == "close [2]");
        assert_eq!(wished, closed, "{before}, {subscribe}, {after}");
    }
}

#[test]
fn who_is_logged_in_as_a_deleted_user_is_disconnected() {
    let mut rig = with_bob("+@all ~*");
    assert_eq!(rig.run("ACL DELUSER bob"), ":1\r\n");
    assert_eq!(rig.host.wishes, ["close [2]"]);
}

#[test]
fn a_command_is_tried_without_being_run() {
    let mut rig = with_bob("+set +get ~a &c +publish");
    rig.expect(&[
        ("ACL DRYRUN bob SET a 1", "+OK\r\n"),
        ("GET a", "$-1\r\n"),
        (
            "ACL DRYRUN bob SET b 1",
            "$49\r\nUser bob has no permissions to access the 'b' key\r\n",
        ),
        (
            "ACL DRYRUN bob PUBLISH d x",
            "$53\r\nUser bob has no permissions to access the 'd' channel\r\n",
        ),
        (
            "ACL DRYRUN bob DEL a",
            "$52\r\nUser bob has no permissions to run the 'del' command\r\n",
        ),
    ]);
    rig.expect_refusals(&[
        ("ACL DRYRUN nobody GET a", "ERR User 'nobody' not found"),
        (
            "ACL DRYRUN bob NOTHING a",
            "ERR Command 'NOTHING' not found",
        ),
        (
            "ACL DRYRUN bob GET",
            "ERR wrong number of arguments for 'get' command",
        ),
    ]);
    assert_eq!(rig.env.acl_log.entries().len(), 0, "nobody was refused");
}

#[test]
fn failed_logins_are_noted_with_the_command_as_it_was_typed() {
    let mut rig = with_bob("");
    rig.run("ACL SETUSER bob resetpass >pass");
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    rig.expect(&[
        ("auth bob x", wrong),
        ("HELLO 3 AUTH nobody x", wrong),
        ("ACL WHOAMI", "$7\r\ndefault\r\n"),
    ]);
    let noted = rig.env.acl_log.entries();
    let noted: Vec<_> = noted
        .map(|e| (e.refusal.object.as_slice(), e.refusal.user.as_slice()))
        .collect();
    assert_eq!(noted, [(&b"HELLO"[..], &b"nobody"[..]), (b"auth", b"bob")]);
}

#[test]
fn sort_looks_up_only_for_who_may_read_every_key() {
    let mut rig = with_bob("(+sort ~l)");
    rig.run("RPUSH l 2 1");
    let by = "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n";
    let get = "-ERR GET option of SORT denied due to insufficient ACL permissions.\r\n";
    for (line, reply) in [
        ("SORT l", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"),
        ("SORT l BY w*", by),
        ("SORT l BY nosort", "*2\r\n$1\r\n2\r\n$1\r\n1\r\n"),
        ("SORT l GET #", get),
    ] {
        assert_eq!(rig.run_as(2, line), reply, "{line}");
    }
    rig.run("ACL SETUSER bob (+sort ~l %R~*)");
    assert!(rig.run_as(2, "SORT l BY w*").starts_with("*2\r\n"));
}

#[test]
fn passwords_are_made_up_of_as_many_bits_as_asked_for() {
    let mut rig = Rig::new();
    for (line, digits) in [
        ("ACL GENPASS", 64),
        ("ACL GENPASS 5", 2),
        ("ACL GENPASS 4096", 1024),
    ] {
        let reply = rig.run(line);
        assert!(
            reply.starts_with(&format!("${digits}\r\n")),
            "{line}: {reply}"
        );
    }
    let refusal = "ERR ACL GENPASS argument must be the number of bits for the output password, a \
                   positive number up to 4096";
    rig.expect_refusals(&[("ACL GENPASS 0", refusal), ("ACL GENPASS 4097", refusal)]);
}

#[test]
fn categories_are_listed_with_their_commands() {
    let mut rig = Rig::new();
    assert!(rig.run("ACL CAT").starts_with("*21\r\n$8\r\nkeyspace\r\n"));
    assert_eq!(
        rig.run("ACL CAT transaction"),
        "*5\r\n$5\r\nmulti\r\n$4\r\nexec\r\n$7\r\ndiscard\r\n$5\r\nwatch\r\n$7\r\nunwatch\r\n"
    );
    rig.expect_refusals(&[
        ("ACL CAT nothing", "ERR Unknown category 'nothing'"),
        (
            "ACL CAT a b",
            "ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.",
        ),
    ]);
}

#[test]
fn without_a_file_of_users_there_is_nothing_to_load_or_save() {
    let mut rig = Rig::new();
    for line in ["ACL LOAD", "ACL SAVE"] {
        assert!(
            rig.run(line)
                .starts_with("-ERR This Redis instance is not configured")
        );
    }
}

#[test]
fn users_are_saved_to_their_file_and_loaded_from_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut rig = with_bob("+@all ~*");
    rig.env.config.dir.0 = dir.path().to_owned();
    rig.env.config.aclfile = b"users.acl".to_vec();
    assert_eq!(rig.run("ACL SAVE"), "+OK\r\n");
    rig.run("ACL SETUSER eve");
    rig.run("ACL SETUSER default -get");
    rig.host.wishes.clear();
    assert_eq!(rig.run("ACL LOAD"), "+OK\r\n");
    assert_eq!(rig.host.wishes, ["close [2]"], "the default user stays");
    assert_eq!(rig.run("ACL USERS"), "*2\r\n$3\r\nbob\r\n$7\r\ndefault\r\n");
    assert_eq!(rig.run("GET a"), "$-1\r\n");
    std::fs::write(dir.path().join("users.acl"), "user x +nothing\n").expect("a file");
    let refusal = "-ERR users.acl:1: Error in applying operation '+nothing': Unknown command or \
                   category name in ACL. WARNING: ACL errors detected, no change to the previously \
                   active ACL rules was performed\r\n";
    assert_eq!(rig.run("ACL LOAD"), refusal);
    assert_eq!(rig.run("ACL USERS"), "*2\r\n$3\r\nbob\r\n$7\r\ndefault\r\n");
}
