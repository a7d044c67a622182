//! `INFO` of a server: read, and noted.

use log::Level;

use crate::sentinel::act::members::add_replica;
use crate::sentinel::act::place::follows;
use crate::sentinel::act::select::ask_all;
use crate::sentinel::context::Cx;
use crate::sentinel::ids::InstanceId;
use crate::sentinel::instance::{Master, ProcessOf, Refuses, ServerRole, ServerView};

/// Length of a run id.
const RUN_ID_LENGTH: usize = 40;
/// Replicas taken from one answer.
const REPLICAS_MAX: usize = 10_000;

/// What an answer says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Facts {
    run_id: Option<String>,
    role: Option<ServerRole>,
    replicas: Vec<(String, u16)>,
    link_down_s: Option<i64>,
    master_host: Option<String>,
    master_port: Option<u16>,
    link_up: Option<bool>,
    syncing: Option<bool>,
    priority: Option<i64>,
    offset: Option<u64>,
    own_offset: Option<u64>,
    announced: Option<bool>,
    replids: [Option<String>; 2],
    refuses: bool,
    refuses_unknown: bool,
    refused_s: u64,
    was_in_step: bool,
    has_keys: bool,
}

impl Facts {
    /// Reads an answer; what it does not say, or says in a way that makes no sense, is left out.
    pub fn read(info: &[u8]) -> Facts {
        let mut facts = Facts::default();
        for line in info.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            if let Some((field, value)) = line.split_once(':') {
                facts.read_field(field, value);
            }
        }
        facts
    }

    fn read_field(&mut self, field: &str, value: &str) {
        match field {
            "run_id" if value.len() >= RUN_ID_LENGTH && value.is_char_boundary(RUN_ID_LENGTH) => {
                self.run_id = Some(value[..RUN_ID_LENGTH].to_owned());
            }
            "role" if value.starts_with("master") => self.role = Some(ServerRole::Master),
            "role" if value.starts_with("slave") => self.role = Some(ServerRole::Replica),
            "master_link_down_since_seconds" => self.link_down_s = value.parse().ok(),
            "master_host" => self.master_host = Some(value.to_owned()),
            "master_port" => self.master_port = value.parse().ok(),
            "master_link_status" => self.link_up = Some(value.eq_ignore_ascii_case("up")),
            "master_sync_in_progress" => self.syncing = Some(value == "1"),
            "slave_priority" => self.priority = value.parse().ok(),
            "slave_repl_offset" => self.offset = value.parse().ok(),
            "master_repl_offset" => self.own_offset = value.parse().ok(),
            "master_replid" => self.replids[0] = Some(value.to_owned()),
            "master_replid2" => self.replids[1] = Some(value.to_owned()),
            "replica_guard" => self.refuses = value == "refused",
            "replica_guard_refused_for" => self.refuses_unknown = value != "empty",
            "replica_guard_refused_seconds" => self.refused_s = value.parse().unwrap_or(0),
            "replica_guard_refused_in_step" => self.was_in_step = value == "1",
            "replica_announced" => self.announced = Some(value != "0"),
            _ if is_keyspace(field, value) => self.has_keys = true,
            _ => self.read_replica(field, value),
        }
    }

    /// What it refuses.
    fn refuses(&self) -> Option<Refuses> {
        let what = match self.refuses_unknown {
            true => Refuses::Unknown,
            false => Refuses::Empty,
        };
        self.refuses.then_some(what)
    }

    /// `slave0:ip=127.0.0.1,port=6380,…`, and in old servers `slave0:127.0.0.1,6380,…`.
    fn read_replica(&mut self, field: &str, value: &str) {
        let is_replica = field
            .strip_prefix("slave")
            .is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()));
        if !is_replica || self.replicas.len() == REPLICAS_MAX {
            return;
        }
        let parts = || value.split(',');
        let named = |name: &str| parts().find_map(|part| part.strip_prefix(name));
        let (host, port) = match named("ip=") {
            Some(host) => (Some(host), named("port=")),
            None => (parts().next(), parts().nth(1)),
        };
        let port = port.and_then(|port| port.parse().ok());
        if let (Some(host), Some(port)) = (host, port)
            && !host.is_empty()
            && port != 0
        {
            self.replicas.push((host.to_owned(), port));
        }
    }
}

/// `db0:keys=1,…`: a database that has keys.
fn is_keyspace(field: &str, value: &str) -> bool {
    let number = field.strip_prefix("db").unwrap_or_default();
    !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && value.starts_with("keys=")
        && !value.starts_with("keys=0,")
}

/// Whose answer it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    /// A master's.
    Master,
    /// A replica's.
    Replica(InstanceId),
}

