//! The file is switched on and off, a server comes and goes, and a replica keeps one of its own.

use std::fs;

use crate::harness::*;

#[test]
fn what_was_answered_is_there_after_a_restart() {
    for policy in ["always", "everysec", "no"] {
        let mut server = Server::ours(&["appendonly yes", &format!("appendfsync {policy}")]);
        let mut conn = server.connect();
        for n in 0..200 {
            conn.ask(&format!("RPUSH list {n}"));
        }
        let before = Contents::of(&server);
        for end in ["kill", "terminate", "shutdown"] {
            match end {
                "kill" => server.kill(),
                "terminate" => assert_eq!(server.terminate().code(), 0),
                _ => assert_eq!(server.shutdown("NOSAVE").code(), 0),
            }
            server.start_again();
            before.assert_held_by(&server);
        }
        server.wait_log("DB loaded from append only file");
        server.wait_log("Calling fsync() on the AOF file.");
    }
}

#[test]
fn a_file_that_is_switched_on_at_run_time_holds_what_was_there_and_what_comes() {
    let mut server = Server::ours(&[]);
    server.ask("SET before 1");
    assert_eq!(server.ask("CONFIG SET appendonly yes"), "OK");
    assert_eq!(server.info("aof_enabled"), "1");
    server.ask("SET meanwhile 1");
    wait_rewritten(&server);
    server.ask("SET after 1");
    assert_eq!(server.ask("CONFIG REWRITE"), "OK");
    server.kill();
    let names = [
        "appendonly.aof.1.base.rdb",
        "appendonly.aof.1.incr.aof",
        "appendonly.aof.manifest",
    ];
    assert_eq!(names_in(&aof_folder(&server)), names);
    server.start_again();
    assert_eq!(server.ask("MGET before meanwhile after"), "[1 1 1]");
    assert_eq!(server.ask("CONFIG GET appendonly"), "[appendonly yes]");
}

#[test]
fn a_file_that_is_switched_off_takes_no_more_and_stays() {
    let mut server = Server::ours(&["appendonly yes"]);
    server.ask("SET before 1");
    assert_eq!(server.ask("CONFIG SET appendonly no"), "OK");
    assert_eq!(server.info("aof_enabled"), "0");
    let files = files_in(&aof_folder(&server));
    server.ask("SET after 1");
    server.kill();
    assert!(files_in(&aof_folder(&server)) == files);
    server.start_again();
    assert_eq!(server.ask("MGET before after"), "[1 (nil)]");
    // Switched on again it has everything.
    server.ask("CONFIG SET appendonly no");
    server.ask("SET after 1");
    server.ask("CONFIG SET appendonly yes");
    wait_rewritten(&server);
    server.kill();
    server.start_again();
    assert_eq!(server.ask("MGET before after"), "[1 1]");
}

#[test]
fn until_its_first_base_is_whole_a_new_file_replaces_nothing() {
    let mut server = Server::ours(&["appendonly yes"]);
    server.ask("SET old 1");
    server.ask("CONFIG SET appendonly no");
    server.ask("SET new 1");
    server.ask("CONFIG SET rdb-key-save-delay 1000000");
    server.ask("CONFIG SET appendonly yes");
    server.ask("SET newer 1");
    assert_eq!(server.info("aof_rewrite_in_progress"), "1");
    server.kill();
    server.start_again();
    assert_eq!(server.ask("MGET old new newer"), "[1 (nil) (nil)]");
    let names = names_in(&aof_folder(&server));
    assert!(names.iter().all(|n| !n.starts_with("temp")), "{names:?}");
}

#[test]
fn a_first_rewrite_that_fails_is_tried_again() {
    let mut server = Server::ours(&["rdb-key-save-delay 1000000"]);
    server.ask("SET a 1");
    server.ask("CONFIG SET appendonly yes");
    server.ask("SET b 1");
    server.ask("CONFIG SET rdb-key-save-delay 0");
    kill_child_of(&server);
    server.wait_log("Background AOF rewrite terminated by signal 9");
    server.ask("SET c 1");
    server.wait_log("Background AOF rewrite finished successfully");
    server.ask("SET d 1");
    assert_eq!(server.ask("CONFIG REWRITE"), "OK");
    server.kill();
    server.start_again();
    assert_eq!(server.ask("MGET a b c d"), "[1 1 1 1]");
}

