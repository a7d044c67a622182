//! Looking at a replication tree from outside: roles, links and offsets.

use super::{Server, wait_for};

/// A field of an INFO text; empty if it is not there.
pub fn info_field(info: &str, field: &str) -> String {
    let value = |line: &str| Some(line.strip_prefix(field)?.strip_prefix(':')?.to_owned());
    info.lines().find_map(value).unwrap_or_default()
}

/// Tells `replica` to follow whatever listens on `master_port`, and waits for the link.
#[track_caller]
pub fn follow(replica: &Server, master_port: u16) {
    assert_eq!(
        replica.ask(&format!("REPLICAOF 127.0.0.1 {master_port}")),
        "OK"
    );
    wait_link_up(replica);
}

#[track_caller]
pub fn wait_link_up(replica: &Server) {
    wait_link(replica, "up");
}

#[track_caller]
pub fn wait_link_down(replica: &Server) {
    wait_link(replica, "down");
}

#[track_caller]
fn wait_link(replica: &Server, status: &str) {
    wait_for(
        &format!("the link of port {} is {status}", replica.port),
        || (replica.info("master_link_status") == status).then_some(()),
        || {
            format!(
                "{}\n{}",
                replica.ask("INFO replication"),
                replica.log_tail()
            )
        },
    );
}

/// How far the server's copy of the stream reaches.
pub fn offset_of(server: &Server) -> i64 {
    let info = server.ask("INFO replication");
    let field = if info.contains("role:slave") {
        "slave_repl_offset"
    } else {
        "master_repl_offset"
    };
    info_field(&info, field).parse().unwrap_or(-1)
}

/// Waits until all servers share one history and stand at one offset of it.
#[track_caller]
pub fn wait_equal_offsets(servers: &[&Server]) {
    let state = || {
        servers
            .iter()
            .map(|s| (s.info("master_replid"), offset_of(s)))
    };
    wait_for(
        "all servers stand at one offset of one history",
        || {
            let mut all = state();
            let first = all.next()?;
            all.all(|other| other == first).then_some(())
        },
        || {
            let tails: Vec<String> = servers.iter().map(|s| s.log_tail()).collect();
            format!("{:?}\n{}", state().collect::<Vec<_>>(), tails.join("\n"))
        },
    );
}
