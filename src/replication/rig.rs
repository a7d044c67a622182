//! The rig of the unit tests: one server's replication, a clock, and the actions it asked for.

use super::extensions::Extensions;
use super::*;

/// A place of a stream, of which only the selected database is known.
pub(super) fn in_db(db: u32) -> StreamPlace {
    StreamPlace {
        db: Some(db),
        sum: None,
    }
}

/// One server under test. Every event goes through a method here; what the machine asks for piles
/// up until a test takes it.
pub(super) struct Rig {
    pub repl: Replication,
    pub facts: Facts,
    pub out: Vec<Action>,
}

impl Rig {
    pub fn new(settings: ReplicationSettings) -> Rig {
        let now = Now::at_unix_ms(1_700_000_000_000);
        let mut rig = Rig {
            repl: Replication::new(settings, Rng::from_seed(7), now),
            facts: Facts {
                now,
                child: RunningChild::None,
                dataset_empty: false,
                fsynced_offset: None,
            },
            out: Vec::new(),
        };
        // The first tick begins the first second.
        rig.repl.tick(rig.facts, &mut rig.out);
        rig
    }

    /// A server that has asked to connect to a master at `m:6379`.
    pub fn connecting(settings: ReplicationSettings) -> Rig {
        let mut rig = Rig::new(settings);
        rig.repl
            .replicaof("m", 6379, "test", rig.facts, &mut rig.out);
        rig
    }

    /// A server whose link is up, at `offset` of history `id`, after a snapshot of ten bytes.
    pub fn streaming(id: &str, offset: u64) -> Rig {
        let mut rig = Rig::connecting(ReplicationSettings::default());
        rig.handshake();
        rig.bytes(format!("+FULLRESYNC {id} {offset}\r\n$10\r\n0123456789").as_bytes());
        rig.inspected(true);
        rig.repl.on_snapshot_stored(rig.facts, &mut rig.out);
        rig.repl.on_load_finished(in_db(0), rig.facts, &mut rig.out);
        assert!(rig.repl.is_link_up());
        rig.out.clear();
        rig
    }

    /// The handshake up to our `PSYNC`, which is not answered yet. The master does not tell of its
    /// history if it is asked.
    pub fn handshake(&mut self) {
        self.repl.on_connected(self.facts, &mut self.out);
        self.bytes(b"+PONG\r\n");
        self.bytes(b"+OK\r\n+OK\r\n");
        let asks = |action: &Action| {
            let start = b"*2\r\n$4\r\nINFO";
            matches!(action, Action::SendMaster(bytes) if bytes.starts_with(start))
        };
        if self.out.iter().any(asks) {
            self.bytes(b"-NOPERM\r\n");
        }
    }

    /// The same with a master of ours that compares sums, up to what only such a master is told.
    pub fn handshake_with_ours(&mut self) {
        self.handshake_with(Extensions::SUM);
    }

