//! Starts, discovery, and the configuration file that keeps what is known.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::harness::*;

fn peer(sentinel: &Sentinel) -> String {
    format!("127.0.0.1 {} {}", sentinel.port, sentinel.id())
}

#[test]
fn an_id_is_made_once_and_what_is_watched_is_said_at_every_start() {
    let master = Server::ours(&[]);
    let mut sentinel = Sentinel::watching(&master, 1, &["# a remark"]);
    let id = sentinel.id();
    assert_eq!(id.len(), 40);
    assert!(id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    for starts in 1..=2 {
        let said = format!("Sentinel ID is {id}\n");
        assert_eq!(sentinel.log_count(&said), starts);
        let monitor = format!(
            "+monitor master {MASTER} 127.0.0.1 {} quorum 1",
            master.port
        );
        assert_eq!(sentinel.event_count(&monitor), starts);
        let mode = format!(" * Running mode=sentinel, port={}.\n", sentinel.port);
        assert_eq!(sentinel.log_count(&mode), starts);
        // The role of the process in each line is that of a sentinel.
        assert!(sentinel.log().lines().all(|line| line.contains(":X ")));
        assert_eq!(sentinel.file_lines("sentinel myid ").join(" "), id);
        assert_eq!(sentinel.file_lines("# a remark").len(), 1);
        if starts == 1 {
            sentinel.kill();
            sentinel.return_to_life();
        }
    }
    assert_eq!(sentinel.id(), id);
    assert_eq!(sentinel.ask("ROLE"), format!("[sentinel [{MASTER}]]"));
}

#[test]
fn a_link_of_that_name_is_a_sentinel() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("redis-sentinel");
    symlink(sentinel_path(), &link).unwrap();
    let port = free_port();
    let config = format!("port {port}\nlogfile own.log\npidfile own.pid\ndir .\n");
    fs::write(folder.path().join("own.conf"), config).unwrap();
    let child = Command::new(link)
        .arg("own.conf")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _process = Process(child);
    wait_until("it answers", || Conn::to(port).is_ok());
    let mut conn = Conn::to(port).unwrap();
    assert_eq!(conn.ask("ROLE"), "[sentinel []]");
    let id = conn.ask("SENTINEL MYID");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("own.log").contains(&format!("Sentinel ID is {id}\n")));
    assert!(read("own.conf").contains(&format!("\nsentinel myid {id}\n")));
    assert_eq!(
        read("own.pid").trim(),
        info_field(&conn.ask("INFO"), "process_id")
    );
}

#[test]
fn a_daemon_detaches_and_keeps_its_state_where_its_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _end = ShutAtEnd(port);
    let config = format!("port {port}\ndaemonize yes\nlogfile own.log\npidfile own.pid\n");
    fs::write(folder.path().join("own.conf"), config).unwrap();
    let started = Command::new(sentinel_path())
        .args(["own.conf", "--sentinel"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(started.status.success(), "{started:?}");
    wait_until("it answers", || Conn::to(port).is_ok());
    let mut conn = Conn::to(port).unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let pid = info_field(&conn.ask("INFO server"), "process_id").to_owned();
    assert_eq!(read("own.pid").trim(), pid);
    let id = conn.ask("SENTINEL MYID");
    assert!(read("own.conf").contains(&format!("\nsentinel myid {id}\n")));
    assert!(read("own.log").contains(&format!("Sentinel ID is {id}\n")));
    conn.send(b"SHUTDOWN\r\n");
    conn.read_to_close();
    let pid_file = folder.path().join("own.pid");
    wait_until("the pid file is gone", || !pid_file.exists());
}

#[test]
fn without_a_file_to_keep_its_state_in_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let output = Command::new(sentinel_path())
        .args(["--sentinel", "--port", &port])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let end = "# Sentinel needs config file on disk to save state. Exiting...\n";
    assert!(said.ends_with(end), "{said}");
    // Not even an empty file comes from that.
    assert_eq!(names_in(folder.path()), [""; 0]);
}

