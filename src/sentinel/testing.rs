//! A Sentinel for tests of what users are shown.

use super::instance::Master;
use super::settings::Own;
use super::state::Sentinel;
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::sentinel::{
    CommonOptions, MasterConfig, MasterOptions, PeerConfig, SentinelConfig,
};

/// The id of the Sentinel.
pub const ID: &str = "0123456789012345678901234567890123456789";

/// The id of its peer.
pub const PEER_ID: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";

/// A Sentinel that watches `mymaster` at 10.0.0.1, which has replicas at 10.0.0.2 and 10.0.0.3,
/// with a peer at 10.0.0.9. Nobody has said anything yet.
pub fn watching_one(now: Now) -> Sentinel {
    let peer = PeerConfig {
        host: "10.0.0.9".to_owned(),
        port: 26379,
        id: PEER_ID.to_owned(),
    };
    let master = MasterConfig {
        name: "mymaster".to_owned(),
        host: "10.0.0.1".to_owned(),
        port: 6379,
        options: MasterOptions::new(2),
        config_epoch: 0,
        leader_epoch: 0,
        replicas: ["10.0.0.2", "10.0.0.3"]
            .map(|host| (host.to_owned(), 6379))
            .into(),
        peers: vec![peer],
    };
    let config = SentinelConfig {
        id: Some(ID.to_owned()),
        masters: vec![master],
        ..SentinelConfig::default()
    };
    Sentinel::new(config, Own::default(), Rng::from_seed(1), now)
}

impl Sentinel {
    /// The master of [`watching_one`], to be changed.
    pub fn only_master_mut(&mut self) -> &mut Master {
        let mut masters = self.masters.values_mut();
        masters.next().expect("it watches one")
    }

    /// What holds for all masters, to be changed.
    pub fn common_mut(&mut self) -> &mut CommonOptions {
        &mut self.common
    }
}