    /// The same with a master of ours that can do that.
    pub fn handshake_with(&mut self, extensions: Extensions) {
        self.repl.on_connected(self.facts, &mut self.out);
        self.bytes(b"+PONG\r\n");
        self.sent();
        let words = extensions.text();
        self.bytes(&[b"+OK\r\n+OK ", &words[..], b"\r\n"].concat());
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> usize {
        let taken = self.repl.on_master_bytes(bytes, self.facts, &mut self.out);
        self.repl.check_invariants();
        taken
    }

    /// The driver has looked whether the snapshot that has come holds a key.
    pub fn inspected(&mut self, has_keys: bool) {
        self.repl
            .on_snapshot_inspected(has_keys, self.facts, &mut self.out);
        self.repl.check_invariants();
    }

    pub fn closed(&mut self) {
        let closed = Closed::Lost("Connection reset by peer".into());
        self.repl
            .on_master_closed(closed, self.facts, &mut self.out);
        self.repl.check_invariants();
    }

    /// Runs bytes that came over the stream, all at once.
    pub fn stream(&mut self, bytes: &[u8]) {
        assert_eq!(self.bytes(bytes), 0, "stream is left to the driver");
        self.repl.on_applied(bytes, 0);
    }

    pub fn replconf(&mut self, client: ClientId, line: &str) -> ReplconfReply {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.repl
            .on_replconf(client, &args, self.facts, &mut self.out)
    }

    /// A modern replica introduces itself and sends `PSYNC id offset`.
    pub fn psync(&mut self, client: ClientId, id: &str, offset: &str) -> SyncReply {
        self.replconf(client, &format!("listening-port {}", 7000 + client));
        self.replconf(client, "capa eof capa psync2");
        self.sync(client, id, offset)
    }

    /// `PSYNC id offset` without an introduction.
    pub fn sync(&mut self, client: ClientId, id: &str, offset: &str) -> SyncReply {
        self.request(client, id, offset, None)
    }

    /// A modern replica sends `PSYNC id offset FAILOVER`.
    pub fn hand_over(&mut self, client: ClientId, id: &str, offset: &str) -> SyncReply {
        self.replconf(client, "capa eof capa psync2");
        self.request(client, id, offset, Some("FAILOVER"))
    }

    /// `PSYNC` with or without a word behind the offset.
    pub fn request(
        &mut self,
        client: ClientId,
        id: &str,
        offset: &str,
        option: Option<&str>,
    ) -> SyncReply {
        let request = SyncRequest::Psync {
            id: id.as_bytes(),
            offset: offset.as_bytes(),
            option: option.map(str::as_bytes),
        };
        let client = SyncClient {
            id: client,
            ip: Some("10.0.0.9"),
            description: "id=7",
            has_pending_output: false,
        };
        let reply = self
            .repl
            .on_sync(&client, request, self.facts, &mut self.out);
        self.repl.check_invariants();
        reply
    }

    /// The driver forked as asked.
    pub fn forked(&mut self) {
        self.facts.child = RunningChild::Save;
        self.repl.on_snapshot_started(self.facts, &mut self.out);
        self.repl.check_invariants();
    }

    /// The child has ended.
    pub fn reaped(&mut self, succeeded: bool) {
        self.facts.child = RunningChild::None;
        self.repl
            .on_snapshot_finished(succeeded, self.facts, &mut self.out);
        self.repl.check_invariants();
    }

    /// A replica `client` that is online after a snapshot through a file.
    pub fn online(&mut self, client: ClientId) {
        self.psync(client, "?", "-1");
        self.forked();
        self.reaped(true);
        self.repl
            .on_file_opened(client, 10, self.facts, &mut self.out);
        self.repl.on_file_sent(client, self.facts, &mut self.out);
        self.out.clear();
    }

    /// Lets time pass, ticking ten times a second.
    pub fn pass_ms(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.facts.now = self.facts.now.plus_ms(100);
            self.repl.tick(self.facts, &mut self.out);
            self.repl.check_invariants();
        }
    }

    /// What was sent to our master since the last call, one behind the other.
    pub fn sent(&mut self) -> String {
        let mut text = Vec::new();
        for action in &self.out {
            if let Action::SendMaster(bytes) = action {
                text.extend_from_slice(bytes);
            }
        }
        self.out
            .retain(|action| !matches!(action, Action::SendMaster(_)));
        String::from_utf8(text).expect("ASCII")
    }

    /// What was sent to a replica since the last call, apart from the stream.
    pub fn told(&mut self, client: ClientId) -> String {
        let mut text = Vec::new();
        for action in &self.out {
            match action {
                Action::SendReplica { client: to, bytes } if *to == client => {
                    text.extend_from_slice(bytes);
                }
                _ => {}
            }
        }
        self.out.retain(|action| match action {
            Action::SendReplica { client: to, .. } => *to != client,
            _ => true,
        });
        String::from_utf8(text).expect("ASCII")
    }

    /// Reads everything from the log that a replica has before it, with the marks of time that
    /// stand there for it.
    pub fn read(&mut self, client: ClientId) -> String {
        let mut text = Vec::new();
        loop {
            let mark = self.repl.take_mark(client, self.facts.now);
            let bytes: Vec<u8> = self.repl.chunks(client).flatten().copied().collect();
            self.repl.on_sent(client, bytes.len());
            if mark.is_none() && bytes.is_empty() {
                return String::from_utf8(text).expect("ASCII");
            }
            text.extend(mark.into_iter().flatten().chain(bytes));
        }
    }

    /// Whether a log line with this text was written, since the actions were last cleared.
    pub fn logged(&self, text: &str) -> bool {
        self.out
            .iter()
            .any(|action| matches!(action, Action::Log(_, line) if line.contains(text)))
    }

    /// All actions but log lines, since the last call.
    pub fn actions(&mut self) -> Vec<Action> {
        let mut actions = std::mem::take(&mut self.out);
        actions.retain(|action| !matches!(action, Action::Log(..)));
        actions
    }

    #[track_caller]
    pub fn expect_logged(&self, text: &str) {
        assert!(self.logged(text), "not logged: {text}\n{:#?}", self.out);
    }

    #[track_caller]
    pub fn expect(&self, action: Action) {
        assert!(
            self.out.contains(&action),
            "not asked for: {action:?}\n{:#?}",
            self.out
        );
    }
}

/// Forty times the same letter.
pub(super) fn id(letter: char) -> String {
    letter.to_string().repeat(40)
}
