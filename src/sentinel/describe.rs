//! What users are shown of instances, scripts and the Sentinel itself.
//!
//! Names, order and units are those of the stock Sentinel, since tools and client libraries read
//! them. Times are told as "so many milliseconds ago". What there is to say follows from what the
//! instance is: [`Subject`] tells that, and each kind adds its own fields behind the common ones.

use std::fmt::Display;

use super::address::Address;
use super::event::{host_of, name_of};
use super::failover::Reason;
use super::instance::{Instance, Master, Peer, Reconf, Replica, ServerView};
use super::link::Link;
use super::scripts::{Progress, Script};
use super::state::Sentinel;
use crate::base::time::Now;

/// A name and its value.
pub type Field = (&'static str, Vec<u8>);

/// A script that waits or runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScriptView<'a> {
    /// The executable.
    pub path: &'a [u8],
    /// Its arguments.
    pub args: &'a [String],
    /// Its process; 0 while there is none.
    pub pid: i32,
    /// How far it is.
    pub progress: ScriptProgress,
    /// How often it was started.
    pub tries: u32,
}

/// How far a script is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScriptProgress {
    /// It runs, for so many milliseconds by now.
    Running(u64),
    /// It waits, for so many milliseconds more.
    Scheduled(u64),
}

impl ScriptView<'_> {
    fn of(script: &Script, now: Now) -> ScriptView<'_> {
        let (pid, progress) = match script.progress {
            Progress::Waiting(at_ms) => {
                let left_ms = at_ms.saturating_sub(now.mono_ms());
                (None, ScriptProgress::Scheduled(left_ms))
            }
            Progress::Running(since_ms, pid) | Progress::Killed(since_ms, pid) => {
                (pid, ScriptProgress::Running(ago(now, since_ms)))
            }
        };
        ScriptView {
            path: &script.path,
            args: &script.args,
            pid: pid.unwrap_or(0),
            progress,
            tries: script.tries,
        }
    }
}

/// What a server has last told of itself, as it stands in the cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CachedInfo<'a> {
    /// How old it is, in milliseconds; 0 if it has told nothing yet.
    pub age_ms: u64,
    /// Its `INFO`.
    pub text: Option<&'a [u8]>,
}

impl Sentinel {
    /// The fields of a master.
    pub fn describe_master(&self, master: &Master, now: Now) -> Vec<Field> {
        self.describe(&Subject::Master(master), now)
    }

    /// The fields of each replica that clients may be told of.
    pub fn describe_replicas(&self, master: &Master, now: Now) -> Vec<Vec<Field>> {
        let shown = master.replicas.iter().filter(|r| r.view.announced);
        shown
            .map(|replica| self.describe(&Subject::Replica(master, replica), now))
            .collect()
    }

    /// The fields of each peer.
    pub fn describe_peers(&self, master: &Master, now: Now) -> Vec<Vec<Field>> {
        let all = master.peers.iter();
        all.map(|peer| self.describe(&Subject::Peer(master, peer), now))
            .collect()
    }

    /// An address as it is told to clients.
    pub fn shown_host(&self, address: &Address) -> String {
        host_of(address, &self.common)
    }

