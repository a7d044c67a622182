//! The connections to an instance, and the pings on them.
//!
//! To a server there are two: one for commands, one that listens for the announcements of our
//! peers. A peer has only the first, and has it once, however many masters we both watch.
//!
//! A link keeps no state of anybody: it knows which replies are still to come and what each is
//! about, and when it was last heard of.

use std::collections::VecDeque;

use super::action::ConnId;
use super::address::Address;
use super::ids::{IdMap, InstanceId, LinkId, MasterId};

/// Whom a link leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A master.
    Master(MasterId),
    /// A replica.
    Replica(MasterId, InstanceId),
    /// A peer, for all masters that name its link.
    Peer,
}

/// What a reply that is still to come is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Nothing that we want to know.
    Discard,
    /// A ping.
    Ping,
    /// `INFO`, asked for at this time.
    Info(u64),
    /// An announcement of ours.
    Hello,
    /// Whether a peer sees a master down, and whom it votes for.
    IsDown(MasterId),
    /// Where a peer takes a master to be.
    MasterAddress(MasterId),
    /// `SUBSCRIBE`, and all messages after it.
    Subscribe,
    /// `FAILOVER`.
    Failover(MasterId),
    /// Whether all of what a server was told to be was taken: `EXEC`.
    Orders(MasterId),
}

/// A question that was sent, and about which instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    /// What it asks.
    pub ask: Ask,
    /// For whom, where several share the link.
    pub master: Option<MasterId>,
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// There is none.
    Closed,
    /// Being made.
    Connecting(ConnId),
    /// Open.
    Open(ConnId),
}

/// One of the connections of a link.
#[derive(Debug)]
pub struct Conn {
    /// How far it is.
    pub stage: Stage,
    /// When it was begun last.
    pub begun_ms: u64,
    /// Not to be made again before this time.
    pub retry_at_ms: u64,
    /// When something last came over it.
    pub heard_ms: u64,
    /// Replies still to come, in order.
    pub pending: VecDeque<Pending>,
}

impl Conn {
    fn new(now_ms: u64) -> Conn {
        Conn {
            stage: Stage::Closed,
            begun_ms: 0,
            retry_at_ms: now_ms,
            heard_ms: now_ms,
            pending: VecDeque::new(),
        }
    }

    /// The connection, if it is open.
    pub fn open(&self) -> Option<ConnId> {
        match self.stage {
            Stage::Open(conn) => Some(conn),
            Stage::Closed | Stage::Connecting(_) => None,
        }
    }

    /// The connection, open or not.
    pub fn id(&self) -> Option<ConnId> {
        match self.stage {
            Stage::Open(conn) | Stage::Connecting(conn) => Some(conn),
            Stage::Closed => None,
        }
    }
}

/// Which of the connections of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// The one for commands.
    Commands,
    /// The one that listens.
    Messages,
}

/// A link; see the module's head.
#[derive(Debug)]
pub struct Link {
    /// Whom it leads to.
    pub owner: Owner,
    /// Where to.
    pub address: Address,
    /// The connection for commands.
    pub commands: Conn,
    /// The connection that listens, to a server.
    pub messages: Option<Conn>,
    /// The masters that need it: several for a peer.
    pub users: Vec<MasterId>,
    /// Our address as the other end sees it, once it was open.
    pub local_ip: Option<std::net::IpAddr>,
    /// Since when nobody listens there.
    pub refused_since_ms: Option<u64>,
    /// The ping that waits for an answer which shows that the instance works: when it was sent.
    /// At first the time of the link's making, as if one had been sent then.
    pub ping_waits_since_ms: Option<u64>,
    /// When the last ping was sent; 0 before the first.
    pub ping_sent_ms: u64,
    /// When a ping was last answered as by an instance that works.
    pub ok_ms: u64,
    /// Whether one ever was.
    pub was_ok: bool,
    /// When a ping was last answered at all.
    pub answered_ms: u64,
    /// The server does not take all that it is told in one transaction, so it is told one by one.
    pub takes_one_by_one: bool,
}

