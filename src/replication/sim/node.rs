//! A server around the machines: sockets, data set, child, load. The least that keeps the contract.

use super::clients::Client;
use super::data::{Data, Snapshot};
use super::network::{ConnId, Item, Network, NodeId};
use super::parse;
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::replication::*;
use std::collections::{BTreeMap, VecDeque};

/// A snapshot that is being made.
pub(super) struct Save {
    snapshot: Snapshot,
    target: SnapshotTarget,
    done_at_ms: u64,
    succeeds: bool,
    /// Through sockets: what each receiver has still to get.
    pub(super) left: BTreeMap<ClientId, VecDeque<u8>>,
}

/// A snapshot that is arriving.
struct Arrival {
    target: LoadTarget,
    bytes: Vec<u8>,
    /// When the load of it ends.
    done_at_ms: Option<u64>,
}

/// Our connection to our master.
struct Upstream {
    conn: ConnId,
    open: bool,
    stream: Vec<u8>,
    db: u32,
}

pub(super) struct Node {
    pub id: NodeId,
    pub repl: Replication,
    pub data: Data,
    /// The snapshot file.
    pub disk: Option<Snapshot>,
    pub(super) clients: BTreeMap<ClientId, Client>,
    upstream: Option<Upstream>,
    pub(super) save: Option<Save>,
    arrival: Option<Arrival>,
    rng: Rng,
    now_ms: u64,
    next_tick_ms: u64,
}

impl Node {
    /// A server that starts with what its snapshot file holds, as a replica of `master` or as a
    /// master.
    pub fn start(
        id: NodeId,
        now_ms: u64,
        settings: Settings,
        disk: Option<Snapshot>,
        master: Option<NodeId>,
        mut rng: Rng,
    ) -> Node {
        let own = Rng::from_seed(rng.next_u64());
        let mut node = Node {
            id,
            repl: Replication::new(settings, own, at(now_ms)),
            data: Data::default(),
            disk: None,
            clients: BTreeMap::new(),
            upstream: None,
            save: None,
            arrival: None,
            rng,
            now_ms,
            next_tick_ms: now_ms,
        };
        if let Some(master) = master {
            node.repl.start_as_replica_of(&format!("n{master}"), 6379);
        }
        if let Some(snapshot) = &disk {
            node.data = snapshot.data;
            if let Some(saved) = snapshot.saved {
                node.repl.restore(saved, node.env(), &mut Vec::new());
            }
        }
        node.disk = disk;
        node
    }

    pub(super) fn env(&self) -> Env {
        Env {
            now: at(self.now_ms),
            child: if self.save.is_some() {
                Child::Save
            } else {
                Child::None
            },
            dataset_empty: self.data.is_empty(),
        }
    }

    /// What a snapshot made now would hold.
    pub fn snapshot(&mut self) -> Snapshot {
        let filler = self.rng.below(20_000) as usize;
        Snapshot {
            data: self.data,
            saved: self.repl.saved_identity(),
            filler,
        }
    }

    /// A client writes, `count` commands in one go; more than one make a transaction.
    pub fn write(&mut self, count: u64) {
        let db = self.rng.below(3) as u32;
        if count > 1 {
            self.repl.feed(Some(db), &wire::command(&[b"MULTI"]));
        }
        for _ in 0..count {
            let size = self.rng.below(400) as usize;
            let value = format!("{:x}{}", self.rng.next_u64(), "v".repeat(size));
            let command = wire::command(&[b"WRITE", value.as_bytes()]);
            self.data.write(db, value.as_bytes());
            self.repl.feed(Some(db), &command);
        }
        if count > 1 {
            self.repl.feed(Some(db), &wire::command(&[b"EXEC"]));
        }
    }

    pub fn replicaof(&mut self, net: &mut Network, master: Option<NodeId>) {
        let (env, mut out) = (self.env(), Vec::new());
        match master {
            Some(master) => {
                self.repl
                    .replicaof(&format!("n{master}"), 6379, "sim", env, &mut out);
            }
            None => self.repl.replicaof_no_one("sim", env, &mut out),
        }
        self.carry_out(net, out, &[]);
    }

