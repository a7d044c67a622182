//! What `redis-lab` says and does, word by word.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::harness::*;

/// Processes that work in this folder.
fn processes_in(folder: &std::path::Path) -> usize {
    let all = std::fs::read_dir("/proc").expect("processes");
    let places = all
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path().join("cwd")).ok());
    places.filter(|place| place.starts_with(folder)).count()
}

#[test]
fn a_lab_comes_up_whole_and_leaves_nothing_behind() {
    let lab = Lab::ours();
    let said = lab.say("up");
    assert!(said.starts_with("6 nodes are up"), "{said}");
    let status = lab.say("status");
    for row in ["m1    up     master", "r1    up     slave   m1       up"] {
        assert!(status.contains(row), "{status}");
    }
    let watched = status.matches("mymaster is m1 (master)").count();
    assert_eq!(watched, 3, "{status}");
    assert!(lab.refused("up").contains("not empty"));
    assert_eq!(processes_in(&lab.folder()), 6);
    lab.say("down");
    assert!(!lab.folder().exists());
    wait_until("its processes are gone", || {
        processes_in(&lab.folder()) == 0
    });
    assert!(lab.refused("status").contains("there is no lab"));
    assert!(lab.refused("down").contains("there is no lab"));
}

#[test]
fn a_program_that_does_not_start_is_told_and_leaves_nothing_behind() {
    let lab = Lab::ours();
    let command = lab
        .command(&["up", "--sentinels", "0", "--conf", "no-such-directive 1"])
        .output()
        .expect("redis-lab runs");
    let why = String::from_utf8_lossy(&command.stderr);
    assert!(!command.status.success());
    assert!(
        why.contains("m1: ") && why.contains("no-such-directive"),
        "{why}"
    );
    assert!(!lab.folder().exists());
    wait_until("its processes are gone", || {
        processes_in(&lab.folder()) == 0
    });
}

#[test]
fn nodes_are_killed_stopped_and_brought_back_by_name() {
    let lab = Lab::ours();
    lab.say("up --replicas 1 --sentinels 0");
    lab.say("cli m1 SET key value");
    lab.say("wait-for synced");
    lab.say("kill r1");
    lab.say("wait-for down r1");
    assert!(lab.refused("kill r7").contains("there is no host 'r7'"));
    assert!(lab.refused("stop r1").contains("it does not run"));
    assert!(lab.refused("wipe m1").contains("it runs"));
    assert!(lab.refused("cli r1 PING").contains("refused"));
    lab.say("restart r1");
    lab.say("wait-for link r1 up");
    assert_eq!(lab.say("cli r1 GET key"), "value\n");
    lab.say("stop m1");
    let late = lab.refused("wait-for up m1 --timeout 1s");
    assert!(late.contains("not in time; m1 does not answer"), "{late}");
    lab.say("cont m1");
    lab.say("wait-for up m1");
    lab.say("slaveof r1 no one");
    lab.say("wait-for role r1 master");
}

#[test]
fn a_link_is_cut_one_way_delayed_and_healed() {
    let lab = Lab::ours();
    lab.say("up --replicas 1 --sentinels 0");
    lab.say("cut --one-way m1 r1");
    let status = lab.say("status");
    assert!(
        status.contains("m1  ->  r1  cut") && !status.contains("r1  ->"),
        "{status}"
    );
    lab.say("cli m1 SET key value");
    let behind = lab.refused("wait-for synced --timeout 1s");
    assert!(behind.contains("its master at"), "{behind}");
    assert_eq!(lab.say("cli r1 EXISTS key"), "0\n");
    lab.say("heal m1 r1");
    lab.say("wait-for synced");
    assert_eq!(lab.say("cli r1 GET key"), "value\n");
    lab.say("delay m1 r1 250ms");
    lab.say("rate r1 m1 1mb");
    let status = lab.say("status");
    assert!(
        status.contains("delayed by 250 ms, 1048576 bytes/s"),
        "{status}"
    );
    lab.say("heal");
    assert!(!lab.say("status").contains("->"));
}

#[test]
fn makes_are_mixed_by_node() {
    let lab = Lab::ours();
    let stock = stock_path();
    let stock = stock.to_str().expect("text");
    lab.say(&format!("up --node m1={stock} --node s2={stock}"));
    lab.say("load w --rate 500");
    lab.say("wait-for writes 200");
    lab.say("kill m1");
    lab.say("wait-for other-master m1 --timeout 60s");
    lab.say("wait-for writes 200");
    lab.say("check");
    assert_eq!(lab.figures().text("failovers"), "1");
}

