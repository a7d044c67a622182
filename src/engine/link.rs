//! Our connection to our master: the driver of the link machine.
//!
//! Bytes that come are shown to the machine first; what it leaves is stream, which waits in
//! [`MasterStream`] until it may be run. A snapshot goes where the machine says: to a temporary
//! file, or straight into a load.

use std::io::ErrorKind;
use std::ops::Range;

use super::Engine;
use super::incoming::Incoming;
use super::load_delay::LoadDelay;
use super::loading::{LoadFor, Loader};
use super::master_stream::MasterStream;
use super::outgoing::{ConnectError, ConnectProgress, Target};
use super::runtime::{FileOf, Runtime};
use super::snapshot::snapshot_path;
use super::waiting_stream::WaitingStream;
use super::world::{Job, Lifecycle, Socket, Transport, World};
use crate::base::disk::DiskFile;
use crate::base::errno::os_text;
use crate::commands::env::Env;
use crate::commands::garbage::Garbage;
use crate::commands::gates::Loading;
use crate::commands::session::{ClientInfo, Session};
use crate::replication::{Action, Closed, ConnectFailure, LoadTarget};

/// Bytes read from our master at once.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Reads in one tick.
const READS_PER_TICK_MAX: usize = 8;

/// Our side of the link to our master.
pub struct MasterLink<F> {
    /// The connection, by its number.
    connection: Option<usize>,
    /// What our master sends once we are in sync.
    pub stream: MasterStream,
    /// What it sends that has to wait and is too much for memory.
    pub waiting: WaitingStream<F>,
    /// The snapshot that is arriving, if it goes to a file.
    incoming: Option<Incoming<F>>,
    /// What came of one before the link broke.
    kept: Option<Incoming<F>>,
    /// Our master's socket may have more than was read.
    pub has_more: bool,
    inbuf: Vec<u8>,
}

impl<F: DiskFile> MasterLink<F> {
    /// No link.
    pub fn new(session_id: u64) -> MasterLink<F> {
        MasterLink {
            connection: None,
            stream: MasterStream::new(session_id),
            waiting: WaitingStream::new(),
            incoming: None,
            kept: None,
            has_more: false,
            inbuf: Vec::new(),
        }
    }

    /// The session that runs the stream, while it runs.
    pub fn session(&self) -> Option<&Session> {
        self.stream.session_in_use()
    }

    /// Whether a connection is the one to our master.
    pub fn is_on(&self, connection: usize) -> bool {
        self.connection == Some(connection)
    }
}

impl<W: World> Runtime<W> {
    /// Carries out the actions that concern our master's connection and what it sends.
    pub(super) fn carry_out_link(
        &mut self,
        env: &mut Env,
        action: Action,
        chunk: &[u8],
        more: &mut Vec<Action>,
    ) {
        match action {
            Action::Connect { host, port } => self.connect_master(env, host, port, more),
            Action::SendMaster(bytes) => {
                if let Some(connection) = self.link.connection {
                    self.outgoing.send(connection, &bytes);
                }
            }
            Action::CloseMaster => self.close_master(env),
            Action::BeginSnapshot { size, target } => self.begin_incoming(env, size, target, more),
            Action::SnapshotData(range) => self.take_incoming(env, chunk, range, more),
            Action::SnapshotHeld(bytes) => self.take_incoming(env, &bytes, 0..bytes.len(), more),
            Action::InspectSnapshot => self.inspect_incoming(env, more),
            Action::KeepLost(lost) => self.keep_lost(env, &lost, more),
            Action::EndSnapshot => self.end_incoming(env, more),
            Action::AbortSnapshot => {
                self.discard_incoming();
                self.end_load(env);
            }
            Action::KeepSnapshot => {
                self.drop_kept_snapshot();
                self.link.kept = self.link.incoming.take();
            }
            Action::ResumeSnapshot => self.link.incoming = self.link.kept.take(),
            Action::DropKeptSnapshot => self.drop_kept_snapshot(),
            Action::FlushData => self.flush_data(env),
            Action::LoadSnapshot => self.load_stored(env, more),
            Action::SwapData => self.swap_data(env),
            Action::StartStream { db, after } => {
                self.start_stream(env, db);
                self.world.tell_supervisor(Lifecycle::InSync(after));
            }
            action => unreachable!("carried out elsewhere: {action:?}"),
        }
    }