    // ---- What arrives ----

    pub fn on_item(&mut self, net: &mut Network, conn: ConnId, item: Item) {
        self.now_ms = net.now_ms;
        if self
            .upstream
            .as_ref()
            .is_some_and(|upstream| upstream.conn == conn)
        {
            self.on_master_item(net, item);
        } else {
            self.on_client_item(net, conn, item);
        }
    }

    fn on_master_item(&mut self, net: &mut Network, item: Item) {
        let (env, mut out) = (self.env(), Vec::new());
        match item {
            Item::Connected => {
                self.upstream.as_mut().expect("it is ours").open = true;
                self.repl.on_connected(env, &mut out);
            }
            Item::Refused | Item::Closed => {
                let upstream = self.upstream.take().expect("it was ours");
                net.close(upstream.conn, self.id);
                if upstream.open {
                    let closed = Closed::Lost("connection lost".into());
                    self.repl.on_master_closed(closed, env, &mut out);
                } else {
                    let failure = ConnectFailure::Socket("Connection refused".into());
                    self.repl.on_connect_failed(failure, env, &mut out);
                }
            }
            Item::Bytes(bytes) => {
                let taken = self.repl.on_master_bytes(&bytes, env, &mut out);
                self.carry_out(net, std::mem::take(&mut out), &bytes);
                if taken < bytes.len() {
                    let upstream = self
                        .upstream
                        .as_mut()
                        .expect("stream comes while it is open");
                    upstream.stream.extend_from_slice(&bytes[taken..]);
                }
            }
            Item::Accepted => unreachable!("we connected"),
        }
        self.carry_out(net, out, &[]);
    }

    // ---- What the machines ask for ----