#[test]
fn lines_are_read_from_standard_input_and_the_first_that_fails_ends_it() {
    let lab = Lab::ours();
    let mut child = lab
        .command(&[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-lab runs");
    let script = b"# a lab\nup --replicas 0 --sentinels 0\ncli m1 SET k \"a b\"\ncli m1 GET k\n\
                   nonsense\ncli m1 PING\n";
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(script).expect("it reads");
    drop(input);
    let ended = child.wait_with_output().expect("it ends");
    let out = String::from_utf8_lossy(&ended.stdout);
    let err = String::from_utf8_lossy(&ended.stderr);
    assert!(out.ends_with("OK\na b\n"), "{out}");
    assert!(
        err.contains("'nonsense' is nothing that can be done"),
        "{err}"
    );
    assert!(!ended.status.success());
}

#[test]
fn a_lab_ends_with_the_script_that_it_belongs_to() {
    let lab = Lab::ours();
    let script = lab.path("endless.sh");
    let ready = lab.path("ready");
    let text = format!(
        "set -e\nredis-lab up --replicas 0 --sentinels 0\ntouch {}\n\
         redis-lab wait-for time 600s --timeout 600s\n",
        ready.display()
    );
    std::fs::write(&script, text).expect("a script");
    let mut run = lab
        .command(&["run", script.to_str().expect("text")])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-lab runs");
    wait_until("its lab is up", || ready.exists());
    let folders = || {
        let inside = std::fs::read_dir(lab.path("")).expect("a folder").flatten();
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().expect("text");
        inside
            .map(name)
            .filter(|name| name.starts_with("redis-lab-"))
            .count()
    };
    assert_eq!(folders(), 1);
    run.kill().expect("it runs");
    run.wait().expect("it ends");
    wait_until("its folder is gone", || folders() == 0);
}

#[test]
fn help_names_every_word() {
    let lab = Lab::ours();
    let help = lab.say("help");
    for word in ["up", "kill", "partition", "wait-for", "repeat", "check"] {
        assert!(help.contains(&format!("  {word} ")), "{word}");
    }
    assert!(lab.refused("kil m1").contains("redis-lab help"));
}

#[test]
fn the_folder_of_something_else_is_left_alone() {
    let lab = Lab::ours();
    std::fs::create_dir(lab.folder()).expect("a folder");
    let plan = lab.folder().join("plan.json");
    std::fs::write(&plan, "{\"terraform\":1}").expect("a file");
    assert!(lab.refused("down").contains("something else"));
    assert!(lab.refused("up").contains("not empty"));
    assert!(plan.exists());
    std::fs::remove_dir_all(lab.folder()).expect("our own");
}

#[test]
fn a_server_behind_a_wrapper_is_killed_with_it() {
    let lab = Lab::ours();
    let wrapper = lab.path("wrapper.sh");
    let text = format!("#!/bin/sh\n{} \"$@\"\n", subject_path().display());
    std::fs::write(&wrapper, text).expect("a file");
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).expect("ours");
    let wrapper = wrapper.to_str().expect("text");
    lab.say(&format!("up --replicas 1 --sentinels 0 --server {wrapper}"));
    assert_eq!(processes_in(&lab.folder()), 4, "two shells, two servers");
    lab.say("kill m1");
    wait_until("both of m1 are gone", || processes_in(&lab.folder()) == 2);
    lab.say("down");
    wait_until("all are gone", || processes_in(&lab.folder()) == 0);
}

#[test]
fn what_a_killed_process_has_sent_still_arrives() {
    let lab = Lab::ours();
    lab.say("up --replicas 1 --sentinels 0");
    lab.say("load w --pipeline 100 --rate max");
    lab.say("wait-for writes 100");
    lab.say("stop r1");
    lab.say("wait-for writes 5000");
    lab.say("stop-load");
    lab.say("kill m1");
    lab.say("cont r1");
    lab.say("wait-for link r1 down");
    lab.say("check r1");
    assert_eq!(lab.figures().number("lost"), 0.0);
}

#[test]
fn sentinels_of_a_chain_and_of_two_masters_come_together() {
    let lab = Lab::ours();
    lab.say("up --chain --sentinels 1");
    lab.say("down");
    lab.say("up --masters 2 --replicas 1 --sentinels 3");
    let late = lab.refused("wait-for other-master m1 --timeout 500ms");
    assert!(late.contains("no server but m1"), "{late}");
    lab.say("kill m1");
    lab.say("wait-for master r1");
    lab.say("wait-for master m2");
}

#[test]
fn other_programs_are_told_where_a_node_listens() {
    let lab = Lab::ours();
    lab.say("up --replicas 1 --sentinels 0");
    lab.say("cut m1 r1");
    let address = lab.say("address r1");
    // Past the relay: no link that is cut concerns it.
    let stream = std::net::TcpStream::connect(address.trim()).expect("it listens");
    let mut client = Conn::over(stream).expect("a connection");
    assert_eq!(client.ask("PING"), "PONG");
    assert!(lab.refused("address").contains("wants a node"));
    assert!(lab.refused("address r7").contains("r7"));
}