#[test]
fn switching_on_waits_for_the_snapshot_that_is_being_written() {
    let server = Server::ours(&["rdb-key-save-delay 1000000"]);
    server.ask("SET a 1");
    assert_eq!(server.ask("BGSAVE"), "Background saving started");
    assert_eq!(server.ask("CONFIG SET appendonly yes"), "OK");
    server.wait_log(
        "AOF was enabled but there is already another background operation. An AOF background was \
         scheduled to start when possible.",
    );
    assert_eq!(server.info("aof_rewrite_scheduled"), "1");
    server.ask("CONFIG SET rdb-key-save-delay 0");
    kill_child_of(&server);
    server.wait_log("Background AOF rewrite finished successfully");
    assert_eq!(manifest_of(&server).len(), 2);
}

#[test]
fn switching_on_starts_a_rewrite_that_runs_already_anew() {
    let mut server = Server::ours(&["rdb-key-save-delay 1000000"]);
    server.ask("SET a 1");
    server.ask("BGREWRITEAOF");
    server.ask("SET b 1");
    server.ask("CONFIG SET rdb-key-save-delay 0");
    assert_eq!(server.ask("CONFIG SET appendonly yes"), "OK");
    server.wait_log("Stopping background AOF and starting a rewrite now.");
    server.wait_log("Background AOF rewrite finished successfully");
    assert_eq!(server.ask("CONFIG REWRITE"), "OK");
    server.kill();
    server.start_again();
    assert_eq!(server.ask("MGET a b"), "[1 1]");
}

#[test]
fn a_server_does_not_leave_before_its_first_base_is_whole_unless_it_is_forced() {
    let mut server = Server::ours(&["rdb-key-save-delay 1000000"]);
    server.ask("SET a 1");
    server.ask("CONFIG SET appendonly yes");
    assert_eq!(
        server.ask("SHUTDOWN"),
        "-ERR Errors trying to SHUTDOWN. Check logs."
    );
    server.wait_log("Writing initial AOF, can't exit.");
    assert_eq!(server.ask("GET a"), "1");
    let exit = server.shutdown("FORCE");
    assert_eq!(exit.code(), 0, "{}", exit.log);
    assert!(
        exit.log.contains("Writing initial AOF. Exit anyway."),
        "{}",
        exit.log
    );
}

#[test]
fn files_and_folder_may_have_any_names() {
    let names = [
        "appendonly yes",
        r#"appenddirname "a folder of ours""#,
        r#"appendfilename "the \"file\" of\tours.aof""#,
    ];
    let mut server = Server::ours(&names);
    server.ask("SET a 1");
    rewrite(&server);
    server.ask("SET b 1");
    let folder = server.path("a folder of ours");
    let manifest = "the \"file\" of\tours.aof.manifest";
    let text = fs::read_to_string(folder.join(manifest)).expect("a manifest");
    assert_eq!(
        text,
        "file \"the \\\"file\\\" of\\tours.aof.2.base.rdb\" seq 2 type b\n\
         file \"the \\\"file\\\" of\\tours.aof.2.incr.aof\" seq 2 type i\n"
    );
    server.kill();
    server.start_again();
    assert_eq!(server.ask("MGET a b"), "[1 1]");
    let exit = Options::ours()
        .config("appendonly yes")
        .config("appendfilename a/b")
        .start_and_fail();
    assert_eq!(exit.code(), 1);
    let exit = Options::ours()
        .config("appendonly yes")
        .config("appenddirname a/b")
        .start_and_fail();
    assert_eq!(exit.code(), 1);
}

