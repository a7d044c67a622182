//! The state of the Sentinel as it is written down, and what follows when it was.

use log::Level;

use super::act::election::tell_vote;
use super::action::Action;
use super::address::Address;
use super::instance::Master;
use super::planted::Bug;
use super::save::Released;
use super::state::Sentinel;
use crate::base::time::Now;
use crate::config::sentinel::{MasterConfig, PeerConfig, SentinelConfig};

impl Sentinel {
    /// Its state as it is to be written down, and the number by which that is known.
    pub fn saved_form(&self) -> (u64, SentinelConfig) {
        let forgets = self.planted.is(Bug::ForgetsEpochs);
        let config = SentinelConfig {
            id: Some(self.id.clone()),
            current_epoch: if forgets { 0 } else { self.epoch },
            common: self.common.clone(),
            masters: self
                .masters
                .values()
                .map(|master| self.saved_master(master))
                .collect(),
        };
        (self.saves.wanted(), config)
    }

    fn saved_master(&self, master: &Master) -> MasterConfig {
        let current = master.current_address();
        // Where names are not looked up, a file with names in it would not load.
        let by_name = self.common.resolve_hostnames;
        let place = |address: &Address| (address.shown(by_name), address.port);
        // While a replica has taken over already, its predecessor stands in its place.
        let replicas = master
            .replicas
            .iter()
            .map(|replica| match &replica.base.address {
                address if address.is_same(current) => place(&master.base.address),
                address => place(address),
            });
        let peers = master.peers.iter().map(|peer| PeerConfig {
            host: peer.base.address.shown(by_name),
            port: peer.base.address.port,
            id: peer.run_id.clone(),
        });
        let (host, port) = place(current);
        MasterConfig {
            name: master.name.clone(),
            host,
            port,
            options: master.options.clone(),
            config_epoch: master.config_epoch,
            leader_epoch: match self.planted.is(Bug::ForgetsEpochs) {
                true => 0,
                false => master.leader_epoch,
            },
            replicas: replicas.collect(),
            peers: peers.collect(),
        }
    }

    /// The state of this number was written down, or could not be; the reason.
    pub fn on_saved(&mut self, number: u64, result: Result<(), String>, now: Now) {
        let released = match result {
            Ok(()) => {
                let text = "Sentinel new configuration saved on disk";
                self.out.push(Action::Log(Level::Info, text.to_owned()));
                let (was_failing, released) = self.saves.succeeded(number);
                if was_failing {
                    self.tell("-config-not-saved", "#votes can be written down again", now);
                }
                released
            }
            Err(reason) => {
                let (is_news, released) = self.saves.failed(now.mono_ms());
                if is_news {
                    self.out.push(Action::Log(
                        Level::Warn,
                        format!(
                            "WARNING: Sentinel was not able to save the new configuration on \
                             disk!!!: {reason}"
                        ),
                    ));
                    self.tell("+config-not-saved", "#no votes until it can be saved", now);
                }
                released
            }
        };
        let (masters, mut cx) = self.parts(now);
        for released in released {
            match released {
                Released::Action(action) => cx.out.push(action),
                Released::Voted { master, text } => {
                    if let Some(master) = masters.get(&master) {
                        tell_vote(master, text, &mut cx);
                    }
                    cx.touched.insert(master);
                }
            }
        }
    }
}