#[test]
fn replicas_and_other_sentinels_are_found_and_written_down_and_read_back() {
    let mut group = Plan::ours(3, 3).start();
    let ports: Vec<u16> = group.servers.iter().map(|s| s.port).collect();
    let at_master = format!("@ {MASTER} 127.0.0.1 {}", ports[0]);
    let peers: Vec<String> = group.sentinels.iter().map(peer).collect();
    for (index, sentinel) in group.sentinels.iter().enumerate() {
        for port in &ports[1..] {
            sentinel.wait_event(&format!(
                "+slave slave 127.0.0.1:{port} 127.0.0.1 {port} {at_master}"
            ));
        }
        let others = (0..3).filter(|other| *other != index);
        let known: Vec<String> = others.map(|other| peers[other].clone()).collect();
        for other in &known {
            let (address, id) = other.rsplit_once(' ').unwrap();
            sentinel.wait_event(&format!("+sentinel sentinel {id} {address} {at_master}"));
        }
        sentinel.wait_file_lines(&format!("sentinel known-sentinel {MASTER} "), &known);
        let replicas = ports[1..].iter().map(|port| format!("127.0.0.1 {port}"));
        let start = format!("sentinel known-replica {MASTER} ");
        sentinel.wait_file_lines(&start, &replicas.collect::<Vec<_>>());
        for epoch in [
            "config-epoch mymaster",
            "leader-epoch mymaster",
            "current-epoch",
        ] {
            assert_eq!(sentinel.file_number(&format!("sentinel {epoch} ")), Some(0));
        }
    }
    // With every server dead, what a fresh sentinel knows is from its file.
    group.servers.iter_mut().for_each(Server::kill);
    let events = group.sentinels[0].event_count("+s");
    group.sentinels[0].kill();
    group.sentinels[0].return_to_life();
    let sentinel = &group.sentinels[0];
    let port_of = |fields: &Fields| fields.get("port").to_owned();
    let mut known: Vec<String> = sentinel.replicas().iter().map(port_of).collect();
    known.extend(sentinel.sentinels().iter().map(port_of));
    known.sort();
    let mut expected: Vec<String> = ports[1..].iter().map(u16::to_string).collect();
    expected.extend(group.sentinels[1..].iter().map(|s| s.port.to_string()));
    expected.sort();
    assert_eq!(known, expected);
    let found = sentinel.event_count("+slave") + sentinel.event_count("+sentinel");
    assert!(found <= events, "{}", sentinel.log_tail());
}

#[test]
fn a_replica_that_joins_later_is_found() {
    let group = Plan::ours(1, 1).start();
    let (master, sentinel) = (&group.servers[0], &group.sentinels[0]);
    let replica = Server::ours(&[]);
    follow(&replica, master.port);
    sentinel.wait_event(&format!(
        "+slave slave 127.0.0.1:{0} 127.0.0.1 {0} @ {MASTER} 127.0.0.1 {1}",
        replica.port, master.port
    ));
    let line = format!("127.0.0.1 {}", replica.port);
    sentinel.wait_file_lines(&format!("sentinel known-replica {MASTER} "), &[line]);
    sentinel.wait_replica(replica.port, "all of it is known", |fields| {
        fields.get("runid") == replica.info("run_id")
            && fields.get("flags") == "slave"
            && fields.get("master-port") == master.port.to_string()
            && fields.get("slave-priority") == "100"
    });
}

#[test]
fn a_replica_that_wants_to_be_hidden_is_watched_but_not_shown() {
    let group = Plan::ours(2, 1)
        .server(1, |o| o.config("replica-announced no"))
        .start_strangers();
    let sentinel = &group.sentinels[0];
    sentinel.wait_event("+slave ");
    sentinel.wait_master("the replica is known", |m| m.get("num-slaves") == "1");
    wait_until("it is not shown", || sentinel.replicas().is_empty());
    assert_eq!(
        group.servers[1].ask("CONFIG SET replica-announced yes"),
        "OK"
    );
    wait_until("it is shown", || sentinel.replicas().len() == 1);
}

#[test]
fn an_end_that_is_asked_for_is_told() {
    let master = Server::ours(&[]);
    let mut sentinel = Sentinel::watching(&master, 1, &[]);
    for by_signal in [false, true] {
        let exit = match by_signal {
            false => sentinel.shutdown(""),
            true => sentinel.terminate(),
        };
        assert_eq!(exit.code(), 0, "{}", exit.log);
        let end = "# Sentinel is now ready to exit, bye bye...\n";
        assert!(exit.log.ends_with(end), "{}", exit.log);
        sentinel.return_to_life();
    }
}