#[test]
fn debug_loadaof_makes_the_same_data_from_the_file() {
    let server = Server::ours(&["appendonly yes"]);
    let mut conn = server.connect();
    populate(&mut conn, &mut Rng::new(31));
    let before = Contents::of(&server);
    assert_eq!(server.ask("DEBUG LOADAOF"), "OK");
    before.assert_held_by(&server);
    rewrite(&server);
    assert_eq!(server.ask("DEBUG LOADAOF"), "OK");
    before.assert_held_by(&server);
    server.ask("SET later 1");
    assert_eq!(server.ask("DEBUG LOADAOF"), "OK");
    assert_eq!(server.ask("GET later"), "1");
}

#[test]
fn settings_of_the_file_live_through_config_rewrite() {
    let mut server = Server::ours(&["appendonly yes", "appendfsync no"]);
    let settings = [
        ("appendfsync", "always"),
        ("aof-use-rdb-preamble", "no"),
        ("aof-timestamp-enabled", "yes"),
        ("aof-load-truncated", "no"),
        ("auto-aof-rewrite-percentage", "33"),
        ("auto-aof-rewrite-min-size", "1048577"),
        ("no-appendfsync-on-rewrite", "yes"),
        ("aof-rewrite-incremental-fsync", "no"),
    ];
    for (name, value) in settings {
        assert_eq!(server.ask(&format!("CONFIG SET {name} {value}")), "OK");
    }
    for name in ["appendfilename", "appenddirname"] {
        let refused = server.ask(&format!("CONFIG SET {name} other"));
        assert!(refused.contains("immutable"), "{refused}");
    }
    assert_eq!(server.ask("CONFIG REWRITE"), "OK");
    server.kill();
    server.start_again();
    for (name, value) in settings {
        let got = server.ask(&format!("CONFIG GET {name}"));
        assert_eq!(got, format!("[{name} {value}]"));
    }
}

#[test]
fn a_replica_keeps_a_file_of_its_own_through_full_syncs_and_restarts() {
    for load in ["disabled", "swapdb"] {
        let master = Server::ours(&[]);
        populate(&mut master.connect(), &mut Rng::new(32));
        let mut replica = Server::ours(&["appendonly yes", &format!("repl-diskless-load {load}")]);
        replica.ask("SET gone 1");
        follow(&replica, master.port);
        wait_rewritten(&replica);
        let load = Writer::of_all_types(master.port, 33);
        wait_until("some writes happened", || load.acknowledged() > 2000);
        rewrite(&replica);
        wait_until("more writes happened", || load.acknowledged() > 5000);
        load.stop();
        wait_same_data(&[&master, &replica]);
        let held = Contents::settled(&master);
        wait_same_data(&[&master, &replica]);
        // Its config file names no master: it has what is in its own file, and nothing else.
        replica.kill();
        replica.start_again();
        held.assert_held_by(&replica);
        assert_eq!(replica.ask("EXISTS gone"), "0");
        // A second full sync, for what it wrote itself.
        replica.ask("SET own 1");
        follow(&replica, master.port);
        wait_rewritten(&replica);
        master.ask("SET last 1");
        wait_equal_offsets(&[&master, &replica]);
        replica.kill();
        replica.start_again();
        assert_eq!(replica.ask("MGET own last"), "[(nil) 1]");
    }
}

#[test]
fn files_whose_manifest_is_lost_are_neither_loaded_nor_overwritten() {
    let mut server = Server::ours(&["appendonly yes"]);
    server.ask("SET a 1");
    server.kill();
    let manifest = aof_folder(&server).join("appendonly.aof.manifest");
    let text = fs::read(&manifest).unwrap();
    fs::remove_file(&manifest).unwrap();
    let before = files_in(&aof_folder(&server));
    server.start_again();
    assert_eq!(server.ask("DBSIZE"), "0");
    assert!(server.log().contains("names (2 of them)"));
    server.ask("SET b 1");
    rewrite(&server);
    let after = files_in(&aof_folder(&server));
    assert!(before.iter().all(|file| after.contains(file)));
    // As the log says, they can be had back.
    server.kill();
    fs::write(&manifest, text).unwrap();
    server.start_again();
    assert_eq!(server.ask("MGET a b"), "[1 (nil)]");
}