    // ---- The connection ----

    fn connect_master(&mut self, env: &mut Env, host: String, port: u16, more: &mut Vec<Action>) {
        let source = env.config.bind_source_addr.as_deref();
        let target = Target {
            host,
            port,
            from: source.map(|from| String::from_utf8_lossy(from).into_owned()),
            transport: Transport::encrypted(env.config.tls_replication),
            timeout_ms: u64::from(env.config.repl_timeout) * 1000,
            times_out: false,
        };
        match self.outgoing.open(target, &mut self.world) {
            Ok(connection) => self.link.connection = Some(connection),
            Err(e) => {
                let facts = self.facts_of(env);
                env.replication
                    .on_connect_failed(failure_of(e), facts, more);
            }
        }
    }

    /// Something has become of a connection that is ours.
    pub(super) fn on_master_progress(&mut self, env: &mut Env, progress: ConnectProgress) {
        match progress {
            ConnectProgress::Pending | ConnectProgress::Readable => {}
            ConnectProgress::Opened => {
                let connection = self.link.connection;
                let socket = connection.and_then(|key| self.outgoing.socket(key));
                if let Some(socket) = socket {
                    let (addr, local_addr) = socket.endpoints();
                    let master = ClientInfo {
                        addr,
                        local_addr,
                        fd: socket.descriptor(),
                        ..ClientInfo::NOBODY
                    };
                    self.link.stream.session_mut().set_client(Some(master));
                    self.drive(env, |r, e, out| r.on_connected(e, out));
                }
            }
            ConnectProgress::Failed(e) => {
                self.link.connection = None;
                self.drive(env, |r, facts, out| {
                    r.on_connect_failed(failure_of(e), facts, out)
                });
            }
        }
    }

    fn close_master(&mut self, env: &mut Env) {
        if let Some(connection) = self.link.connection.take() {
            self.outgoing.close(connection, &mut self.world);
        }
        self.link.has_more = false;
        self.link.stream.end();
        let waited = self.link.waiting.clear();
        self.close_elsewhere(waited);
        self.refresh_gates(env);
    }

    /// The link to our master is gone.
    pub(super) fn lose_master(&mut self, env: &mut Env, closed: Closed) {
        self.close_master(env);
        self.drive(env, |r, e, out| r.on_master_closed(closed, e, out));
    }

    /// Takes bytes of our master's stream: to be run, or to wait.
    pub(super) fn take_stream(&mut self, env: &Env, bytes: &[u8]) {
        let (link, waiting_max) = (&mut self.link, env.config.repl_sync_memory as usize);
        if link.waiting.is_empty() && !link.stream.is_held_beyond(waiting_max) {
            return link.stream.push(bytes);
        }
        let room = env.config.repl_spill_max_size;
        if link.waiting.is_empty() && !link.waiting.has_room_for(bytes.len(), room) {
            return link.stream.push(bytes);
        }
        link.waiting
            .push(self.world.disk(), &self.run_id, bytes, room);
    }

    // ---- A snapshot that arrives ----

    fn begin_incoming(
        &mut self,
        env: &mut Env,
        size: Option<u64>,
        target: LoadTarget,
        more: &mut Vec<Action>,
    ) {
        match target {
            LoadTarget::Disk => {
                let pid = self.world.pid();
                match Incoming::create(self.world.disk(), env.now, pid) {
                    Ok(incoming) => self.link.incoming = Some(incoming),
                    Err(e) => {
                        let facts = self.facts_of(env);
                        let reason = format!(
                            "Opening the temp file needed for MASTER <-> REPLICA synchronization: \
                             {}",
                            os_text(&e)
                        );
                        env.replication.on_snapshot_failed(&reason, facts, more);
                    }
                }
            }
            LoadTarget::Memory => {
                let loader = Loader::pushed(env, size, false, false);
                self.begin_load(env, loader);
            }
            LoadTarget::Swap { serve_reads } => {
                let loader = Loader::pushed(env, size, true, serve_reads);
                self.begin_load(env, loader);
            }
        }
    }

