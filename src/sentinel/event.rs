//! Events: what the log, subscribers and notification scripts are told.
//!
//! The names and texts are those that scripts and client libraries know. A warning is what an
//! operator wants to be woken for, and runs the notification script; what is only for the log of
//! somebody who looks for a fault is not published.

use log::Level;

use super::action::Action;
use super::address::Address;
use super::context::Cx;
use super::instance::{Instance, Master, Peer, Replica};
use crate::config::sentinel::CommonOptions;

/// `type name ip port`, and for what belongs to a master ` @ name ip port`.
pub(super) struct Subject(String);

impl Cx<'_> {
    fn place(&self, base: &Instance) -> String {
        let host = base.address.shown(self.common.announce_hostnames);
        format!("{host} {}", base.address.port)
    }

    /// A master, as events name it.
    pub fn of_master(&self, master: &Master) -> Subject {
        Subject(format!(
            "master {} {}",
            master.name,
            self.place(&master.base)
        ))
    }

    /// A replica, likewise.
    pub fn of_replica(&self, master: &Master, replica: &Replica) -> Subject {
        let place = self.place(&replica.base);
        let name = self.name_of(&replica.base);
        Subject(format!(
            "slave {name} {place} @ {} {}",
            master.name,
            self.place(&master.base)
        ))
    }

    /// A peer, likewise.
    pub fn of_peer(&self, master: &Master, peer: &Peer) -> Subject {
        let (name, place) = (&peer.run_id, self.place(&peer.base));
        Subject(format!(
            "sentinel {name} {place} @ {} {}",
            master.name,
            self.place(&master.base)
        ))
    }

    /// What a replica is called: its place.
    pub fn name_of(&self, base: &Instance) -> String {
        name_of(base, self.common.announce_hostnames)
    }

    /// Tells of an event about an instance; `more` follows its description.
    pub fn event(
        &mut self,
        level: Level,
        event: &'static str,
        master: &Master,
        subject: &Subject,
        more: &str,
    ) {
        self.event_text(level, event, Some(master), format!("{}{more}", subject.0));
    }

    /// Tells of an event in words of its own.
    pub fn event_text(
        &mut self,
        level: Level,
        event: &'static str,
        master: Option<&Master>,
        text: String,
    ) {
        self.out.push(Action::Log(level, format!("{event} {text}")));
        if level == Level::Trace {
            return;
        }
        let script = master.and_then(|master| master.options.notification_script.as_ref());
        if level == Level::Warn
            && let Some(path) = script
        {
            let args = vec![event.to_owned(), text.clone()];
            self.scripts.schedule(path.clone(), args, self.now_ms);
        }
        self.out.push(Action::Publish { event, text });
    }

    /// An event about a master that operators want to hear of.
    pub fn warn_master(&mut self, event: &'static str, master: &Master) {
        let subject = self.of_master(master);
        self.event(Level::Warn, event, master, &subject, "");
    }

    /// An event about a replica; `level` as for all.
    pub fn tell_replica(
        &mut self,
        level: Level,
        event: &'static str,
        master: &Master,
        replica: &Replica,
    ) {
        let subject = self.of_replica(master, replica);
        self.event(level, event, master, &subject, "");
    }

    /// An event about a peer.
    pub fn tell_peer(&mut self, level: Level, event: &'static str, master: &Master, peer: &Peer) {
        let subject = self.of_peer(master, peer);
        self.event(level, event, master, &subject, "");
    }

    /// `+new-epoch`.
    pub fn tell_epoch(&mut self, master: &Master) {
        let epoch = self.epoch.to_string();
        self.event_text(Level::Warn, "+new-epoch", Some(master), epoch);
    }
}

/// `host:port`, by name where that is wanted; an IPv6 address in brackets.
pub fn name_of(base: &Instance, by_name: bool) -> String {
    let host = base.address.shown(by_name);
    match host.contains(':') {
        true => format!("[{host}]:{}", base.address.port),
        false => format!("{host}:{}", base.address.port),
    }
}

/// The host of an address as it is told to others.
pub fn host_of(address: &Address, common: &CommonOptions) -> String {
    address.shown(common.announce_hostnames)
}