/// An answer of a server, which was asked for it at `asked_ms`, has come.
pub fn on_info(master: &mut Master, of: Of, info: Vec<u8>, asked_ms: u64, cx: &mut Cx<'_>) {
    let facts = Facts::read(&info);
    let reboot_after_ms = master.options.reboot_down_after_ms;
    let view = match of {
        Of::Master => &mut master.view,
        Of::Replica(id) => match master.replica_mut(id) {
            Some(replica) => &mut replica.view,
            None => return,
        },
    };
    view.info = Some(info);
    view.info_at_ms = Some(cx.now_ms);
    view.info_as_of_ms = asked_ms;
    let has_rebooted = note_run_id(view, &facts);
    if has_rebooted && of == Of::Master && reboot_after_ms > 0 {
        view.rebooted_since_ms = Some(cx.now_ms);
    }
    if has_rebooted {
        view.started_anew_ms = Some(cx.now_ms);
    }
    let changed = note_role(view, &facts, cx.now_ms);
    note_replication(view, &facts, cx.now_ms);
    note_data(view, &facts, cx.now_ms);
    if let Of::Replica(id) = of {
        note_in_step(master, id);
    }
    if has_rebooted {
        let subject = subject_of(master, of, cx);
        cx.event(Level::Info, "+reboot", master, &subject, "");
        if of == Of::Master {
            // Do its replicas accept what it has brought back?
            ask_all(master, cx);
        }
    }
    if let Some(role) = changed {
        let expected = match of {
            Of::Master => ServerRole::Master,
            Of::Replica(_) => ServerRole::Replica,
        };
        let event = if role == expected {
            "+role-change"
        } else {
            "-role-change"
        };
        let subject = subject_of(master, of, cx);
        let more = format!(" new reported role is {}", role.name());
        cx.event(Level::Debug, event, master, &subject, &more);
    }
    if of == Of::Master {
        master.before_reset.clear();
        for (host, port) in &facts.replicas {
            add_replica(master, host, *port, cx);
        }
    }
    cx.touched.insert(master.id);
}

fn subject_of(master: &Master, of: Of, cx: &Cx<'_>) -> crate::sentinel::event::Subject {
    match of {
        Of::Replica(id) if let Some(replica) = master.replica(id) => cx.of_replica(master, replica),
        _ => cx.of_master(master),
    }
}

/// Whether it is another process than before.
fn note_run_id(view: &mut ServerView, facts: &Facts) -> bool {
    let Some(run_id) = &facts.run_id else {
        return false;
    };
    let is_other = view.run_id.as_ref().is_some_and(|known| known != run_id);
    view.run_id = Some(run_id.clone());
    view.has_synced &= !is_other;
    if is_other {
        view.keys_seen_ms = None;
    }
    is_other
}

/// The role that it says it has, if that is another one than before.
fn note_role(view: &mut ServerView, facts: &Facts, now_ms: u64) -> Option<ServerRole> {
    let role = facts.role?;
    if role == view.role {
        return None;
    }
    view.role = role;
    view.role_since_ms = now_ms;
    if role == ServerRole::Replica {
        view.master_since_ms = now_ms;
    }
    Some(role)
}

fn note_replication(view: &mut ServerView, facts: &Facts, now_ms: u64) {
    view.link_down_ms = facts.link_down_s.unwrap_or(0).saturating_mul(1000);
    if facts.role != Some(ServerRole::Replica) {
        view.offset = facts.own_offset.unwrap_or(view.offset);
        return;
    }
    if let Some(host) = &facts.master_host
        && !view
            .master_host
            .as_ref()
            .is_some_and(|known| known.eq_ignore_ascii_case(host))
    {
        view.master_host = Some(host.clone());
        view.master_since_ms = now_ms;
    }
    if let Some(port) = facts.master_port
        && view.master_port != port
    {
        view.master_port = port;
        view.master_since_ms = now_ms;
    }
    view.link_up = facts.link_up.unwrap_or(view.link_up);
    view.syncing = facts.syncing.unwrap_or(false);
    view.priority = facts.priority.unwrap_or(view.priority);
    view.offset = facts.offset.unwrap_or(view.offset);
    view.announced = facts.announced.unwrap_or(view.announced);
    if view.link_up {
        view.offset_when_up = Some(view.offset);
    }
    // One that says since when its link is down had one.
    view.has_synced |= view.link_up || facts.link_down_s.is_some_and(|s| s >= 0);
}

