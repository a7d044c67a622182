//! What users are shown, field by field.

use super::super::action::{ConnId, ScriptId};
use super::super::failover::{Attempt, Failover};
use super::super::instance::ServerRole;
use super::super::link::{Ask, Pending, Stage};
use super::super::testing::{PEER_ID, watching_one};
use super::*;

const START: Now = Now::at_unix_ms(1_700_000_000_000);
const START_MS: u64 = 1_700_000_000_000;

fn shown(fields: &[Field]) -> Vec<String> {
    let line = |(name, value): &Field| format!("{name} {}", String::from_utf8_lossy(value));
    fields.iter().map(line).collect()
}

fn value(fields: &[Field], name: &str) -> String {
    let found = fields.iter().find(|(field, _)| *field == name);
    let (_, value) = found.unwrap_or_else(|| panic!("no field {name}"));
    String::from_utf8_lossy(value).into_owned()
}

fn master_fields(sentinel: &Sentinel, now: Now) -> Vec<Field> {
    sentinel.describe_master(sentinel.master(b"mymaster").expect("it is watched"), now)
}

fn replica_fields(sentinel: &Sentinel, now: Now) -> Vec<Vec<Field>> {
    sentinel.describe_replicas(sentinel.master(b"mymaster").expect("it is watched"), now)
}

#[test]
fn a_master_that_has_said_nothing_yet() {
    let sentinel = watching_one(START);
    assert_eq!(
        shown(&master_fields(&sentinel, START.plus_ms(1500))),
        [
            "name mymaster",
            "ip 10.0.0.1",
            "port 6379",
            "runid ",
            "flags master,disconnected",
            "link-pending-commands 0",
            "link-refcount 1",
            "last-ping-sent 1500",
            "last-ok-ping-reply 1500",
            "last-ping-reply 1500",
            "down-after-milliseconds 30000",
            "info-refresh 0",
            "role-reported master",
            "role-reported-time 1500",
            "config-epoch 0",
            "num-slaves 2",
            "num-other-sentinels 1",
            "quorum 2",
            "failover-timeout 180000",
            "parallel-syncs 1",
        ]
    );
}

#[test]
fn a_master_that_is_down_while_a_failover_is_forced() {
    let mut sentinel = watching_one(START);
    let master = sentinel.only_master_mut();
    master.base.down_since_ms = Some(START_MS + 100);
    master.odown_since_ms = Some(START_MS + 200);
    master.view.run_id = Some("r1".to_owned());
    master.view.info_at_ms = Some(START_MS + 10);
    master.view.script_kill_sent = true;
    master.view.rebooted_since_ms = Some(START_MS);
    master.options.notification_script = Some(b"/bin/n".to_vec());
    master.options.client_reconfig_script = Some(b"/bin/c".to_vec());
    master.failover = Failover::WaitStart(Attempt {
        epoch: 1,
        reason: Reason::Forced,
        begun_ms: START_MS,
        since_ms: START_MS,
    });
    let fields = shown(&master_fields(&sentinel, START.plus_ms(1000)));
    assert_eq!(
        fields[3..12],
        [
            "runid r1",
            "flags s_down,o_down,master,disconnected,failover_in_progress,force_failover,\
             script_kill_sent,master_reboot",
            "link-pending-commands 0",
            "link-refcount 1",
            "failover-state wait_start",
            "last-ping-sent 1000",
            "last-ok-ping-reply 1000",
            "last-ping-reply 1000",
            "s-down-time 900",
        ]
    );
    assert_eq!(
        fields[12..15],
        [
            "o-down-time 800",
            "down-after-milliseconds 30000",
            "info-refresh 990"
        ]
    );
    assert_eq!(
        fields[fields.len() - 2..],
        [
            "notification-script /bin/n",
            "client-reconfig-script /bin/c"
        ]
    );
    assert_eq!(sentinel.only_master_mut().status(), "odown");
    sentinel.only_master_mut().odown_since_ms = None;
    assert_eq!(sentinel.only_master_mut().status(), "sdown");
    sentinel.only_master_mut().base.down_since_ms = None;
    assert_eq!(sentinel.only_master_mut().status(), "ok");
}