    fn take_incoming(
        &mut self,
        env: &mut Env,
        chunk: &[u8],
        range: Range<usize>,
        more: &mut Vec<Action>,
    ) {
        let bytes = &chunk[range];
        if let Some(incoming) = &mut self.link.incoming {
            if let Err(e) = incoming.write(bytes) {
                self.discard_incoming();
                let facts = self.facts_of(env);
                let reason = format!(
                    "Write error or short write writing to the DB dump file needed for MASTER <-> \
                     REPLICA synchronization: {}",
                    os_text(&e)
                );
                env.replication.on_snapshot_failed(&reason, facts, more);
            }
            return;
        }
        let Some(loader) = &mut self.loader else {
            return;
        };
        if let Err(e) = loader.push(bytes, env) {
            log::warn!("Failed trying to load the MASTER synchronization DB from socket: {e}");
            self.end_load(env);
            let facts = self.facts_of(env);
            env.replication.on_load_failed(facts, more);
        }
    }

    fn discard_incoming(&mut self) {
        if let Some(incoming) = self.link.incoming.take() {
            incoming.discard(self.world.disk());
        }
    }

    /// The server leaves: what has come of a snapshot is of no use to anybody.
    pub(super) fn drop_snapshots_from_master(&mut self) {
        self.discard_incoming();
        self.drop_kept_snapshot();
    }

    fn drop_kept_snapshot(&mut self) {
        if let Some(kept) = self.link.kept.take() {
            kept.discard(self.world.disk());
        }
    }

    /// Looks whether the snapshot that has come holds a key.
    fn inspect_incoming(&mut self, env: &mut Env, more: &mut Vec<Action>) {
        let facts = self.facts_of(env);
        let has_keys = match (&self.link.incoming, &self.loader) {
            (Some(incoming), _) => incoming.holds_key(self.world.disk()),
            // One that was cut short is found to be so at its end.
            (None, Some(loader)) => Ok(!loader.is_complete() || loader.holds_key_aside()),
            (None, None) => return,
        };
        match has_keys {
            Ok(has_keys) => env.replication.on_snapshot_inspected(has_keys, facts, more),
            Err(e) => {
                let reason = format!(
                    "The snapshot that came from MASTER cannot be looked into: {}",
                    os_text(&e)
                );
                env.replication.on_snapshot_failed(&reason, facts, more);
            }
        }
    }

    fn end_incoming(&mut self, env: &mut Env, more: &mut Vec<Action>) {
        if let Some(incoming) = self.link.incoming.take() {
            return self.store_incoming(env, incoming, more);
        }
        let facts = self.facts_of(env);
        let complete = self.loader.as_ref().is_some_and(Loader::is_complete);
        if complete {
            let place = self.loader.as_ref().map(Loader::stream_place);
            let place = place.unwrap_or_default();
            env.gates.loading = Loading::No;
            env.replication.on_load_finished(place, facts, more);
            // An aside set is swapped in by an action that follows; only then is the load over.
            if !more.contains(&Action::SwapData) {
                self.end_load(env);
            }
        } else if self.loader.is_some() {
            log::warn!(
                "Failed trying to load the MASTER synchronization DB from socket: cut short"
            );
            self.end_load(env);
            env.replication.on_load_failed(facts, more);
        }
    }

    fn store_incoming(
        &mut self,
        env: &mut Env,
        incoming: Incoming<FileOf<W>>,
        more: &mut Vec<Action>,
    ) {
        let facts = self.facts_of(env);
        match incoming.store(self.world.disk(), &snapshot_path(env)) {
            Ok(old) => {
                if let Some(old) = old {
                    self.world.submit(Job::Close(old));
                }
                env.replication.on_snapshot_stored(facts, more);
            }
            Err(e) => env
                .replication
                .on_snapshot_failed(&os_text(&e), facts, more),
        }
    }

    fn flush_data(&mut self, env: &mut Env) {
        self.switch_aof_off(env);
        self.kill_snapshot_child(env);
        self.empty_all(env, env.config.replica_lazy_flush);
        env.persistence.dirty = 0;
    }

    fn load_stored(&mut self, env: &mut Env, more: &mut Vec<Action>) {
        let path = snapshot_path(env);
        match Loader::from_file(self.world.disk(), env, &path, LoadFor::Sync) {
            Ok(loader) => self.begin_load(env, loader),
            Err(e) => {
                log::warn!(
                    "Failed trying to load the MASTER synchronization DB: {}",
                    os_text(&e)
                );
                let facts = self.facts_of(env);
                env.replication.on_load_failed(facts, more);
            }
        }
    }