/// What it says of its data.
fn note_data(view: &mut ServerView, facts: &Facts, now_ms: u64) {
    view.has_keys = facts.has_keys;
    if facts.has_keys {
        view.keys_seen_ms.get_or_insert(now_ms);
    }
    if facts.replids[0].is_some() {
        view.replids.clone_from(&facts.replids);
    }
    let since_ms = now_ms.saturating_sub(facts.refused_s.saturating_mul(1000));
    let first_ms = view.refuses.map_or(since_ms, |(_, first_ms)| first_ms);
    view.refuses = facts.refuses().map(|what| (what, first_ms.min(since_ms)));
    view.was_in_step = facts.was_in_step;
}

/// A replica whose link to the master is up, and whose history is the same, has what this process
/// of it has. The link alone shows nothing: the replica may not have noticed that another process
/// is there now.
fn note_in_step(master: &mut Master, id: InstanceId) {
    let address = &master.base.address;
    let Some(run_id) = &master.view.run_id else {
        return;
    };
    let process = ProcessOf {
        address: address.clone(),
        run_id: run_id.clone(),
    };
    let replica = master.replicas.iter_mut().find(|replica| replica.id == id);
    if let Some(replica) = replica
        && replica.view.link_up
        && replica.view.replids[0] == master.view.replids[0]
        && follows(replica, &process.address)
    {
        replica.view.in_step_with = Some(process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_names_its_replicas_in_both_forms() {
        let facts = Facts::read(
            b"# Server\r\nrun_id:0123456789012345678901234567890123456789\r\n# Replication\r\n\
              role:master\r\nconnected_slaves:3\r\n\
              slave0:ip=10.0.0.1,port=6380,state=online,offset=14,lag=0\r\n\
              slave1:10.0.0.2,6381,online\r\nslave2:ip=::1,port=6382,state=online\r\n\
              slave3:ip=10.0.0.3,port=0,state=online\r\nslave_x:1\r\nslave4:\r\n",
        );
        let places = ["10.0.0.1 6380", "10.0.0.2 6381", "::1 6382"];
        let found: Vec<String> = facts
            .replicas
            .iter()
            .map(|(h, p)| format!("{h} {p}"))
            .collect();
        assert_eq!(found, places);
        assert_eq!(facts.role, Some(ServerRole::Master));
        assert_eq!(
            facts.run_id.as_deref(),
            Some("0123456789012345678901234567890123456789")
        );
    }

    #[test]
    fn a_replica_says_whom_it_follows_and_how_far_it_is() {
        let facts = Facts::read(
            b"role:slave\r\nmaster_host:10.0.0.9\r\nmaster_port:6379\r\nmaster_link_status:down\r\n\
              master_sync_in_progress:1\r\nslave_repl_offset:77\r\n\
              master_link_down_since_seconds:-1\r\nslave_priority:0\r\nreplica_announced:0\r\n",
        );
        let expected = Facts {
            role: Some(ServerRole::Replica),
            master_host: Some("10.0.0.9".to_owned()),
            master_port: Some(6379),
            link_up: Some(false),
            syncing: Some(true),
            offset: Some(77),
            link_down_s: Some(-1),
            priority: Some(0),
            announced: Some(false),
            ..Facts::default()
        };
        assert_eq!(facts, expected);
    }

    #[test]
    fn a_replica_says_what_it_refuses_and_a_master_whether_it_has_keys() {
        let facts = Facts::read(
            b"replica_guard:refused\r\nreplica_guard_refused_seconds:7\r\n\
              replica_guard_refused_for:empty\r\nreplica_guard_refused_in_step:1\r\n\
              master_replid:abc\r\nmaster_replid2:def\r\n",
        );
        assert_eq!(facts.refuses(), Some(Refuses::Empty));
        assert!(facts.was_in_step && facts.refused_s == 7 && !facts.has_keys);
        assert_eq!(facts.replids, ["abc", "def"].map(|id| Some(id.to_owned())));
        let strict = Facts::read(b"replica_guard:refused\r\nreplica_guard_refused_for:unknown\r\n");
        assert_eq!(strict.refuses(), Some(Refuses::Unknown));
        for (line, has_keys) in [
            ("db0:keys=1,expires=0,avg_ttl=0", true),
            ("db12:keys=7,expires=0,avg_ttl=0", true),
            ("db0:keys=0,expires=0,avg_ttl=0", false),
            ("db:keys=1", false),
            ("db0_distrib_strings_sizes:1=2", false),
            ("replica_guard:on", false),
        ] {
            let facts = Facts::read(line.as_bytes());
            assert_eq!(facts.has_keys, has_keys, "{line}");
            assert_eq!(facts.refuses(), None);
        }
    }

    #[test]
    fn nonsense_is_passed_over() {
        let junk = b"run_id:short\r\nrole:king\r\nslave_priority:x\r\nslave0\r\n\xff:1\r\n:\r\n";
        assert_eq!(Facts::read(junk), Facts::default());
    }
}
