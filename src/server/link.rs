//! Our connection to our master: the driver of the link machine.
//!
//! Connecting never blocks: an address is connected to without waiting, a name is resolved by a
//! thread of its own. Bytes that come are shown to the machine first; what it leaves is stream,
//! which is run here command by command with a session of its own, and reported back in the very
//! bytes in which it came, so that our own replicas see the same stream.
//!
//! A transaction of the stream is run when its `EXEC` has come, and reported as a whole.

use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::net::TcpStream;
use mio::{Interest, Waker};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::Server;
use super::helper::Job;
use super::hub::{Hub, Wake};
use super::incoming::Incoming;
use super::loading::{DELAYED_SLICE_BYTES, LoadFor, Loader};
use super::stream::Stream;
use crate::base::errno::os_text;
use crate::commands::context::Env;
use crate::commands::host::Garbage;
use crate::commands::session::Session;
use crate::replication::{Action, Closed, ConnectFailure, LoadTarget};
use crate::sys;

/// Bytes read from our master at once.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Reads in one tick.
const READS_PER_TICK_MAX: usize = 8;
/// While a snapshot is loaded, so much of the stream behind it is read; the rest waits at the
/// master, whose limit for us holds there.
const STREAM_WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The socket and where it stands.
enum Connection {
    /// There is none.
    None,
    /// A name is being resolved; a later wish has a later number.
    Resolving(u64),
    /// The connection is being made.
    Connecting(TcpStream),
    /// It is open.
    Open(TcpStream),
}

/// Our side of the link to our master.
pub struct MasterLink {
    socket: Connection,
    out: Vec<u8>,
    sent: usize,
    /// What it sends once we are in sync.
    pub stream: Stream,
    /// The snapshot that is arriving.
    incoming: Option<Incoming>,
    wishes: u64,
    resolved: Receiver<(u64, io::Result<SocketAddr>)>,
    resolver: Sender<(u64, io::Result<SocketAddr>)>,
    waker: Arc<Waker>,
    inbuf: Vec<u8>,
}

impl MasterLink {
    /// No link.
    ///
    /// # Errors
    ///
    /// The poll takes no waker.
    pub fn new(registry: &mio::Registry, session_id: u64) -> io::Result<MasterLink> {
        let (resolver, resolved) = channel();
        Ok(MasterLink {
            socket: Connection::None,
            out: Vec::new(),
            sent: 0,
            stream: Stream::new(session_id),
            incoming: None,
            wishes: 0,
            resolved,
            resolver,
            waker: Arc::new(Waker::new(registry, Wake::Resolver.token())?),
            inbuf: Vec::new(),
        })
    }

    /// The session that runs the stream, while it runs.
    pub fn session(&self) -> Option<&Session> {
        self.stream.running.then_some(&*self.stream.session)
    }

    fn resolve(&mut self, host: String, port: u16) {
        self.wishes += 1;
        let (wish, sender, waker) = (self.wishes, self.resolver.clone(), Arc::clone(&self.waker));
        self.socket = Connection::Resolving(wish);
        let find = move || {
            let answer = (host.as_str(), port)
                .to_socket_addrs()
                .and_then(|mut found| {
                    found
                        .next()
                        .ok_or_else(|| io::Error::from(ErrorKind::AddrNotAvailable))
                });
            let _ = sender.send((wish, answer));
            let _ = waker.wake();
        };
        if let Err(e) = std::thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(find)
        {
            let _ = self.resolver.send((wish, Err(e)));
            let _ = self.waker.wake();
        }
    }

    /// Closes the connection, or stops making one.
    pub fn close(&mut self, registry: &mio::Registry) {
        match &mut self.socket {
            Connection::Connecting(s) | Connection::Open(s) => {
                let _ = registry.deregister(s);
            }
            Connection::None | Connection::Resolving(_) => {}
        }
        self.socket = Connection::None;
        self.out.clear();
        self.sent = 0;
        self.stream.end();
    }
}

