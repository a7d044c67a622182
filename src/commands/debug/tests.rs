//! `DEBUG`, with digests that a stock server agrees with.

use super::super::testing::Rig;
use crate::config::ProtectedAction;
use crate::keyspace::NewValue;

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.env.config.enable_debug_command = ProtectedAction::Yes;
    rig
}

#[test]
fn it_must_be_enabled() {
    let reply = Rig::new().run("DEBUG DIGEST");
    assert!(
        reply.starts_with("-ERR DEBUG command not allowed. If the enable-debug-command option")
    );
}

#[test]
fn digests_are_those_of_the_reference() {
    let mut rig = rig();
    assert_eq!(rig.run("DEBUG DIGEST"), format!("+{:040}\r\n", 0));
    rig.run("DEBUG POPULATE 100");
    assert_eq!(
        rig.run("DEBUG DIGEST"),
        "+6ccb30af923e3936581da32cffcd103966a1fd3a\r\n"
    );
    rig.run("DEBUG POPULATE 10 foo 100");
    assert_eq!(
        rig.run("DEBUG DIGEST"),
        "+212250ae2f9378241e97c120a6a48b85270ca43d\r\n"
    );
    assert_eq!(
        rig.run("DEBUG DIGEST-VALUE key:0 foo:3 nosuch"),
        format!(
            "*3\r\n+c15f34c747bf411833c10208c03e1da1bb7da7cf\r\n\
             +ad881785ff32f765b84713cf02c9c645519e159e\r\n+{:040}\r\n",
            0
        )
    );
    assert!(rig.propagated().is_empty(), "replicas are not told");
}

#[test]
fn a_digest_shows_database_and_expiry_but_not_encoding() {
    let digest = |db: usize, value: NewValue<'_>, expire: Option<i64>| {
        let mut rig = rig();
        rig.env.keyspace.db_mut(db).set(b"k", value, expire);
        rig.run("DEBUG DIGEST")
    };
    let plain = digest(0, NewValue::Int(12), None);
    assert_eq!(plain, digest(0, NewValue::RawBytes(b"12"), None));
    assert_ne!(plain, digest(1, NewValue::Int(12), None));
    let expiring = digest(0, NewValue::Int(12), Some(i64::MAX));
    assert_ne!(plain, expiring);
    assert_eq!(expiring, digest(0, NewValue::Int(12), Some(i64::MAX - 1)));
}

#[test]
fn scores_are_digested_as_the_reference_spells_them() {
    for (score, digest) in [
        ("0", "669bd9943b43e6b31f3ab60847ee6a38dd154aba"),
        ("0.1", "7e1bae26d61f35a2675e4748edc8fe0bff072cee"),
        ("5e-324", "a102ea8b255d38b4134c8e74eea0ba1687c2176a"),
        ("10000000", "2a05888aba5449f6d6a4e5348e8093573fcb806c"),
        ("99999999", "628ad720903a93130c40505b8e5c8aac150ae4f3"),
        ("100000000", "b4ce5f2c55a395a1c2198a4e1afd7646f4ea5658"),
        ("4999999999", "2bdf291ae07d77cc99317601088859f7dec51cce"),
        ("5000000000", "06870c38943930ae5f7c73f15d837dd3d9a5cc58"),
        ("-5000000000", "8735fbdb17a1298c64ac8c1527dbc859155729e5"),
        (
            "9007199254740992",
            "9e71b9482b1762ea0da4ae0ff31da1f3b3e8d701",
        ),
        (
            "4611686018427387904",
            "5de93ce2e8672ca03e4f010ac2502d48a580ed3d",
        ),
        (
            "-9223372036854775808",
            "757b44cf18beea4807babaf933f4481aaba88fd8",
        ),
        ("1e22", "b5793083e31fb4b908347aaf362bc1349dd83264"),
        ("1.5e300", "f6d58dc40266be5fe04705e540a6e2ab4fd3fe05"),
        ("inf", "61a9a206eaf26d298dc4d0f7c1b377be6038b61f"),
        ("-inf", "c882cc3ef9fd5dde1409a63622a944684310008f"),
    ] {
        for listpack_entries in [128, 0] {
            assert_eq!(digest_of_score(score, listpack_entries), digest, "{score}");
        }
    }
    // A listpack keeps no sign of zero, a tree does.
    let negative_zero = "aa66151a75d42f177dce99dcb02453641c77f6d8";
    assert_eq!(digest_of_score("-0", 128), digest_of_score("0", 128));
    assert_eq!(digest_of_score("-0", 0), negative_zero);
}