#[test]
fn a_link_shows_what_is_on_its_way() {
    let mut sentinel = watching_one(START);
    let link = sentinel.only_master_mut().base.link;
    let link = sentinel.links.get_mut(link);
    link.commands.stage = Stage::Open(ConnId(1));
    let ask = |ask| Pending { ask, master: None };
    link.commands
        .pending
        .extend([ask(Ask::Ping), ask(Ask::Info(0))]);
    let messages = link.messages.as_mut().expect("a server has two");
    messages.stage = Stage::Connecting(ConnId(2));
    messages.pending.push_back(ask(Ask::Subscribe));
    link.ping_waits_since_ms = None;
    link.ok_ms = START_MS + 20;
    link.answered_ms = START_MS + 30;
    let fields = master_fields(&sentinel, START.plus_ms(100));
    assert_eq!(value(&fields, "flags"), "master");
    assert_eq!(value(&fields, "link-pending-commands"), "2");
    assert_eq!(value(&fields, "last-ping-sent"), "0");
    assert_eq!(value(&fields, "last-ok-ping-reply"), "80");
    assert_eq!(value(&fields, "last-ping-reply"), "70");
}

#[test]
fn a_replica_shows_what_it_says_of_its_master() {
    let mut sentinel = watching_one(START);
    let quiet = &replica_fields(&sentinel, START)[1];
    assert_eq!(
        shown(&quiet[11..]),
        [
            "info-refresh 0",
            "role-reported slave",
            "role-reported-time 0",
            "master-link-down-time 0",
            "master-link-status err",
            "master-host ?",
            "master-port 0",
            "slave-priority 100",
            "slave-repl-offset 0",
            "replica-announced 1",
        ]
    );
    let view = &mut sentinel.only_master_mut().replicas[0].view;
    view.master_host = Some("10.0.0.1".to_owned());
    view.master_port = 6379;
    view.link_up = true;
    view.link_down_ms = -1000;
    view.priority = 7;
    view.offset = 123;
    view.role = ServerRole::Master;
    let fields = &replica_fields(&sentinel, START)[0];
    for (name, text) in [
        ("name", "10.0.0.2:6379"),
        ("ip", "10.0.0.2"),
        ("flags", "slave,disconnected"),
        ("role-reported", "master"),
        ("master-link-down-time", "-1000"),
        ("master-link-status", "ok"),
        ("master-host", "10.0.0.1"),
        ("master-port", "6379"),
        ("slave-priority", "7"),
        ("slave-repl-offset", "123"),
    ] {
        assert_eq!(value(fields, name), text, "{name}");
    }
}

#[test]
fn replicas_show_what_a_failover_does_with_them() {
    let mut sentinel = watching_one(START);
    let master = sentinel.only_master_mut();
    let attempt = Attempt {
        epoch: 1,
        reason: Reason::Down,
        begun_ms: START_MS,
        since_ms: START_MS,
    };
    master.failover = Failover::WaitPromotion(attempt, master.replicas[0].id);
    for (reconf, flags) in [
        (Reconf::No, "slave,disconnected"),
        (Reconf::Sent(START_MS), "slave,disconnected,reconf_sent"),
        (Reconf::InProgress, "slave,disconnected,reconf_inprog"),
        (Reconf::Done, "slave,disconnected,reconf_done"),
    ] {
        sentinel.only_master_mut().replicas[1].reconf = reconf;
        let replicas = replica_fields(&sentinel, START);
        assert_eq!(value(&replicas[0], "flags"), "slave,disconnected,promoted");
        assert_eq!(value(&replicas[1], "flags"), flags);
    }
    let fields = master_fields(&sentinel, START);
    assert_eq!(
        value(&fields, "flags"),
        "master,disconnected,failover_in_progress"
    );
    assert_eq!(value(&fields, "failover-state"), "wait_promotion");
}