    /// The scripts that wait or run.
    pub fn describe_scripts(&self, now: Now) -> Vec<ScriptView<'_>> {
        let scripts = self.scripts().iter();
        scripts.map(|script| ScriptView::of(script, now)).collect()
    }

    fn describe(&self, subject: &Subject<'_>, now: Now) -> Vec<Field> {
        let mut fields = Fields::at(now);
        let link = self.links.get(subject.base().link);
        self.add_identity(subject, &mut fields);
        fields.text("flags", subject.flags(link).join(","));
        fields.text("link-pending-commands", link.pending());
        fields.text("link-refcount", link.users.len());
        if let Subject::Master(master) = subject
            && master.is_failing_over()
        {
            fields.text("failover-state", master.failover.name());
        }
        fields.add_pings(link);
        fields.add_down_times(subject);
        let down_after_ms = subject.master().options.down_after_ms;
        fields.text("down-after-milliseconds", down_after_ms);
        if let Some(view) = subject.view() {
            fields.add_role(view);
        }
        match subject {
            Subject::Master(master) => fields.add_master(master),
            Subject::Replica(_, replica) => fields.add_replica(&replica.view),
            Subject::Peer(_, peer) => fields.add_peer(peer),
        }
        fields.list
    }

    fn add_identity(&self, subject: &Subject<'_>, fields: &mut Fields) {
        let address = &subject.base().address;
        let host = self.shown_host(address);
        let (name, run_id) = match subject {
            Subject::Master(master) => (master.name.clone(), master.view.run_id.as_deref()),
            Subject::Replica(_, replica) => {
                let name = name_of(&replica.base, self.common.announce_hostnames);
                (name, replica.view.run_id.as_deref())
            }
            Subject::Peer(_, peer) => (peer.run_id.clone(), Some(peer.run_id.as_str())),
        };
        fields.text("name", name);
        fields.text("ip", &host);
        fields.text("port", address.port);
        fields.text("runid", run_id.unwrap_or_default());
    }
}

impl Master {
    /// How it is doing, in a word.
    pub fn status(&self) -> &'static str {
        if self.odown_since_ms.is_some() {
            "odown"
        } else if self.base.is_down() {
            "sdown"
        } else {
            "ok"
        }
    }

    /// What it and its replicas have last told of themselves, its own first.
    pub fn cached_infos(&self, now: Now) -> impl ExactSizeIterator<Item = CachedInfo<'_>> {
        let views = [&self.view].into_iter();
        let views = views.chain(self.replicas.iter().map(|replica| &replica.view));
        let views: Vec<&ServerView> = views.collect();
        views.into_iter().map(move |view| CachedInfo {
            age_ms: view.info_at_ms.map_or(0, |at| ago(now, at)),
            text: view.info.as_deref(),
        })
    }
}

/// How long ago something was.
fn ago(now: Now, at_ms: u64) -> u64 {
    now.mono_ms().saturating_sub(at_ms)
}

/// An instance that is shown, with the master that it belongs to.
enum Subject<'a> {
    Master(&'a Master),
    Replica(&'a Master, &'a Replica),
    Peer(&'a Master, &'a Peer),
}

impl Subject<'_> {
    fn master(&self) -> &Master {
        match self {
            Subject::Master(master) | Subject::Replica(master, _) | Subject::Peer(master, _) => {
                master
            }
        }
    }

    fn base(&self) -> &Instance {
        match self {
            Subject::Master(master) => &master.base,
            Subject::Replica(_, replica) => &replica.base,
            Subject::Peer(_, peer) => &peer.base,
        }
    }

    /// What it tells of itself, if it is a server.
    fn view(&self) -> Option<&ServerView> {
        match self {
            Subject::Master(master) => Some(&master.view),
            Subject::Replica(_, replica) => Some(&replica.view),
            Subject::Peer(..) => None,
        }
    }

    /// What it is and how it is doing, in words.
    fn flags(&self, link: &Link) -> Vec<&'static str> {
        let mut flags = Vec::new();
        let mut add = |is_so: bool, name| {
            if is_so {
                flags.push(name);
            }
        };
        add(self.base().is_down(), "s_down");
        add(self.is_agreed_down(), "o_down");
        add(matches!(self, Subject::Master(_)), "master");
        add(matches!(self, Subject::Replica(..)), "slave");
        add(matches!(self, Subject::Peer(..)), "sentinel");
        add(link.is_disconnected(), "disconnected");
        match self {
            Subject::Master(master) => {
                add(master.is_failing_over(), "failover_in_progress");
                // Of the reasons for which nobody else is asked, stock Sentinels know one.
                let reason = master.failover.attempt().map(|attempt| attempt.reason);
                add(reason.is_some_and(|r| r != Reason::Down), "force_failover");
            }
            Subject::Replica(master, replica) => {
                let selected = master.failover.selected();
                add(selected == Some(replica.id), "promoted");
                match replica.reconf {
                    Reconf::No => {}
                    Reconf::Sent(_) => add(true, "reconf_sent"),
                    Reconf::InProgress => add(true, "reconf_inprog"),
                    Reconf::Done => add(true, "reconf_done"),
                }
            }
            Subject::Peer(_, peer) => add(peer.verdict.down, "master_down"),
        }
        if let Some(view) = self.view() {
            add(view.script_kill_sent, "script_kill_sent");
            add(view.rebooted_since_ms.is_some(), "master_reboot");
        }
        flags
    }

    fn is_agreed_down(&self) -> bool {
        matches!(self, Subject::Master(master) if master.odown_since_ms.is_some())
    }
}