    fn swap_data(&mut self, env: &mut Env) {
        let Some(mut loader) = self.end_load(env) else {
            return;
        };
        let Some(loaded) = loader.take_aside() else {
            return;
        };
        self.switch_aof_off(env);
        env.replacing_all(&loaded.keyspace);
        env.functions = loaded.functions;
        let mut old = std::mem::replace(&mut env.keyspace, loaded.keyspace);
        for db in old.clear() {
            self.free_garbage(Garbage::Db(Box::new(db)), true);
        }
    }

    fn start_stream(&mut self, env: &mut Env, db: u32) {
        let db = (db as usize).min(env.keyspace.n_dbs().saturating_sub(1));
        // What the file has is of another history, if it was switched off for a full sync.
        self.switch_aof_on_at_last(env);
        self.link.stream.start(db, env.now);
        self.refresh_gates(env);
    }
}

impl<W: World> Engine<W> {
    /// Reads what our master has sent, for a bounded number of reads.
    pub(super) fn read_master(&mut self) {
        let mut buf = std::mem::take(&mut self.runtime.link.inbuf);
        buf.reserve(READ_BYTES_MAX);
        for turn in 0..READS_PER_TICK_MAX {
            let Some(connection) = self.runtime.link.connection else {
                break;
            };
            if self.master_must_wait() {
                self.runtime.link.has_more = true;
                break;
            }
            let runtime = &mut self.runtime;
            let bytes_max = match &runtime.loader {
                Some(loader) if loader.is_self_driven() => READ_BYTES_MAX,
                Some(loader) => loader.slice_bytes(&self.env),
                None if runtime.link.stream.is_running() => READ_BYTES_MAX,
                // What is read may be the beginning of a snapshot.
                None => LoadDelay::default().slice_bytes(&self.env.config),
            };
            let Some(socket) = runtime.outgoing.socket(connection) else {
                break;
            };
            buf.clear();
            match socket.read_append(&mut buf, bytes_max) {
                Ok(0) => {
                    self.on_master_lost("connection lost".to_owned());
                    break;
                }
                Ok(n) => {
                    self.env.stats.net_repl_input_bytes += n as u64;
                    self.env.stats.total_reads += 1;
                    self.take_master_bytes(&buf);
                    // Read on even after a short read: behind it may stand the end of the
                    // stream, which came with the same event and will not be told again.
                    if turn + 1 == READS_PER_TICK_MAX {
                        self.runtime.link.has_more = true;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => {
                    self.on_master_lost(os_text(&e));
                    break;
                }
            }
        }
        self.runtime.link.inbuf = buf;
    }

    /// Whether no more may be read for now: what was read has not been run yet, there is no room
    /// for what has to wait, or the load that it goes into pauses.
    pub(super) fn master_must_wait(&self) -> bool {
        let (config, link) = (&self.env.config, &self.runtime.link);
        let waiting_max = (config.repl_sync_memory as usize).max(READ_BYTES_MAX);
        let waits = !link.waiting.is_empty() || link.stream.is_held_beyond(waiting_max);
        let room = config.repl_spill_max_size;
        link.stream.is_full()
            || waits && !link.waiting.has_room_for(READ_BYTES_MAX, room)
            || self.runtime.load_pauses(&self.env)
    }

    fn on_master_lost(&mut self, why: String) {
        let Engine { env, runtime, .. } = self;
        runtime.lose_master(env, Closed::Lost(why));
    }

    fn take_master_bytes(&mut self, bytes: &[u8]) {
        let Engine { env, runtime, .. } = self;
        let taken =
            runtime.drive_with_chunk(env, bytes, |r, e, out| r.on_master_bytes(bytes, e, out));
        // The machine may have given the connection up, and even begun the next one.
        let connection = runtime.link.connection;
        let is_open = connection.is_some_and(|key| runtime.outgoing.socket(key).is_some());
        if taken < bytes.len() && is_open {
            runtime.take_stream(env, &bytes[taken..]);
        }
        self.run_stream();
    }
}

fn failure_of(error: ConnectError) -> ConnectFailure {
    match error.begun {
        false => ConnectFailure::NotBegun(error.reason),
        true => ConnectFailure::Socket(error.reason),
    }
}