impl Hub {
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
                self.link.out.extend_from_slice(&bytes);
                self.flush_master();
            }
            Action::CloseMaster => {
                self.link.close(self.poll.registry());
                self.end_stream_session(env);
            }
            Action::BeginSnapshot { size, target } => self.begin_incoming(env, size, target, more),
            Action::SnapshotData(range) => self.take_incoming(env, &chunk[range], more),
            Action::SnapshotHeld(bytes) => self.take_incoming(env, &bytes, more),
            Action::EndSnapshot => self.end_incoming(env, more),
            Action::AbortSnapshot => {
                self.link.incoming = None;
                self.end_load(env);
            }
            Action::FlushData => self.flush_data(env),
            Action::LoadSnapshot => self.load_stored(env, more),
            Action::SwapData => self.swap_data(env),
            Action::StartStream { db } => self.start_stream(env, db),
            action => unreachable!("carried out elsewhere: {action:?}"),
        }
    }

    // ---- Connecting ----

    fn connect_master(&mut self, env: &mut Env, host: String, port: u16, more: &mut Vec<Action>) {
        match host.parse::<IpAddr>() {
            Ok(ip) => self.connect_address(env, SocketAddr::new(ip, port), more),
            Err(_) => self.link.resolve(host, port),
        }
    }

    fn connect_address(&mut self, env: &mut Env, address: SocketAddr, more: &mut Vec<Action>) {
        let source = env.config.bind_source_addr.as_deref();
        match begin_connect(address, source) {
            Ok(mut stream) => {
                let interest = Interest::READABLE | Interest::WRITABLE;
                let registry = self.poll.registry();
                if let Err(e) = registry.register(&mut stream, Wake::Master.token(), interest) {
                    return self.fail_connect(env, &e, more);
                }
                self.link.socket = Connection::Connecting(stream);
            }
            Err(e) => self.fail_connect(env, &e, more),
        }
    }

    fn fail_connect(&mut self, env: &mut Env, e: &io::Error, more: &mut Vec<Action>) {
        self.link.close(self.poll.registry());
        let facts = self.facts_of(env);
        let failure = ConnectFailure::NotBegun(os_text(e));
        env.replication.on_connect_failed(failure, facts, more);
    }

    /// Names were resolved.
    pub fn on_resolved(&mut self, env: &mut Env) {
        while let Ok((wish, answer)) = self.link.resolved.try_recv() {
            if !matches!(self.link.socket, Connection::Resolving(current) if current == wish) {
                continue;
            }
            let mut more = Vec::new();
            match answer {
                Ok(address) => self.connect_address(env, address, &mut more),
                Err(e) => self.fail_connect(env, &e, &mut more),
            }
            self.drive(env, |_, _, out| out.append(&mut more));
        }
    }

    fn flush_master(&mut self) {
        let link = &mut self.link;
        let Connection::Open(stream) = &mut link.socket else {
            return;
        };
        while link.sent < link.out.len() {
            match stream.write(&link.out[link.sent..]) {
                Ok(n) if n > 0 => link.sent += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // A full socket is told writable again; a broken one is told readable.
                _ => return,
            }
        }
        link.out.clear();
        link.sent = 0;
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
            LoadTarget::Disk => match Incoming::create(env.now.unix_s()) {
                Ok(incoming) => self.link.incoming = Some(incoming),
                Err(e) => {
                    let facts = self.facts_of(env);
                    let reason = format!(
                        "Opening the temp file needed for MASTER <-> REPLICA synchronization: {}",
                        os_text(&e)
                    );
                    env.replication.on_snapshot_failed(&reason, facts, more);
                }
            },
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

    fn take_incoming(&mut self, env: &mut Env, bytes: &[u8], more: &mut Vec<Action>) {
        if let Some(incoming) = &mut self.link.incoming {
            if let Err(e) = incoming.write(bytes) {
                self.link.incoming = None;
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

    fn end_incoming(&mut self, env: &mut Env, more: &mut Vec<Action>) {
        let facts = self.facts_of(env);
        if let Some(incoming) = self.link.incoming.take() {
            match incoming.store(&super::snapshot::snapshot_path(env)) {
                Ok(old) => {
                    if let Some(old) = old {
                        self.helper.submit(Job::Close(old));
                    }
                    env.replication.on_snapshot_stored(facts, more);
                }
                Err(e) => env
                    .replication
                    .on_snapshot_failed(&os_text(&e), facts, more),
            }
            return;
        }
        let complete = self.loader.as_ref().is_some_and(Loader::is_complete);
        if complete {
            let db = self.loader.as_ref().and_then(Loader::stream_db);
            env.gates.loading = crate::commands::context::Loading::No;
            env.replication.on_load_finished(db, facts, more);
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

    fn flush_data(&mut self, env: &mut Env) {
        self.kill_snapshot_child(env);
        self.empty_all(env, env.config.replica_lazy_flush);
        env.persistence.dirty = 0;
    }

    fn load_stored(&mut self, env: &mut Env, more: &mut Vec<Action>) {
        let path = super::snapshot::snapshot_path(env);
        match Loader::from_file(env, &path, LoadFor::Sync) {
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
        env.replacing_all(&loaded);
        let mut old = std::mem::replace(&mut env.keyspace, loaded);
        for db in old.clear() {
            self.free_garbage(Garbage::Db(Box::new(db)), true);
        }
    }

    // ---- The stream ----

    fn start_stream(&mut self, env: &mut Env, db: u32) {
        let stream = &mut self.link.stream;
        stream.session.db = (db as usize).min(env.keyspace.n_dbs().saturating_sub(1));
        stream.session.created_ms = env.now.mono_ms();
        stream.session.last_interaction_ms = env.now.mono_ms();
        stream.running = true;
        self.refresh_gates(env);
    }

    /// Closes the link to our master as if it had been lost (`CLIENT KILL`).
    pub fn lose_master(&mut self, env: &mut Env) {
        self.link.close(self.poll.registry());
        self.end_stream_session(env);
        let closed = Closed::Lost("connection lost".to_owned());
        self.drive(env, |r, e, out| r.on_master_closed(closed, e, out));
    }

    /// What follows from the end of the stream.
    pub fn end_stream_session(&mut self, env: &mut Env) {
        self.link.stream.running = false;
        self.refresh_gates(env);
    }
}

impl Server {
    /// Something happened at our master's socket.
    pub(super) fn on_master_event(&mut self, readable: bool, writable: bool) {
        if matches!(self.hub.link.socket, Connection::Connecting(_)) && !self.finish_connect() {
            return;
        }
        if writable {
            self.hub.flush_master();
        }
        if readable {
            self.read_master();
        }
    }

    /// Whether the connection is open now.
    fn finish_connect(&mut self) -> bool {
        let Server { env, hub, .. } = self;
        let Connection::Connecting(stream) = &hub.link.socket else {
            return false;
        };
        let failure = match stream.take_error() {
            Ok(Some(e)) | Err(e) => Some(e),
            Ok(None) => match stream.peer_addr() {
                Ok(_) => None,
                Err(e) if e.kind() == ErrorKind::NotConnected => return false,
                Err(e) => Some(e),
            },
        };
        if let Some(e) = failure {
            hub.link.close(hub.poll.registry());
            let failure = ConnectFailure::Socket(os_text(&e));
            hub.drive(env, |r, e, out| r.on_connect_failed(failure, e, out));
            return false;
        }
        let Connection::Connecting(stream) =
            std::mem::replace(&mut hub.link.socket, Connection::None)
        else {
            return false;
        };
        let _ = stream.set_nodelay(true);
        let peer = stream
            .peer_addr()
            .map(|a| super::listener::endpoint(&a))
            .unwrap_or_default();
        let own = stream
            .local_addr()
            .map(|a| super::listener::endpoint(&a))
            .unwrap_or_default();
        let session = &mut hub.link.stream.session;
        session.addr = peer;
        session.local_addr = own;
        session.fd = stream.as_raw_fd();
        hub.link.socket = Connection::Open(stream);
        hub.drive(env, |r, e, out| r.on_connected(e, out));
        true
    }

    fn read_master(&mut self) {
        let mut buf = std::mem::take(&mut self.hub.link.inbuf);
        buf.reserve(READ_BYTES_MAX);
        for turn in 0..READS_PER_TICK_MAX {
            let Connection::Open(stream) = &self.hub.link.socket else {
                break;
            };
            let waiting = &self.hub.link.stream;
            if !waiting.running && waiting.buf.len() >= STREAM_WAITING_BYTES_MAX {
                self.hub.master_waits = true;
                break;
            }
            if self.hub.load_pauses(&self.env) {
                self.hub.master_waits = true;
                break;
            }
            let bytes_max = if waiting.running || self.env.config.key_load_delay == 0 {
                READ_BYTES_MAX
            } else {
                DELAYED_SLICE_BYTES
            };
            buf.clear();
            match sys::read::read_append(stream.as_raw_fd(), &mut buf, bytes_max) {
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
                        self.hub.master_waits = true;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => {
                    self.on_master_lost(os_text(&e));
                    break;
                }
            }
        }
        self.hub.link.inbuf = buf;
    }

    fn on_master_lost(&mut self, why: String) {
        let Server { env, hub, .. } = self;
        hub.link.close(hub.poll.registry());
        hub.end_stream_session(env);
        hub.drive(env, |r, e, out| {
            r.on_master_closed(Closed::Lost(why), e, out)
        });
    }

    fn take_master_bytes(&mut self, bytes: &[u8]) {
        let Server { env, hub, .. } = self;
        let taken = hub.drive_with_chunk(env, bytes, |r, e, out| r.on_master_bytes(bytes, e, out));
        if taken < bytes.len() && matches!(hub.link.socket, Connection::Open(_)) {
            hub.link.stream.buf.extend_from_slice(&bytes[taken..]);
        }
        self.run_stream();
    }
}

/// Begins to connect without waiting.
fn begin_connect(address: SocketAddr, source: Option<&[u8]>) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    if let Some(source) = source.and_then(|s| std::str::from_utf8(s).ok())
        && let Ok(ip) = source.parse::<IpAddr>()
    {
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(e) => return Err(e),
    }
    SockRef::from(&socket).set_tcp_nodelay(true)?;
    Ok(TcpStream::from_std(socket.into()))
}
