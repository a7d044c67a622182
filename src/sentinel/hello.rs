//! Announcements: how Sentinels that watch the same master find each other, and how a new master
//! is made known.
//!
//! `ip,port,id,epoch,name,master ip,master port,config epoch`, published on a channel of each
//! server, and sent to each peer.

use crate::config::sentinel::{ID_LENGTH, is_plain_word};

/// The channel.
pub const CHANNEL: &[u8] = b"__sentinel__:hello";

/// Epochs above this are nonsense: counting on from there would end.
pub const EPOCH_MAX: u64 = 1 << 62;

/// Names of hosts are not longer.
const HOST_LENGTH_MAX: usize = 253;

/// Whether this can be the id of a Sentinel.
fn is_id(id: &str) -> bool {
    id.len() == ID_LENGTH && is_plain_word(id.as_bytes())
}

/// An announcement.
#[derive(Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Where the Sentinel is.
    pub host: &'a str,
    /// And at which port.
    pub port: u16,
    /// Its id.
    pub id: &'a str,
    /// The newest epoch that it has heard of.
    pub epoch: u64,
    /// The master that this is about.
    pub name: &'a str,
    /// Where it takes that to be.
    pub master_host: &'a str,
    /// And at which port.
    pub master_port: u16,
    /// The epoch since when it is there.
    pub config_epoch: u64,
}

/// Somebody who announces himself under our id.
#[derive(Debug)]
pub struct Double {
    /// Where he is.
    pub host: String,
    /// And at which port.
    pub port: u16,
    /// When we first heard of him.
    pub since_ms: u64,
    /// Whether that was told.
    pub told: bool,
}

impl<'a> Hello<'a> {
    /// Reads an announcement, if it is one.
    pub fn read(text: &'a [u8]) -> Option<Hello<'a>> {
        let text = std::str::from_utf8(text).ok()?;
        let parts: Vec<&str> = text.split(',').collect();
        let [
            host,
            port,
            id,
            epoch,
            name,
            master_host,
            master_port,
            config_epoch,
        ] = parts[..]
        else {
            return None;
        };
        let epoch_of = |text: &str| text.parse().ok().filter(|epoch| *epoch <= EPOCH_MAX);
        let hello = Hello {
            host,
            port: port.parse().ok()?,
            id,
            epoch: epoch_of(epoch)?,
            name,
            master_host,
            master_port: master_port.parse().ok()?,
            config_epoch: epoch_of(config_epoch)?,
        };
        let is_place = |host: &str, port: u16| {
            let length = 1..=HOST_LENGTH_MAX;
            length.contains(&host.len()) && is_plain_word(host.as_bytes()) && port != 0
        };
        let is_whole = is_place(host, hello.port) && is_place(master_host, hello.master_port);
        (is_whole && is_id(id)).then_some(hello)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn read(text: &str) -> Option<String> {
        let text = text.replace("ID", ID);
        Hello::read(text.as_bytes()).map(|hello| format!("{hello:?}"))
    }

    #[test]
    fn an_announcement_has_eight_parts_that_make_sense() {
        let text = format!("10.0.0.1,26379,{ID},7,mymaster,10.0.0.2,6379,6");
        let expected = Hello {
            host: "10.0.0.1",
            port: 26379,
            id: ID,
            epoch: 7,
            name: "mymaster",
            master_host: "10.0.0.2",
            master_port: 6379,
            config_epoch: 6,
        };
        assert_eq!(Hello::read(text.as_bytes()), Some(expected));
        let long = "x".repeat(5000);
        for bad in [
            "",
            "10.0.0.1,26379,ID,7,mymaster,10.0.0.2,6379",
            "10.0.0.1,26379,ID,7,mymaster,10.0.0.2,6379,6,8",
            "10.0.0.1,x,ID,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,70000,ID,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,0,ID,7,mymaster,10.0.0.2,6379,6",
            ",26379,ID,7,mymaster,10.0.0.2,6379,6",
            &format!("{long},26379,ID,7,mymaster,10.0.0.2,6379,6"),
            "10.0.0.1,26379,,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,abc,7,mymaster,10.0.0.2,6379,6",
            &format!("10.0.0.1,26379,{long},7,mymaster,10.0.0.2,6379,6"),
            &format!("10.0.0.1,26379,{} ,7,mymaster,10.0.0.2,6379,6", &ID[1..]),
            "10.0.0.1,26379,ID,-7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,ID,18446744073709551615,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,ID,7,mymaster,10.0.0.2\n,6379,6",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(Hello::read(b"\xff,1,a,1,m,h,1,1"), None);
    }
}
