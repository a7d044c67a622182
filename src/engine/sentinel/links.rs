//! The connections of the Sentinel, of which there may be thousands.
//!
//! The machine knows a connection by the number that it gave it, the engine by its own; a table
//! leads each way. A connection of which an end was told, or that the machine has closed, stands
//! in neither, so nothing more is told of it.
//!
//! A peer may send as much as it likes: so much is read of it in a tick and no more, and what is no
//! reply, or too large for one, ends the connection.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use crate::base::errno::os_text;
use crate::commands::env::Env;
use crate::engine::outgoing::{ConnectError, ConnectProgress, Target};
use crate::engine::runtime::Runtime;
use crate::engine::sentinel::state::Link;
use crate::engine::world::{Socket, Transport, World};
use crate::sentinel::{ConnId, Ends, LinkEnd};

/// Bytes read from a peer at once.
const READ_BYTES_MAX: usize = 16 * 1024;
/// Reads from a peer in one tick.
const READS_PER_TICK_MAX: usize = 8;
/// Bytes that wait for a peer to take them. One that takes none is of no use.
const UNSENT_BYTES_MAX: usize = 1024 * 1024;

/// Why a connection that was open is no more.
fn end_of(e: &io::Error) -> LinkEnd {
    match e.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => LinkEnd::Closed,
        _ => LinkEnd::Failed(os_text(e)),
    }
}

impl From<ConnectError> for LinkEnd {
    fn from(e: ConnectError) -> LinkEnd {
        match e.refused {
            true => LinkEnd::Refused,
            false => LinkEnd::Failed(e.reason),
        }
    }
}

/// Both ends of a connection; none of one that is broken already.
fn ends_of(socket: &impl Socket) -> Option<Ends> {
    let ip = |end: &str| -> Option<IpAddr> { Some(end.parse::<SocketAddr>().ok()?.ip()) };
    let (peer, local) = socket.endpoints();
    Some(Ends {
        peer: ip(&peer)?,
        local: ip(&local)?,
    })
}

impl<W: World> Runtime<W> {
    // ---- What the machine asks for ----

    pub(super) fn connect_sentinel(
        &mut self,
        env: &mut Env,
        conn: ConnId,
        host: String,
        port: u16,
        timeout_ms: u64,
    ) {
        let source = env.config.bind_source_addr.as_deref();
        let target = Target {
            host,
            port,
            from: source.map(|from| String::from_utf8_lossy(from).into_owned()),
            transport: Transport::encrypted(env.config.tls_replication),
            timeout_ms,
            times_out: true,
        };
        match self.outgoing.open(target, &mut self.world) {
            Ok(key) => self.sentinel.links.insert(conn, key),
            Err(e) => tell_end(env, conn, e.into()),
        }
    }

    pub(super) fn send_for_sentinel(&mut self, env: &mut Env, conn: ConnId, bytes: &[u8]) {
        let Some(link) = self.sentinel.links.by_conn.get(&conn) else {
            return;
        };
        self.outgoing.send(link.key, bytes);
        if self.outgoing.unsent_bytes(link.key) > UNSENT_BYTES_MAX {
            let why = "it takes nothing of what it is sent".to_owned();
            self.end_link(env, conn, LinkEnd::Failed(why));
        }
    }

    pub(super) fn close_for_sentinel(&mut self, conn: ConnId) {
        if let Some(key) = self.sentinel.links.remove(conn) {
            self.outgoing.close(key, &mut self.world);
        }
    }

    /// A connection is no more: it is closed here, too, and the machine is told.
    fn end_link(&mut self, env: &mut Env, conn: ConnId, end: LinkEnd) {
        self.close_for_sentinel(conn);
        tell_end(env, conn, end);
    }

    // ---- What happens to connections ----

    /// Something has become of a connection that may be the Sentinel's.
    pub(in crate::engine) fn on_sentinel_progress(
        &mut self,
        env: &mut Env,
        key: usize,
        progress: ConnectProgress,
        readable: bool,
    ) {
        let Some(conn) = self.sentinel.links.by_key.get(&key).copied() else {
            return;
        };
        match progress {
            ConnectProgress::Pending => {}
            ConnectProgress::Readable => {}
            ConnectProgress::Opened => self.note_open(env, conn, key),
            ConnectProgress::Failed(e) => {
                self.sentinel.links.remove(conn);
                return tell_end(env, conn, e.into());
            }
        }
        if readable {
            self.read_for_sentinel(env, conn);
        }
    }

    fn note_open(&mut self, env: &mut Env, conn: ConnId, key: usize) {
        let ends = (self.outgoing.socket(key)).and_then(|socket| ends_of(socket));
        match (ends, &mut env.sentinel) {
            (Some(ends), Some(sentinel)) => sentinel.on_connected(conn, ends, env.now),
            // It is over before it began.
            _ => self.end_link(env, conn, LinkEnd::Closed),
        }
    }

    /// Goes on with connections that had more than one tick takes.
    pub(in crate::engine) fn go_on_as_sentinel(&mut self, env: &mut Env) {
        for conn in std::mem::take(&mut self.sentinel.links.to_continue) {
            if let Some(link) = self.sentinel.links.by_conn.get_mut(&conn) {
                link.has_more = false;
                self.read_for_sentinel(env, conn);
            }
        }
    }

    /// Reads what a peer has sent, for a bounded number of reads, and tells the machine.
    fn read_for_sentinel(&mut self, env: &mut Env, conn: ConnId) {
        let mut input = std::mem::take(&mut self.sentinel.links.input);
        input.reserve(READ_BYTES_MAX);
        if let Err(end) = self.read_replies(env, conn, &mut input) {
            self.end_link(env, conn, end);
        }
        self.sentinel.links.input = input;
    }

    fn read_replies(
        &mut self,
        env: &mut Env,
        conn: ConnId,
        input: &mut Vec<u8>,
    ) -> Result<(), LinkEnd> {
        for _ in 0..READS_PER_TICK_MAX {
            let Some(link) = self.sentinel.links.by_conn.get_mut(&conn) else {
                return Ok(());
            };
            let Some(socket) = self.outgoing.socket(link.key) else {
                return Ok(());
            };
            input.clear();
            match socket.read_append(input, READ_BYTES_MAX) {
                Ok(0) => return Err(LinkEnd::Closed),
                Ok(_) => link.replies.feed(input),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(end_of(&e)),
            }
            let next = |link: &mut Link| {
                let reply = link.replies.next_reply();
                reply.map_err(|e| LinkEnd::Failed(e.to_string()))
            };
            while let Some(value) = next(link)? {
                if let Some(sentinel) = &mut env.sentinel {
                    sentinel.on_value(conn, value, env.now);
                }
            }
        }
        self.sentinel.links.note_more(conn);
        Ok(())
    }
}

fn tell_end(env: &mut Env, conn: ConnId, end: LinkEnd) {
    if let Some(sentinel) = &mut env.sentinel {
        sentinel.on_closed(conn, end, env.now);
    }
}