impl Link {
    /// Whether a connection that it should have is not even being made.
    pub fn is_disconnected(&self) -> bool {
        let closed = |conn: &Conn| conn.stage == Stage::Closed;
        closed(&self.commands) || self.messages.as_ref().is_some_and(closed)
    }

    /// Whether commands can be sent.
    pub fn can_send(&self) -> bool {
        self.commands.open().is_some()
    }

    /// Replies still to come.
    pub fn pending(&self) -> usize {
        let count = |conn: &Conn| {
            conn.pending
                .iter()
                .filter(|p| p.ask != Ask::Subscribe)
                .count()
        };
        count(&self.commands) + self.messages.as_ref().map_or(0, count)
    }

    /// One of its connections.
    pub fn conn_mut(&mut self, which: Which) -> Option<&mut Conn> {
        match which {
            Which::Commands => Some(&mut self.commands),
            Which::Messages => self.messages.as_mut(),
        }
    }
}

/// All links.
#[derive(Debug, Default)]
pub struct Links {
    all: IdMap<LinkId, Link>,
    conns: IdMap<ConnId, (LinkId, Which)>,
    next: u64,
}

impl Links {
    /// A link to an instance, with nothing connected yet.
    pub fn add(&mut self, owner: Owner, address: Address, user: MasterId, now_ms: u64) -> LinkId {
        self.next += 1;
        let id = LinkId(self.next);
        let messages = (owner != Owner::Peer).then(|| Conn::new(now_ms));
        self.all.insert(
            id,
            Link {
                owner,
                address,
                commands: Conn::new(now_ms),
                messages,
                users: vec![user],
                local_ip: None,
                refused_since_ms: None,
                ping_waits_since_ms: Some(now_ms),
                ping_sent_ms: 0,
                ok_ms: now_ms,
                was_ok: false,
                answered_ms: now_ms,
                takes_one_by_one: false,
            },
        );
        id
    }

    /// The link of this number.
    ///
    /// # Panics
    ///
    /// There is none: an instance owns its link for as long as it lives.
    pub fn get(&self, id: LinkId) -> &Link {
        self.all.get(&id).expect("an instance has a link")
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: LinkId) -> &mut Link {
        self.all.get_mut(&id).expect("an instance has a link")
    }

    /// A master needs the link no more; when nobody does, it is taken out, to be closed.
    #[must_use]
    pub fn release(&mut self, id: LinkId, user: MasterId) -> Option<Link> {
        let link = self.get_mut(id);
        link.users.retain(|other| *other != user);
        if !link.users.is_empty() {
            return None;
        }
        let link = self.all.remove(&id)?;
        let conns = [Some(&link.commands), link.messages.as_ref()];
        for conn in conns.into_iter().flatten().filter_map(Conn::id) {
            self.conns.remove(&conn);
        }
        Some(link)
    }

    /// A number for a connection that begins.
    pub fn begin_conn(&mut self, id: LinkId, which: Which) -> ConnId {
        self.next += 1;
        let conn = ConnId(self.next);
        self.conns.insert(conn, (id, which));
        conn
    }

    /// A connection begins to be made.
    pub fn begun(&mut self, conn: ConnId, now_ms: u64) {
        let (id, which) = self.conns[&conn];
        if let Some(at) = self.get_mut(id).conn_mut(which) {
            at.stage = Stage::Connecting(conn);
            at.begun_ms = now_ms;
        }
    }

    /// A connection is over.
    pub fn end_conn(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
    }

    /// Whose a connection is.
    pub fn of_conn(&self, conn: ConnId) -> Option<(LinkId, Which)> {
        self.conns.get(&conn).copied()
    }

    /// Whether others see us at this address.
    pub fn is_local(&self, host: &str) -> bool {
        let ip = host.parse().ok();
        ip.is_some() && self.all.values().any(|link| link.local_ip == ip)
    }

    /// The numbers of all links.
    pub fn ids(&self) -> Vec<LinkId> {
        self.all.keys().copied().collect()
    }
}