#[test]
fn lines_of_the_file_are_replaced_where_they_stand() {
    let mut group = Plan::ours(2, 1)
        .each_sentinel(|o| {
            o.config("# before")
                .config("sentinel known-replica mymaster 127.0.0.1 1")
                .config("# after")
        })
        .start_strangers();
    let replica = group.servers[1].port;
    let sentinel = &group.sentinels[0];
    sentinel.wait_replica(replica, "the replica is known", |f| {
        f.get("flags") == "slave"
    });
    assert_eq!(sentinel.ask(&format!("SENTINEL RESET {MASTER}")), "1");
    wait_until("the replica is found again", || {
        sentinel.replicas().len() == 1
    });
    let old = group.servers[0].port;
    let new = group.kill_master();
    assert_eq!(new, replica);
    let sentinel = &group.sentinels[0];
    let known = format!("sentinel known-replica {MASTER} ");
    sentinel.wait_file_lines(&known, &[format!("127.0.0.1 {old}")]);
    let file = sentinel.file();
    let own: Vec<&str> = file
        .lines()
        .take_while(|l| !l.starts_with("# Generated"))
        .collect();
    let start = [
        format!("port {}", sentinel.port),
        "bind 127.0.0.1".to_owned(),
        "# before".to_owned(),
    ];
    assert_eq!(own[..3], start, "{file}");
    let rest = own[3..].join("\n") + "\n";
    assert!(rest.contains(&format!(
        "# after\nsentinel monitor {MASTER} 127.0.0.1 {new} 1\n"
    )));
    assert_eq!(file.matches("sentinel monitor ").count(), 1, "{file}");
    for epoch in [
        "config-epoch mymaster",
        "leader-epoch mymaster",
        "current-epoch",
    ] {
        assert_eq!(sentinel.file_number(&format!("sentinel {epoch} ")), Some(1));
    }
}

#[test]
fn the_old_name_of_a_known_replica_is_read_as_well() {
    let master = Server::ours(&[]);
    let known = [1, 2].map(|port| format!("sentinel known-slave {MASTER} 127.0.0.1 {port}"));
    let sentinel = Sentinel::watching(&master, 1, &[&known[0], &known[1]]);
    let ports: Vec<i64> = sentinel
        .replicas()
        .iter()
        .map(|f| f.number("port"))
        .collect();
    assert_eq!(ports.iter().sum::<i64>(), 3);
}

#[test]
fn a_file_that_cannot_be_written_stops_the_start_and_is_an_error_later() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("disk");
    let Some(_disk) = SmallDisk::mount(place.clone(), 1 << 20) else {
        return;
    };
    let port = free_port();
    fs::write(place.join("own.conf"), format!("port {port}\n")).unwrap();
    let mut command = Command::new(sentinel_path());
    command
        .args(["own.conf", "--sentinel"])
        .current_dir(&place)
        .stdin(Stdio::null());
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let process = Process(child);
    wait_until("it answers", || Conn::to(port).is_ok());
    let mut conn = Conn::to(port).unwrap();
    assert_eq!(conn.ask("SENTINEL FLUSHCONFIG"), "OK");
    let closed = ReadOnly::make(place.clone());
    let error = conn.ask("SENTINEL FLUSHCONFIG");
    assert_eq!(error, "-ERR Failed to save config file. Check server logs.");
    drop(process);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let end = "own.conf is not writable: Read-only file system. Exiting...\n";
    assert!(said.ends_with(end), "{said}");
    drop(closed);
}

#[test]
fn a_file_that_cannot_be_replaced_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("disk");
    let Some(_disk) = SmallDisk::mount(place.clone(), 1 << 20) else {
        return;
    };
    let text = format!("port {}\n", free_port());
    fs::write(place.join("own.conf"), &text).unwrap();
    let mounted = MountedFile::make(place.join("own.conf"));
    let mut command = Command::new(sentinel_path());
    command.args(["own.conf", "--sentinel"]).current_dir(&place);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is it mounted by itself?"), "{said}");
    drop(mounted);
    assert_eq!(fs::read_to_string(place.join("own.conf")).unwrap(), text);
    assert!(!place.join("own.conf.tmp").exists());
}
