//! A network with delay, narrow pipes, cuts and silent loss.
//!
//! A connection is two queues of items, one to each end, each with the time at which it arrives.
//! Bytes arrive in order and in pieces of any size. An end may close it, which the other learns
//! behind the bytes sent before; a reset drops what is under way. Between two nodes the network may
//! go silent: nothing arrives and nothing is said about it until it heals.

use crate::base::rng::Rng;
use std::collections::{BTreeMap, HashSet, VecDeque};

pub(super) type NodeId = usize;
pub(super) type ConnId = usize;

/// Bytes under way to one end at most; a sender sees a full socket then.
const PIPE_BYTES: usize = 6000;

/// What arrives at an end of a connection.
#[derive(Debug)]
pub(super) enum Item {
    /// Somebody connects to us.
    Accepted,
    /// Our connection is open.
    Connected,
    /// Our connection was refused.
    Refused,
    Bytes(Vec<u8>),
    /// The other end has closed the connection, or it was reset.
    Closed,
}

struct Conn {
    /// The end that connected, and the one that accepted.
    ends: [NodeId; 2],
    /// What is under way to each end, and when it arrives.
    queues: [VecDeque<(u64, Item)>; 2],
    /// Whether the end still has the connection open.
    open: [bool; 2],
}

pub(super) struct Network {
    pub rng: Rng,
    pub now_ms: u64,
    conns: BTreeMap<ConnId, Conn>,
    next_id: ConnId,
    /// Pairs that hear nothing of each other, smaller number first.
    silent: HashSet<(NodeId, NodeId)>,
    /// Nodes that accept no connection.
    down: HashSet<NodeId>,
}

fn pair(a: NodeId, b: NodeId) -> (NodeId, NodeId) {
    (a.min(b), a.max(b))
}

impl Network {
    pub fn new(rng: Rng) -> Network {
        Network {
            rng,
            now_ms: 0,
            conns: BTreeMap::new(),
            next_id: 1,
            silent: HashSet::new(),
            down: HashSet::new(),
        }
    }

    fn arrival_ms(&mut self) -> u64 {
        self.now_ms + 1 + self.rng.below(30)
    }

    pub fn connect(&mut self, from: NodeId, to: NodeId) -> ConnId {
        let id = self.next_id;
        self.next_id += 1;
        let at = self.arrival_ms();
        let accepted = VecDeque::from([(at, Item::Accepted)]);
        let queues = [VecDeque::new(), accepted];
        self.conns.insert(
            id,
            Conn {
                ends: [from, to],
                queues,
                open: [true, true],
            },
        );
        id
    }

    fn side(conn: &Conn, node: NodeId) -> usize {
        usize::from(conn.ends[0] != node)
    }

    fn push(&mut self, id: ConnId, side: usize, item: Item) {
        let at = self.arrival_ms();
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        if conn.open[side] {
            let not_before = conn.queues[side]
                .back()
                .map_or(at, |(last, _)| at.max(*last));
            conn.queues[side].push_back((not_before, item));
        }
    }

    /// Sends what fits and says how much that was.
    pub fn send(&mut self, id: ConnId, from: NodeId, bytes: &[u8]) -> usize {
        let Some(conn) = self.conns.get(&id) else {
            return bytes.len();
        };
        let to = 1 - Self::side(conn, from);
        let size = |item: &Item| {
            if let Item::Bytes(bytes) = item {
                bytes.len()
            } else {
                0
            }
        };
        let full: usize = conn.queues[to].iter().map(|(_, item)| size(item)).sum();
        let fits = PIPE_BYTES.saturating_sub(full).min(bytes.len());
        if fits > 0 {
            self.push(id, to, Item::Bytes(bytes[..fits].to_vec()));
        }
        fits
    }

    /// One end closes the connection; it hears nothing of it any more.
    pub fn close(&mut self, id: ConnId, node: NodeId) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let side = Self::side(conn, node);
        conn.open[side] = false;
        conn.queues[side].clear();
        self.push(id, 1 - side, Item::Closed);
    }

    /// Breaks every connection between two nodes; what is under way is lost.
    pub fn reset(&mut self, a: NodeId, b: NodeId) {
        self.reset_where(|conn| pair(conn.ends[0], conn.ends[1]) == pair(a, b));
    }

    /// A node dies: all its connections break, and it accepts no new ones.
    pub fn take_down(&mut self, node: NodeId) {
        self.reset_where(|conn| conn.ends.contains(&node));
        self.down.insert(node);
    }

    pub fn bring_up(&mut self, node: NodeId) {
        self.down.remove(&node);
    }

    fn reset_where(&mut self, broken: impl Fn(&Conn) -> bool) {
        let ids: Vec<ConnId> = self
            .conns
            .iter()
            .filter(|(_, conn)| broken(conn))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            for side in [0, 1] {
                self.conns.get_mut(&id).expect("just found").queues[side].clear();
                self.push(id, side, Item::Closed);
            }
        }
    }

    pub fn silence(&mut self, a: NodeId, b: NodeId) {
        self.silent.insert(pair(a, b));
    }

    pub fn heal(&mut self) {
        self.silent.clear();
    }

    /// The next thing that arrives anywhere by now, if anything does.
    pub fn receive(&mut self) -> Option<(ConnId, NodeId, Item)> {
        let now_ms = self.now_ms;
        let found = self.conns.iter().find_map(|(&id, conn)| {
            if self.silent.contains(&pair(conn.ends[0], conn.ends[1])) {
                return None;
            }
            let due = |side: &usize| conn.queues[*side].front().is_some_and(|i| i.0 <= now_ms);
            [0, 1].into_iter().find(due).map(|side| (id, side))
        });
        let (id, side) = found?;
        let conn = self.conns.get_mut(&id).expect("just found");
        let node = conn.ends[side];
        let (at, mut item) = conn.queues[side].pop_front().expect("just seen");
        match &mut item {
            Item::Accepted if self.down.contains(&node) => {
                conn.open[side] = false;
                self.push(id, 0, Item::Refused);
                return self.receive();
            }
            Item::Accepted => self.push(id, 0, Item::Connected),
            Item::Bytes(bytes) if bytes.len() > 1 && self.rng.below(3) == 0 => {
                let cut = 1 + self.rng.below(bytes.len() as u64 - 1) as usize;
                let rest = bytes.split_off(cut);
                conn.queues[side].push_front((at, Item::Bytes(rest)));
            }
            Item::Closed | Item::Refused => conn.open[side] = false,
            _ => {}
        }
        self.conns.retain(|_, conn| conn.open[0] || conn.open[1]);
        Some((id, node, item))
    }
}