    pub(super) fn carry_out(&mut self, net: &mut Network, actions: Vec<Action>, input: &[u8]) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            let mut answers = Vec::new();
            if !self.carry_out_for_link(net, &action, input, &mut answers) {
                self.carry_out_for_source(net, action, &mut answers);
            }
            queue.extend(answers);
        }
        self.repl.check_invariants();
    }

    /// Actions of the link to our master. Returns whether it was one.
    fn carry_out_for_link(
        &mut self,
        net: &mut Network,
        action: &Action,
        input: &[u8],
        answers: &mut Vec<Action>,
    ) -> bool {
        let env = self.env();
        match action {
            Action::Connect { host, .. } => {
                assert!(self.upstream.is_none(), "one connection at a time");
                let master = host[1..].parse().expect("a node's number");
                let conn = net.connect(self.id, master);
                self.upstream = Some(Upstream {
                    conn,
                    open: false,
                    stream: Vec::new(),
                    db: 0,
                });
            }
            Action::SendMaster(bytes) => {
                if let Some(upstream) = &self.upstream {
                    net.send(upstream.conn, self.id, bytes);
                }
            }
            Action::CloseMaster => {
                if let Some(upstream) = self.upstream.take() {
                    net.close(upstream.conn, self.id);
                }
            }
            Action::BeginSnapshot { target, .. } => {
                let arrival = Arrival {
                    target: *target,
                    bytes: Vec::new(),
                    done_at_ms: None,
                };
                assert!(
                    self.arrival.replace(arrival).is_none(),
                    "one snapshot at a time"
                );
                if *target == LoadTarget::Memory {
                    self.data.write(0, b"half a snapshot");
                }
            }
            Action::SnapshotData(range) => self.arriving().extend_from_slice(&input[range.clone()]),
            Action::SnapshotHeld(bytes) => self.arriving().extend_from_slice(bytes),
            Action::EndSnapshot => self.on_snapshot_complete(env, answers),
            Action::AbortSnapshot => {
                assert!(self.arrival.take().is_some(), "a snapshot to abort");
            }
            Action::FlushData => {
                self.save = None;
                self.data = Data::default();
            }
            Action::LoadSnapshot => {
                self.data.write(0, b"half a snapshot");
                self.load_takes_a_while();
            }
            Action::SwapData => {}
            Action::StartStream { db } => {
                if let Some(upstream) = &mut self.upstream {
                    upstream.db = *db;
                }
            }
            _ => return false,
        }
        true
    }

    fn arriving(&mut self) -> &mut Vec<u8> {
        &mut self.arrival.as_mut().expect("a snapshot that began").bytes
    }

    fn load_takes_a_while(&mut self) {
        let done_at_ms = self.now_ms + self.rng.below(1500);
        self.arrival
            .as_mut()
            .expect("a snapshot to load")
            .done_at_ms = Some(done_at_ms);
    }

    fn on_snapshot_complete(&mut self, env: Env, answers: &mut Vec<Action>) {
        let arrival = self.arrival.as_ref().expect("a snapshot that ended");
        if arrival.target != LoadTarget::Disk {
            return self.load_takes_a_while();
        }
        if self.rng.below(20) == 0 {
            let reason = "Failed trying to rename the temp DB";
            return self.repl.on_snapshot_failed(reason, env, answers);
        }
        self.disk = Some(Snapshot::parse(&arrival.bytes));
        self.repl.on_snapshot_stored(env, answers);
    }

    fn carry_out_for_source(
        &mut self,
        net: &mut Network,
        action: Action,
        answers: &mut Vec<Action>,
    ) {
        match action {
            Action::SendReplica { client, bytes } => {
                let client = self
                    .clients
                    .get_mut(&client)
                    .expect("a replica is a client");
                client.output.extend(bytes);
            }
            Action::CloseReplica { client } => {
                self.clients.remove(&client).expect("a replica is a client");
                net.close(client as ConnId, self.id);
            }
            Action::RefuseReplica { client, bytes } => {
                let client = self
                    .clients
                    .get_mut(&client)
                    .expect("a replica is a client");
                client.output.extend(bytes);
                client.closing = true;
            }
            Action::StartSnapshot { target, .. } => self.start_save(target, answers),
            Action::StopSnapshot => self.save = None,
            Action::SendFile { client } => self.send_file(client, answers),
            // Shown with the failure, or by the one run that `replay` makes.
            Action::Log(_, text) => println!("{:>7} node {}: {text}", self.now_ms, self.id),
            Action::RoleChanged => {}
            other => panic!("nobody carries out {other:?}"),
        }
    }

    fn start_save(&mut self, target: SnapshotTarget, answers: &mut Vec<Action>) {
        assert!(self.save.is_none(), "one child at a time");
        if self.rng.below(20) == 0 {
            return self.repl.on_snapshot_not_started(self.env(), answers);
        }
        let snapshot = self.snapshot();
        self.save = Some(Save {
            snapshot,
            target,
            done_at_ms: self.now_ms + self.rng.below(3000),
            succeeds: self.rng.below(12) > 0,
            left: BTreeMap::new(),
        });
        self.repl.on_snapshot_started(self.env(), answers);
        if let SnapshotTarget::Sockets { mark } = target {
            let body = snapshot.to_bytes();
            let whole = [b"$EOF:".as_slice(), &mark, b"\r\n", &body, &mark].concat();
            let receivers = self.repl.snapshot_receivers();
            let left = receivers
                .map(|client| (client, VecDeque::from(whole.clone())))
                .collect();
            self.save.as_mut().expect("just begun").left = left;
        }
    }

    fn send_file(&mut self, id: ClientId, answers: &mut Vec<Action>) {
        let env = self.env();
        let Some(snapshot) = self.disk.filter(|_| self.rng.below(20) > 0) else {
            return self.repl.on_file_failed(id, "No such file", env, answers);
        };
        let bytes = snapshot.to_bytes();
        self.repl
            .on_file_opened(id, bytes.len() as u64, env, answers);
        let client = self.clients.get_mut(&id).expect("a replica is a client");
        client.file = Some(VecDeque::from(bytes));
    }

    // ---- Time ----

    pub fn step(&mut self, net: &mut Network) {
        self.now_ms = net.now_ms;
        self.finish_load(net);
        self.finish_save(net);
        self.run_stream(net);
        if self.now_ms >= self.next_tick_ms {
            self.next_tick_ms = self.now_ms + 100;
            let mut out = Vec::new();
            self.repl.tick(self.env(), &mut out);
            self.carry_out(net, out, &[]);
        }
        self.repl.before_sleep();
        self.flush_save(net);
        self.flush_clients(net);
    }

    fn finish_load(&mut self, net: &mut Network) {
        let done = |arrival: &Arrival| arrival.done_at_ms.is_some_and(|done| done <= self.now_ms);
        if !self.arrival.as_ref().is_some_and(done) {
            return;
        }
        let mut out = Vec::new();
        if self.rng.below(20) == 0 {
            self.repl.on_load_failed(self.env(), &mut out);
        } else {
            let arrival = self.arrival.take().expect("just seen");
            let snapshot = Snapshot::parse(&arrival.bytes);
            self.data = snapshot.data;
            let db = snapshot.saved.map(|saved| saved.stream_db);
            self.repl.on_load_finished(db, self.env(), &mut out);
        }
        self.carry_out(net, out, &[]);
    }

    fn finish_save(&mut self, net: &mut Network) {
        let done = |save: &Save| save.done_at_ms <= self.now_ms && save.left.is_empty();
        if !self.save.as_ref().is_some_and(done) {
            return;
        }
        let save = self.save.take().expect("just seen");
        if save.succeeds && save.target == SnapshotTarget::Disk {
            self.disk = Some(save.snapshot);
        }
        let mut out = Vec::new();
        self.repl
            .on_snapshot_finished(save.succeeds, self.env(), &mut out);
        self.carry_out(net, out, &[]);
    }

    /// Runs some of the commands that our master sent; a transaction at once.
    fn run_stream(&mut self, net: &mut Network) {
        for _ in 0..self.rng.below(40) {
            if !self.repl.is_link_up() {
                return;
            }
            let Some(upstream) = &mut self.upstream else {
                return;
            };
            let Some((commands, length)) = parse::unit(&upstream.stream) else {
                return;
            };
            let bytes: Vec<u8> = upstream.stream.drain(..length).collect();
            let mut wants_ack = false;
            for args in commands {
                match args.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] {
                    [b"WRITE", value] => self.data.write(upstream.db, value),
                    [b"SELECT", db] => {
                        upstream.db = String::from_utf8_lossy(db).parse().expect("a number");
                    }
                    [b"REPLCONF", b"GETACK", _] => wants_ack = true,
                    [b"PING"] | [b"MULTI"] | [b"EXEC"] => {}
                    ref other => panic!("unexpected in the stream: {other:?}"),
                }
            }
            let db = upstream.db;
            let mut out = Vec::new();
            if wants_ack {
                self.repl.on_getack(self.env(), &mut out);
            }
            self.repl.on_applied(&bytes, db);
            self.carry_out(net, out, &[]);
        }
    }

    fn flush_save(&mut self, net: &mut Network) {
        let Some(save) = &mut self.save else { return };
        for (&client, left) in &mut save.left {
            if !self.clients[&client].output.is_empty() {
                continue;
            }
            let whole = left.len();
            send_some(net, client as ConnId, self.id, left);
            let progressed = left.len() < whole;
            self.repl.on_transfer(client, progressed, at(self.now_ms));
        }
        save.left.retain(|_, left| !left.is_empty());
    }
}

/// Sends from the front of a queue what the pipe takes.
pub(super) fn send_some(net: &mut Network, conn: ConnId, from: NodeId, queue: &mut VecDeque<u8>) {
    let sent = net.send(conn, from, queue.make_contiguous());
    queue.drain(..sent);
}

fn at(now_ms: u64) -> Now {
    Now::at_unix_ms(1_700_000_000_000 + now_ms as i64)
}