/// The digest of a sorted set with one member.
fn digest_of_score(score: &str, listpack_entries: usize) -> String {
    let mut rig = rig();
    rig.env.config.zset_max_listpack_entries = listpack_entries;
    rig.run(&format!("ZADD z {score} m"));
    let reply = rig.run("DEBUG DIGEST-VALUE z");
    reply.trim_start_matches("*1\r\n+").trim_end().to_owned()
}

#[test]
fn object_tells_what_a_snapshot_would_take() {
    let mut rig = rig();
    assert_eq!(rig.run("DEBUG OBJECT k"), "-ERR no such key\r\n");
    for (value, encoding, length) in [
        (NewValue::Int(7), "int", 2),
        (NewValue::Int(70_000), "int", 5),
        (NewValue::Bytes(b"hello"), "embstr", 6),
        (NewValue::Bytes(&[b'x'; 100]), "raw", 9),
    ] {
        rig.env.keyspace.db_mut(0).set(b"k", value, None);
        let reply = rig.run("DEBUG OBJECT k");
        let part = format!(" refcount:1 encoding:{encoding} serializedlength:{length} lru:");
        assert!(
            reply.starts_with("+Value at:0x") && reply.contains(&part),
            "{reply}"
        );
    }
}

#[test]
fn tables_are_described_with_the_chains_in_them() {
    let mut rig = rig();
    rig.env.config.set_max_listpack_entries = 0;
    rig.run("SADD s 1 2 3 a");
    let all = rig.run("DEBUG HTSTATS-KEY s full");
    // Few elements have one bucket of seven slots.
    let figures = " table size: 7\n number of elements: 4\n different slots: 1\n \
                   max chain length: 4\n avg chain length (counted): 4.00\n \
                   avg chain length (computed): 4.00\n Chain length distribution:\n   \
                   4: 1 (100.00%)\n";
    assert!(all.contains(figures), "{all}");
    let short = rig.run("DEBUG HTSTATS-KEY s");
    assert!(short.ends_with(" table size: 7\n number of elements: 4\n\r\n"));
    for n in 0..1000 {
        rig.run(&format!("SADD s {n}"));
    }
    let all = rig.run("DEBUG HTSTATS-KEY s FULL");
    let chains = all.lines().filter_map(|line| {
        let (length, count) = line.trim_start().split_once(": ")?;
        let count = count.split(' ').next()?.parse::<usize>().ok()?;
        Some(length.parse::<usize>().ok()? * count)
    });
    assert_eq!(chains.sum::<usize>(), 1001, "{all}");
    let whole = rig.run("DEBUG HTSTATS 0 full");
    let keys = "[Dictionary HT]\nHash table 0 stats (main hash table):\n table size: 7\n \
                number of elements: 1\n different slots: 1\n";
    assert!(whole.contains(keys), "{whole}");
}

