//! Announcements: how Sentinels that watch the same master find each other, and how a new master
//! is made known.
//!
//! `ip,port,id,epoch,name,master ip,master port,config epoch`, published on a channel of each
//! server, and sent to each peer.

/// The channel.
pub const CHANNEL: &[u8] = b"__sentinel__:hello";

/// Epochs above this are nonsense: counting on from there would end.
pub const EPOCH_MAX: u64 = 1 << 62;

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
        let is_whole = !host.is_empty() && !master_host.is_empty() && !id.is_empty();
        let has_blank = |text: &str| text.contains(|c: char| c.is_whitespace() || c.is_control());
        let is_clean = ![host, id, master_host].into_iter().any(has_blank);
        (is_whole && is_clean && hello.port != 0 && hello.master_port != 0).then_some(hello)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_has_eight_parts_that_make_sense() {
        let text = b"10.0.0.1,26379,abc,7,mymaster,10.0.0.2,6379,6";
        let hello = Hello::read(text).expect("an announcement");
        assert_eq!(
            (hello.host, hello.port, hello.id, hello.epoch),
            ("10.0.0.1", 26379, "abc", 7)
        );
        assert_eq!((hello.name, hello.master_host), ("mymaster", "10.0.0.2"));
        assert_eq!((hello.master_port, hello.config_epoch), (6379, 6));
        for bad in [
            "",
            "10.0.0.1,26379,abc,7,mymaster,10.0.0.2,6379",
            "10.0.0.1,26379,abc,7,mymaster,10.0.0.2,6379,6,8",
            "10.0.0.1,x,abc,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,70000,abc,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,0,abc,7,mymaster,10.0.0.2,6379,6",
            ",26379,abc,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,abc,-7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,abc,18446744073709551615,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,a c,7,mymaster,10.0.0.2,6379,6",
            "10.0.0.1,26379,abc,7,mymaster,10.0.0.2\n,6379,6",
        ] {
            assert_eq!(Hello::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Hello::read(b"\xff,1,a,1,m,h,1,1"), None);
    }
}
