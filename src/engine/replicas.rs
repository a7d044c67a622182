//! The driver of the replication machines: events in, actions carried out.
//!
//! Every event goes through [`Runtime::drive`], which carries out the machine's actions in order
//! and before anything else happens. An answer that is known at once (a child forked, a file
//! opened) is given at once; what follows from it joins the end of the queue.
//!
//! Here is also the master's side of the wire: what replicas are sent. A replica's bytes leave in
//! this order: what the machine said to it, the snapshot file, the log from its cursor, with marks
//! of time between its commands where it reads them.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};

use super::Engine;
use super::runtime::{Runtime, role_of};
use super::snapshot::SnapshotPurpose;
use super::world::{Socket, World};
use crate::commands::env::Env;
use crate::config::MasterAddress;
use crate::replication::{Action, Facts, Replication, RunningChild, SnapshotTarget};

/// Bytes of the log offered to a replica in one call.
const FEED_BYTES_MAX: usize = 1024 * 1024;
/// Slices in one call.
const FEED_SLICES_MAX: usize = 64;

impl<W: World> Runtime<W> {
    /// Gives the replication machines an event and carries out what follows.
    pub fn drive<R>(
        &mut self,
        env: &mut Env,
        event: impl FnOnce(&mut Replication, Facts, &mut Vec<Action>) -> R,
    ) -> R {
        self.drive_with_chunk(env, &[], event)
    }

    /// As [`drive`](Self::drive), for an event with bytes from our master that actions refer to.
    pub fn drive_with_chunk<R>(
        &mut self,
        env: &mut Env,
        chunk: &[u8],
        event: impl FnOnce(&mut Replication, Facts, &mut Vec<Action>) -> R,
    ) -> R {
        let mut out = std::mem::take(&mut self.actions);
        let facts = self.facts_of(env);
        let result = event(&mut env.replication, facts, &mut out);
        env.gates.replicas_missing = !env.replication.has_enough_replicas();
        if out.is_empty() {
            self.actions = out;
            return result;
        }
        let mut queue: VecDeque<Action> = out.into();
        while let Some(action) = queue.pop_front() {
            let mut more = Vec::new();
            self.carry_out(env, action, chunk, &mut more);
            queue.extend(more);
            env.gates.replicas_missing = !env.replication.has_enough_replicas();
        }
        result
    }

    /// The facts that the machines get with every event.
    pub fn facts_of(&self, env: &Env) -> Facts {
        Facts {
            now: env.now,
            child: if self.snapshots.is_saving() {
                RunningChild::Save
            } else if self.snapshots.is_running() {
                RunningChild::Other
            } else {
                RunningChild::None
            },
            dataset_empty: env.keyspace.is_empty(),
            fsynced_offset: env.persistence.fsynced_offset,
        }
    }

    fn carry_out(&mut self, env: &mut Env, action: Action, chunk: &[u8], more: &mut Vec<Action>) {
        match action {
            Action::SendReplica { client, bytes } => self.send_to_replica(client, &bytes),
            Action::CloseReplica { client } => {
                if let Some(key) = self.clients.key_of(client) {
                    self.clients[key].replica = None;
                    self.clients.close_now(key);
                }
            }
            Action::RefuseReplica { client, bytes } => self.refuse_replica(client, &bytes),
            Action::StartSnapshot { target, contents } => {
                let purpose = match target {
                    SnapshotTarget::Disk => SnapshotPurpose::ReplicasByDisk,
                    SnapshotTarget::Sockets { mark } => SnapshotPurpose::ReplicasBySocket { mark },
                };
                let started = self.start_snapshot(env, purpose, contents).is_ok();
                let facts = self.facts_of(env);
                if started {
                    env.replication.on_snapshot_started(facts, more);
                } else {
                    env.replication.on_snapshot_not_started(facts, more);
                }
            }
            Action::StopSnapshot => self.kill_snapshot_child(env),
            Action::OpenFile { client } => self.open_file(env, client, more),
            Action::SendFile { client } => self.begin_file(client),
            Action::KeepFile { client } => self.file_sends.keep(client),
            Action::TakeFile { client, from } => self.file_sends.take(client, from),
            Action::DropFile => self.file_sends.drop_kept(),
            Action::RoleChanged => self.on_role_changed(env),
            Action::HoldWrites(hold) => {
                env.stats
                    .turns
                    .note_hold(hold, env.replication.is_replica());
                self.pauses.hold_for_failover(hold);
                self.refresh_gates(env);
            }
            Action::Publish { channel, message } => {
                let (channel, message) = (channel.as_bytes(), message.as_bytes());
                env.pubsub.publish(channel, message, &mut env.outbox);
            }
            Action::Log(level, text) => log::log!(level, "{text}"),
            action => self.carry_out_link(env, action, chunk, more),
        }
    }

    fn send_to_replica(&mut self, client: u64, bytes: &[u8]) {
        let Some(key) = self.clients.key_of(client) else {
            return;
        };
        self.clients[key].output.append(bytes);
        self.clients.queue_write(key);
    }