#[test]
fn wishes_reach_the_server() {
    let mut rig = rig();
    let lines = [
        ("DEBUG SLEEP 0.25", "Sleep(250000)"),
        ("DEBUG SLEEP x", "Sleep(0)"),
        (
            "DEBUG RELOAD",
            "Reload { save: true, flush: true, merge: false }",
        ),
        (
            "DEBUG RELOAD nosave NOFLUSH merge",
            "Reload { save: false, flush: false, merge: true }",
        ),
        ("DEBUG SET-ACTIVE-EXPIRE 0", "ActiveExpire(false)"),
        ("DEBUG PAUSE-CRON 1", "PauseCron(true)"),
        ("DEBUG REPLYBUFFER RESIZING 0", "ReplyBufferResizing(false)"),
        (
            "DEBUG REPLYBUFFER PEAK-RESET-TIME never",
            "ReplyBufferPeakReset(Never)",
        ),
        (
            "DEBUG REPLYBUFFER PEAK-RESET-TIME 100",
            "ReplyBufferPeakReset(AfterMs(100))",
        ),
    ];
    for (line, _) in lines {
        assert_eq!(rig.run(line), "+OK\r\n", "{line}");
    }
    assert_eq!(rig.host.wishes, lines.map(|(_, wish)| wish));
}

#[test]
fn a_crash_is_asked_for_and_never_answered() {
    let mut rig = rig();
    for how in ["PANIC", "SEGFAULT", "ASSERT", "OOM"] {
        assert_eq!(rig.run(&format!("DEBUG {how}")), "", "{how}");
    }
    let wishes = ["Panic", "Segfault", "Assert", "OutOfMemory"];
    assert_eq!(rig.host.wishes, wishes);
}

#[test]
fn a_restart_that_comes_back_has_failed() {
    let mut rig = rig();
    let failed = "-ERR failed to restart the server. Check server logs.\r\n";
    assert_eq!(rig.run("DEBUG RESTART 50"), failed);
    assert_eq!(rig.run("DEBUG CRASH-AND-RECOVER -1"), failed);
    let wishes = [
        "Restart { graceful: true, delay_ms: 50 }",
        "Restart { graceful: false, delay_ms: 0 }",
    ];
    assert_eq!(rig.host.wishes, wishes);
}

#[test]
fn replicate_sends_what_is_not_run() {
    let mut rig = rig();
    assert_eq!(rig.run("DEBUG REPLICATE set a 1"), "+OK\r\n");
    assert_eq!(rig.propagated(), ["set a 1"], "in whichever database");
    assert!(rig.env.keyspace.is_empty());
}

#[test]
fn samples_follow_the_protocol() {
    let mut rig = rig();
    let refusal = "-ERR RESP2 is not supported by this command\r\n";
    assert_eq!(rig.run("DEBUG PROTOCOL push"), refusal);
    assert_eq!(
        rig.run("DEBUG PROTOCOL nosuch"),
        "-ERR Wrong protocol type name. Please use one of the following: string|integer|double|\
         bignum|null|array|set|map|attrib|push|verbatim|true|false\r\n"
    );
    rig.run("HELLO 3");
    rig.expect(&[
        ("DEBUG PROTOCOL double", ",3.141\r\n"),
        (
            "DEBUG PROTOCOL map",
            "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n",
        ),
        ("DEBUG PROTOCOL null", "_\r\n"),
        (
            "DEBUG PROTOCOL verbatim",
            "=29\r\ntxt:This is a verbatim\nstring\r\n",
        ),
        (
            "DEBUG PROTOCOL push",
            "$40\r\nSome real reply following the push reply\r\n\
             >2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n",
        ),
        (
            "DEBUG PROTOCOL attrib",
            "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n\
             $39\r\nSome real reply following the attribute\r\n",
        ),
    ]);
}

#[test]
fn errors_are_replied_and_not_counted() {
    let mut rig = rig();
    assert_eq!(rig.run("DEBUG ERROR \"OOPS a\\nb\""), "-OOPS a b\r\n");
    assert_eq!(rig.env.stats.error_replies, 0);
    let refusal = "-ERR unknown subcommand or wrong number of arguments for 'Foo'. \
                   Try DEBUG HELP.\r\n";
    assert_eq!(rig.run("DEBUG Foo"), refusal);
}