/// Fields being put together.
struct Fields {
    now: Now,
    list: Vec<Field>,
}

impl Fields {
    fn at(now: Now) -> Fields {
        Fields {
            now,
            list: Vec::new(),
        }
    }

    fn bytes(&mut self, name: &'static str, value: &[u8]) {
        self.list.push((name, value.to_vec()));
    }

    fn text(&mut self, name: &'static str, value: impl Display) {
        self.list.push((name, value.to_string().into_bytes()));
    }

    fn ago(&mut self, name: &'static str, at_ms: u64) {
        self.text(name, ago(self.now, at_ms));
    }

    /// 0 for what has not been.
    fn ago_if(&mut self, name: &'static str, at_ms: Option<u64>) {
        self.text(name, at_ms.map_or(0, |at| ago(self.now, at)));
    }

    fn add_pings(&mut self, link: &Link) {
        self.ago_if("last-ping-sent", link.ping_waits_since_ms);
        self.ago("last-ok-ping-reply", link.ok_ms);
        self.ago("last-ping-reply", link.answered_ms);
    }

    fn add_down_times(&mut self, subject: &Subject<'_>) {
        if let Some(since_ms) = subject.base().down_since_ms {
            self.ago("s-down-time", since_ms);
        }
        if let Subject::Master(master) = subject
            && let Some(since_ms) = master.odown_since_ms
        {
            self.ago("o-down-time", since_ms);
        }
    }

    fn add_role(&mut self, view: &ServerView) {
        self.ago_if("info-refresh", view.info_at_ms);
        self.text("role-reported", view.role.name());
        self.ago("role-reported-time", view.role_since_ms);
    }

    fn add_master(&mut self, master: &Master) {
        let options = &master.options;
        self.text("config-epoch", master.config_epoch);
        self.text("num-slaves", master.replicas.len());
        self.text("num-other-sentinels", master.peers.len());
        self.text("quorum", options.quorum);
        self.text("failover-timeout", options.failover_timeout_ms);
        self.text("parallel-syncs", options.parallel_syncs);
        if let Some(script) = &options.notification_script {
            self.bytes("notification-script", script);
        }
        if let Some(script) = &options.client_reconfig_script {
            self.bytes("client-reconfig-script", script);
        }
    }

    fn add_replica(&mut self, view: &ServerView) {
        let link_status = if view.link_up { "ok" } else { "err" };
        let master_host = view.master_host.as_deref().unwrap_or("?");
        self.text("master-link-down-time", view.link_down_ms);
        self.text("master-link-status", link_status);
        self.text("master-host", master_host);
        self.text("master-port", view.master_port);
        self.text("slave-priority", view.priority);
        self.text("slave-repl-offset", view.offset);
        self.text("replica-announced", u8::from(view.announced));
    }

    fn add_peer(&mut self, peer: &Peer) {
        let leader = peer.verdict.leader.as_deref().unwrap_or("?");
        self.ago("last-hello-message", peer.hello_at_ms);
        self.text("voted-leader", leader);
        self.text("voted-leader-epoch", peer.verdict.leader_epoch);
    }
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