    fn refuse_replica(&mut self, client: u64, bytes: &[u8]) {
        let Some(key) = self.clients.key_of(client) else {
            return;
        };
        let conn = &mut self.clients[key];
        conn.replica = None;
        conn.output.append(bytes);
        // A client refused by its own command is closed when that ends (`give_back`).
        if let Some(session) = conn.session.as_deref_mut() {
            session.activity.close_after_replies();
        }
        self.clients.queue_write(key);
    }

    /// The role has changed: what depends on it follows.
    fn on_role_changed(&mut self, env: &mut Env) {
        let role = role_of(env);
        let master = env.replication.master_address();
        env.config.replicaof = master.map(|(host, port)| MasterAddress {
            host: host.to_owned(),
            port,
        });
        env.gates.replica = env.replication.is_replica();
        env.stats.turns.note_role(env.gates.replica);
        if env.gates.replica {
            self.end_all_waits(env);
        }
        self.world.set_role(role, &env.config);
        if !env.gates.replica && self.loader.is_none() {
            // A sync that did not come about may have left us without the file.
            self.switch_aof_on_at_last(env);
        }
        self.refresh_gates(env);
    }

    /// Sends a replica what it has to get next, as far as its socket takes it.
    pub fn feed_replica(&mut self, key: usize, env: &mut Env) {
        let conn = &mut self.clients[key];
        let Some(client) = conn.replica else { return };
        if conn.output.pending() > 0 || conn.session().activity.is_closing() {
            return;
        }
        if self.file_sends.has(client) {
            return self.send_file_piece(key, client, env);
        }
        if let Some(range) = env.replication.cold_range(client) {
            return self.send_cold(key, client, range, env);
        }
        if self.send_mark(key, client, env) {
            self.send_log(key, client, env);
        }
    }

    /// Sends a replica the mark of time that it has come to, if it has come to one. Whether its
    /// socket takes more.
    fn send_mark(&mut self, key: usize, client: u64, env: &mut Env) -> bool {
        if let Some(mark) = env.replication.take_mark(client, env.now) {
            self.clients[key].output.append(&mark);
            self.clients.flush(key, env, &mut self.world);
        }
        let conn = self.clients.get(key);
        conn.is_some_and(|conn| conn.output.pending() == 0 && conn.replica.is_some())
    }

    fn send_log(&mut self, key: usize, client: u64, env: &mut Env) {
        let mut slices = [IoSlice::new(&[]); FEED_SLICES_MAX];
        let (mut count, mut offered) = (0, 0);
        for chunk in env.replication.chunks(client) {
            if count == FEED_SLICES_MAX || offered >= FEED_BYTES_MAX {
                break;
            }
            slices[count] = IoSlice::new(chunk);
            count += 1;
            offered += chunk.len();
        }
        let Runtime { clients, world, .. } = self;
        if offered == 0 {
            return clients.wait_writable(key, false, world);
        }
        let conn = &mut clients[key];
        let result = conn.socket.write_vectored(&slices[..count]);
        env.stats.total_writes += 1;
        match result {
            Ok(n) => {
                conn.bytes_out += n as u64;
                env.stats.net_repl_output_bytes += n as u64;
                env.replication.on_sent(client, n);
                if n < offered {
                    clients.wait_writable(key, true, world);
                } else if self.send_mark(key, client, env) {
                    let Runtime { clients, world, .. } = self;
                    if env.replication.chunks(client).next().is_some() {
                        clients.continue_writing(key, world);
                    } else {
                        clients.wait_writable(key, false, world);
                    }
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => clients.wait_writable(key, true, world),
            Err(e) if e.kind() == ErrorKind::Interrupted => clients.continue_writing(key, world),
            Err(e) => {
                log::debug!("Error writing to client: {e}");
                clients.close_now(key);
            }
        }
    }

    /// Offers the log to every replica that has something to read.
    pub(super) fn feed_replicas(&mut self, env: &mut Env) {
        let mut readers = std::mem::take(&mut self.readers);
        readers.extend(env.replication.readers());
        for client in readers.drain(..) {
            let Some(key) = self.clients.key_of(client) else {
                continue;
            };
            if !self.clients[key].wants_writable {
                self.feed_replica(key, env);
            }
        }
        self.spill_stream(env);
        // The log waits for replicas in the middle of their snapshot too.
        readers.extend(env.replication.source().clients());
        for client in readers.drain(..) {
            if let Some(key) = self.clients.key_of(client) {
                let pending = env.replication.replica_limited_bytes(client);
                self.clients.enforce_output_limit(key, pending, env);
            }
        }
        self.readers = readers;
    }
}

impl<W: World> Engine<W> {
    /// Goes on with a failover, now that the last command of the tick has run.
    pub(super) fn go_on_with_failover(&mut self) {
        let Engine { env, runtime, .. } = self;
        if env.replication.is_failing_over() {
            let may_ask = runtime.pauses.is_for_failover_only();
            runtime.drive(env, |r, e, out| r.go_on_with_failover(may_ask, e, out));
        }
    }
}