#[test]
fn what_makes_no_sense_here_is_refused_with_a_reason() {
    for (words, reason) in [
        (
            "CLUSTERLINK KILL all x",
            "CLUSTERLINK is not supported: there is no cluster mode",
        ),
        (
            "listpack k",
            "LISTPACK is not supported: it would write to the standard output",
        ),
        ("STRUCTSIZE", "STRUCTSIZE is not supported: "),
    ] {
        let reply = rig().run(&format!("DEBUG {words}"));
        assert!(
            reply.starts_with(&format!("-ERR DEBUG {reason}")),
            "{reply}"
        );
    }
    let unknown = rig().run("DEBUG NONE");
    assert!(unknown.starts_with("-ERR unknown subcommand"), "{unknown}");
}

#[test]
fn texts_are_described_where_they_are() {
    let mut rig = rig();
    rig.run("SET embedded hello");
    assert_eq!(
        rig.run("DEBUG SDSLEN embedded"),
        "+key_sds_len:8, key_sds_avail:0, key_zmalloc: 24, val_sds_len:5, val_sds_avail:0, \
         val_zmalloc: 0\r\n"
    );
    rig.run_words(&["SET", "apart", &"x".repeat(5000)]);
    rig.run("APPEND apart y");
    let apart = rig.run("DEBUG SDSLEN apart");
    let number = |name: &str| -> usize {
        let (_, rest) = apart.split_once(name).expect("the field is there");
        let digits = rest.trim_start_matches(':').trim_start();
        let end = digits.find([',', '\r']).expect("something follows");
        digits[..end].parse().expect("it is a number")
    };
    assert_eq!((number("key_sds_len"), number("val_sds_len")), (5, 5001));
    assert!(number("val_zmalloc") >= 5001 + number("val_sds_avail"));
    rig.run("SET int 12");
    for (key, refusal) in [
        ("int", "-ERR Not an sds encoded string.\r\n"),
        ("none", "-ERR no such key\r\n"),
    ] {
        assert_eq!(rig.run(&format!("DEBUG SDSLEN {key}")), refusal);
    }
}

#[test]
fn clients_that_may_be_closed_are_shown_by_size() {
    let mut rig = rig();
    let disabled = "-ERR maxmemory-clients is disabled.\r\n";
    assert_eq!(rig.run("DEBUG CLIENT-EVICTION"), disabled);
    rig.run("CONFIG SET maxmemory-clients 1mb");
    let shown = rig.run("DEBUG CLIENT-EVICTION");
    assert!(
        shown.contains("below 32768: tot-mem: 4000, clients: 2\n"),
        "{shown}"
    );
}

#[test]
fn help_explains_every_tool() {
    let help = rig().run("DEBUG HELP");
    for tool in super::TOOLS {
        assert!(
            help.contains(&format!("+{}", tool.name.to_ascii_uppercase())),
            "{}",
            tool.name
        );
    }
}

#[test]
fn long_lists_and_tables_are_described() {
    let mut rig = rig();
    rig.run("CONFIG SET list-max-listpack-size 2 list-compress-depth 1");
    rig.run("RPUSH list a b c d e");
    let reply = rig.run("DEBUG OBJECT list");
    let part = " ql_nodes:3 ql_avg_node:1.67 ql_listpack_max:2 ql_compressed:1 ";
    assert!(reply.contains(part), "{reply}");
    let none = "-ERR The value stored at the specified key is not represented using an hash table";
    assert_eq!(rig.run("DEBUG HTSTATS-KEY list"), format!("{none}\r\n"));
    assert_eq!(rig.run("DEBUG HTSTATS-KEY k"), "-ERR no such key\r\n");
    rig.run("CONFIG SET zset-max-listpack-entries 0");
    rig.run("ZADD zset 1 a 2 b");
    let reply = rig.run("DEBUG HTSTATS-KEY zset");
    assert!(reply.contains(" number of elements: 2\n"), "{reply}");
}

#[test]
fn the_allocator_tells_its_numbers() {
    let mut rig = rig();
    assert_eq!(rig.run("DEBUG MALLCTL arenas.quantum"), ":8\r\n");
    assert_eq!(rig.run("DEBUG MALLCTL config.stats"), ":1\r\n");
    assert_eq!(
        rig.run("DEBUG MALLCTL no.such"),
        "-ERR No such file or directory\r\n"
    );
}