#[test]
fn replicas_that_clients_may_not_be_told_of_are_left_out() {
    let mut sentinel = watching_one(START);
    sentinel.only_master_mut().replicas[0].view.announced = false;
    let replicas = replica_fields(&sentinel, START);
    assert_eq!(replicas.len(), 1);
    assert_eq!(value(&replicas[0], "ip"), "10.0.0.3");
}

#[test]
fn a_peer_shows_its_verdict() {
    let mut sentinel = watching_one(START);
    let peer = &mut sentinel.only_master_mut().peers[0];
    peer.verdict.down = true;
    let describe = |sentinel: &Sentinel| {
        let master = sentinel.master(b"mymaster").expect("it is watched");
        sentinel.describe_peers(master, START.plus_ms(5)).remove(0)
    };
    assert_eq!(
        shown(&describe(&sentinel)),
        [
            &format!("name {PEER_ID}"),
            "ip 10.0.0.9",
            "port 26379",
            &format!("runid {PEER_ID}"),
            "flags sentinel,disconnected,master_down",
            "link-pending-commands 0",
            "link-refcount 1",
            "last-ping-sent 5",
            "last-ok-ping-reply 5",
            "last-ping-reply 5",
            "down-after-milliseconds 30000",
            "last-hello-message 5",
            "voted-leader ?",
            "voted-leader-epoch 0",
        ]
    );
    let peer = &mut sentinel.only_master_mut().peers[0];
    peer.verdict.leader = Some("me".to_owned());
    peer.verdict.leader_epoch = 4;
    let fields = describe(&sentinel);
    assert_eq!(value(&fields, "voted-leader"), "me");
    assert_eq!(value(&fields, "voted-leader-epoch"), "4");
}

#[test]
fn names_are_shown_where_that_is_asked_for() {
    let mut sentinel = watching_one(START);
    let address = &mut sentinel.only_master_mut().replicas[0].base.address;
    address.host = "replica.example".to_owned();
    let name = |sentinel: &Sentinel| value(&replica_fields(sentinel, START)[0], "name");
    assert_eq!(name(&sentinel), "10.0.0.2:6379");
    sentinel.common_mut().announce_hostnames = true;
    assert_eq!(name(&sentinel), "replica.example:6379");
}

#[test]
fn the_cache_has_the_masters_info_first() {
    let mut sentinel = watching_one(START);
    let master = sentinel.only_master_mut();
    master.view.info = Some(b"m".to_vec());
    master.view.info_at_ms = Some(START_MS);
    master.replicas[1].view.info = Some(b"r".to_vec());
    master.replicas[1].view.info_at_ms = Some(START_MS + 5);
    let infos: Vec<_> = master.cached_infos(START.plus_ms(20)).collect();
    let infos: Vec<_> = infos.iter().map(|info| (info.age_ms, info.text)).collect();
    assert_eq!(
        infos,
        [(20, Some(&b"m"[..])), (0, None), (15, Some(&b"r"[..]))]
    );
}

#[test]
fn scripts_show_for_how_long_they_run_or_wait() {
    let script = |progress| Script {
        id: ScriptId(1),
        path: b"/bin/n".to_vec(),
        args: vec!["+sdown".to_owned()],
        tries: 3,
        progress,
    };
    let view = |progress| {
        let script = script(progress);
        let view = ScriptView::of(&script, START.plus_ms(10));
        (view.pid, view.progress)
    };
    let scheduled = ScriptProgress::Scheduled;
    assert_eq!(view(Progress::Waiting(START_MS)), (0, scheduled(0)));
    assert_eq!(view(Progress::Waiting(START_MS + 30)), (0, scheduled(20)));
    let running = (0, ScriptProgress::Running(10));
    assert_eq!(view(Progress::Running(START_MS, None)), running);
    let running = (7, ScriptProgress::Running(10));
    assert_eq!(view(Progress::Running(START_MS, Some(7))), running);
    assert_eq!(view(Progress::Killed(START_MS, Some(7))), running);
}
