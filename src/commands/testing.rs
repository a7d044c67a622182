//! A server without a server: commands run through the dispatcher against a real keyspace, at an
//! instant that the test sets, with a [`Host`] that only writes down what it is asked.
//!
//! A test reads as a dialogue:
//!
//! ```ignore
//! let mut rig = Rig::new();
//! assert_eq!(rig.run("SET a 1 EX 10"), "+OK\r\n");
//! rig.advance_ms(10_001);
//! assert_eq!(rig.run("GET a"), "$-1\r\n");
//! assert_eq!(rig.propagated(), ["SELECT 0", "SET a 1 PXAT 1700000010000", "DEL a"]);
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;

use super::FAMILIES;
use super::blocking;
use super::context::{CommandTable, Ctx};
use super::dispatch::{Outcome, process};
use super::env::Env;
use super::error::CmdError;
use super::garbage::Garbage;
use super::gates::PauseMode;
use super::host::{
    ClientFilter, ClientSizes, DebugRequest, Host, Leaving, Migration, MigrationOutcome,
    RewriteRequest, ServerFacts, ShutdownOptions,
};
use super::scripting::busy::Verdict;
use super::session::{ClientInfo, Session};
use super::table::Mode;
use crate::base::quoting::split_args;
use crate::base::rng::Rng;
use crate::base::time::Now;
use crate::config::{Apply, ClientsMemory, MasterAddress, Reason, Settings};
use crate::keyspace::Keyspace;
use crate::replication::{
    Facts, FailoverRequest, ReplId, Replication, ReplicationSettings, RunningChild, SavedIdentity,
};
use crate::resp::args::{Args, OwnedArgs};
use crate::resp::writer::{Protocol, Reply};
use crate::sentinel::testing::watching_one;
use crate::sys::clock::CycleClock;

/// When a rig's clock starts, in milliseconds since the epoch.
pub const START_MS: i64 = 1_700_000_000_000;

/// How much of the stream a rig keeps.
const WINDOW_BYTES: u64 = 1 << 24;

/// All commands under their own names.
fn table() -> &'static CommandTable {
    static TABLE: OnceLock<CommandTable> = OnceLock::new();
    TABLE.get_or_init(|| {
        CommandTable::build(Mode::Server, FAMILIES, &[]).expect("rows make a table")
    })
}

/// The same of a Sentinel.
fn table_of_sentinel() -> &'static CommandTable {
    static TABLE: OnceLock<CommandTable> = OnceLock::new();
    let build = || CommandTable::build(Mode::Sentinel, FAMILIES, &[]);
    TABLE.get_or_init(|| build().expect("rows make a table"))
}

/// One client and everything it talks to.
pub struct Rig {
    /// The subsystems, for a test to prepare and to look into.
    pub env: Env,
    /// The commands that it can run.
    pub table: &'static CommandTable,
    /// The client.
    pub session: Session,
    /// What the server was asked.
    pub host: FakeHost,
    told: u64,
}

impl Default for Rig {
    fn default() -> Rig {
        Rig::new()
    }
}

impl Rig {
    /// A master with an empty keyspace, default settings and a replication log, so that what is
    /// propagated can be seen.
    pub fn new() -> Rig {
        Rig::with(table())
    }

    /// A Sentinel, as [`watching_one`] makes it.
    pub fn of_sentinel() -> Rig {
        let mut rig = Rig::with(table_of_sentinel());
        rig.env.sentinel = Some(Box::new(watching_one(rig.env.now)));
        rig
    }

    fn with(table: &'static CommandTable) -> Rig {
        let now = Now::at_unix_ms(START_MS);
        let mut rng = Rng::from_seed(1);
        let config = Settings::default();
        let replication = a_master_with_a_log(now, &mut rng);
        let told = replication.identity().offset();
        let keyspace = Keyspace::new(config.databases as usize, [1, 2]);
        let clock = CycleClock::new();
        let env = Env::new(
            now,
            clock,
            rng,
            config,
            keyspace,
            replication,
            table.counted(),
        );
        let mut rig = Rig {
            table,
            session: Session::of_client(1, ClientInfo::NOBODY, &env.users),
            env,
            host: FakeHost::default(),
            told,
        };
        rig.advance_ms(0);
        rig
    }

    /// Runs one command, written as at `redis-cli`; gives the reply as it goes over the wire.
    pub fn run(&mut self, line: &str) -> String {
        let words = split_args(line.as_bytes()).expect("balanced quotes");
        self.run_words(&words)
    }

    /// Runs one command, word by word. Clients whose commands waited for what it did are served.
    pub fn run_words<W: AsRef<[u8]>>(&mut self, words: &[W]) -> String {
        String::from_utf8_lossy(&self.run_bytes(words)).into_owned()
    }

    /// The same, where the reply need not be text.
    pub fn run_bytes<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Vec<u8> {
        let owned = OwnedArgs::new(words);
        let mut reply = Reply::new(self.session.protocol);
        self.env.last_command_end_ns = self.env.clock.ns();
        let mut ctx = Ctx {
            env: &mut self.env,
            session: &mut self.session,
            reply: &mut reply,
            table: self.table,
            host: &mut self.host,
        };
        let outcome = process(&mut ctx, &mut owned.args());
        assert_eq!(outcome, Outcome::Done, "nothing here holds commands back");
        blocking::serve(&mut self.env, &mut self.host);
        reply.as_bytes().to_vec()
    }

    /// Runs commands and looks for these replies.
    #[track_caller]
    pub fn expect(&mut self, dialogue: &[(&str, &str)]) {
        for (line, reply) in dialogue {
            assert_eq!(self.run(line), *reply, "{line}");
        }
    }

    /// Runs commands and looks for these refusals.
    #[track_caller]
    pub fn expect_refusals(&mut self, dialogue: &[(&str, &str)]) {
        for (line, error) in dialogue {
            assert_eq!(self.run(line), format!("-{error}\r\n"), "{line}");
        }
    }

    /// Lets another client speak from now on, who is made at its first turn. The first client is
    /// number 1.
    pub fn switch_to(&mut self, client: u64) {
        let next = self.host.others.remove(&client);
        let next =
            next.unwrap_or_else(|| Session::of_client(client, ClientInfo::NOBODY, &self.env.users));
        let last = std::mem::replace(&mut self.session, next);
        self.host.others.insert(last.id, last);
    }

    /// Runs one command of another client, and lets the one that spoke before go on.
    pub fn run_as(&mut self, client: u64, line: &str) -> String {
        let speaker = self.session.id;
        self.switch_to(client);
        let reply = self.run(line);
        self.switch_to(speaker);
        reply
    }

    /// What clients that waited got since the last call: who, and the reply.
    pub fn served(&mut self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.host.served)
    }

    /// The commands that went to replicas since the last call.
    pub fn propagated(&mut self) -> Vec<String> {
        let offset = self.env.replication.identity().offset();
        let told = (offset - self.told) as usize;
        let bytes = self.env.replication.last_stream_bytes(told);
        self.told = offset;
        commands(&bytes)
    }

    /// The same without the choice of a database before them.
    pub fn propagated_but_select(&mut self) -> Vec<String> {
        let mut commands = self.propagated();
        commands.retain(|command| !command.starts_with("SELECT"));
        commands
    }

    /// Lets time pass; waits may end.
    pub fn advance_ms(&mut self, ms: u64) {
        self.env.now = self.env.now.plus_ms(ms);
        while let Some(client) = self.env.waiters.overdue(self.env.now.mono_ms()) {
            let ended = self.host.unblock(&mut self.env, client, None);
            assert!(ended, "client {client} must not be the one that speaks");
        }
        self.env.renew_access();
    }

    /// Makes this a read-only replica. Commands of its master are those of a session of
    /// [`Kind::Master`].
    pub fn become_replica(&mut self) {
        let facts = facts_at(self.env.now);
        let replication = &mut self.env.replication;
        replication.replicaof("master", 6379, "a test", facts, &mut Vec::new());
        self.env.gates.replica = true;
        self.env.gates.read_only = true;
    }
}

/// The stream is kept from the start, as after a restart from a snapshot.
fn a_master_with_a_log(now: Now, rng: &mut Rng) -> Replication {
    let settings = ReplicationSettings {
        backlog_bytes: WINDOW_BYTES,
        ..ReplicationSettings::default()
    };
    let mut replication = Replication::new(settings, Rng::from_seed(rng.next_u64()), now);
    let saved = SavedIdentity {
        id: ReplId::random(rng),
        offset: 0,
        stream_db: 0,
        sum: None,
        ancestors: Vec::new(),
    };
    replication.restore(saved, facts_at(now), &mut Vec::new());
    replication
}

fn facts_at(now: Now) -> Facts {
    Facts {
        now,
        child: RunningChild::None,
        dataset_empty: true,
        fsynced_offset: None,
    }
}

/// Splits a stream of canonical commands; each becomes its words with blanks between.
fn commands(stream: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stream);
    let mut lines = text.split("\r\n");
    let mut commands = Vec::new();
    while let Some(words) = lines.next().and_then(|header| header.strip_prefix('*')) {
        let words: usize = words.parse().expect("a number of words");
        let lines = lines.by_ref().skip(1).step_by(2).take(words);
        commands.push(lines.collect::<Vec<_>>().join(" "));
    }
    commands
}

/// Writes down what it is asked, and agrees to everything.
#[derive(Debug, Default)]
pub struct FakeHost {
    /// The wishes in order, one line each.
    pub wishes: Vec<String>,
    /// What [`Host::facts`] answers.
    pub facts: ServerFacts,
    /// What [`Host::describe_clients`] answers.
    pub clients: Vec<u8>,
    /// What went to the log.
    pub logged: RefCell<Vec<String>>,
    /// What [`Host::kill_clients`] answers.
    pub killed: usize,
    /// What [`Host::migrate`] answers, the last one first.
    pub migrations: Vec<MigrationOutcome>,
    /// The clients that are not speaking.
    pub others: HashMap<u64, Session>,
    /// What those among them got whose commands waited: who, and the reply.
    pub served: Vec<(u64, String)>,
    /// Messages that went to other clients: the client and the push as RESP3 spells it.
    pub delivered: Vec<(u64, String)>,
    /// What happens while a script takes long.
    pub while_busy: Option<fn(&mut Env) -> Verdict>,
}

impl FakeHost {
    /// Lets something happen to a client that is not speaking, and notes what it is told.
    fn with_other(&mut self, env: &mut Env, client: u64, act: impl FnOnce(&mut Ctx<'_>)) -> bool {
        let Some(mut session) = self.others.remove(&client) else {
            return false;
        };
        let mut reply = Reply::new(session.protocol);
        let waited = session.activity.is_parked();
        act(&mut Ctx {
            env,
            session: &mut session,
            reply: &mut reply,
            table: table(),
            host: self,
        });
        let held = session.activity.go_on();
        assert_eq!(held, None, "nothing here holds commands back");
        self.others.insert(client, session);
        if !reply.is_empty() {
            let text = String::from_utf8_lossy(reply.as_bytes()).into_owned();
            self.served.push((client, text));
        }
        waited
    }

    fn wish(&mut self, wish: impl Into<String>) {
        self.wishes.push(wish.into());
    }
}

impl Host for FakeHost {
    fn now(&self, env: &Env) -> Now {
        env.now
    }

    fn facts(&mut self, _: &Env) -> ServerFacts {
        self.facts.clone()
    }

    fn save(&mut self, _: &mut Env) -> Result<(), CmdError> {
        self.wish("save");
        Ok(())
    }

    fn bgsave(&mut self, _: &mut Env, schedule: bool) -> Result<&'static str, CmdError> {
        self.wish(format!("bgsave schedule={schedule}"));
        Ok("Background saving started")
    }

    fn rewrite_aof(&mut self, _: &mut Env) -> RewriteRequest {
        self.wish("bgrewriteaof");
        RewriteRequest::Started
    }

    fn shutdown(
        &mut self,
        _: &mut Env,
        _: u64,
        options: ShutdownOptions,
    ) -> Result<Leaving, CmdError> {
        self.wish(format!("{options:?}"));
        Ok(Leaving::Now)
    }

    fn abort_shutdown(&mut self, _: &mut Env) -> Result<(), CmdError> {
        self.wish("abort shutdown");
        Ok(())
    }

    fn serve_while_busy(&mut self, env: &mut Env) -> Verdict {
        self.while_busy.map_or(Verdict::GoOn, |serve| serve(env))
    }

    fn reset_rates(&mut self) {
        self.wish("reset rates");
    }

    fn apply_config(&mut self, _: &mut Env, hook: Apply, _: &Settings) -> Result<(), Reason> {
        self.wish(format!("apply {hook:?}"));
        Ok(())
    }

    fn config_changed(&mut self, _: &mut Env) {
        self.wish("config changed");
    }

    fn describe_clients(&self, _: &Env, _: &Session, _: &ClientFilter) -> Vec<u8> {
        self.clients.clone()
    }

    fn kill_clients(&mut self, _: &mut Env, _: &mut Session, filter: &ClientFilter) -> usize {
        self.wish(format!("kill {filter:?}"));
        self.killed
    }

    fn close_clients(
        &mut self,
        _: &mut Env,
        current: &mut Session,
        is_so: &dyn Fn(&Session) -> bool,
    ) {
        let all = self.others.values_mut().chain([current]);
        let closed = all.filter(|session| is_so(session)).map(|session| {
            session.activity.close();
            session.id
        });
        let mut ids: Vec<u64> = closed.collect();
        ids.sort_unstable();
        self.wish(format!("close {ids:?}"));
    }

    fn pause(&mut self, _: &mut Env, mode: PauseMode, until_mono_ms: u64) {
        self.wish(format!("pause {mode:?} until {until_mono_ms}"));
    }

    fn unpause(&mut self, _: &mut Env) {
        self.wish("unpause");
    }

    fn replicaof(
        &mut self,
        _: &mut Env,
        _: &Session,
        target: Option<MasterAddress>,
    ) -> Result<&'static str, CmdError> {
        self.wish(format!("replicaof {target:?}"));
        Ok("OK")
    }

    fn failover(&mut self, _: &mut Env, request: FailoverRequest<'_>) -> Result<(), CmdError> {
        self.wish(format!("{request:?}"));
        Ok(())
    }

    fn abort_failover(&mut self, _: &mut Env) -> bool {
        self.wish("abort failover");
        true
    }

    fn psync(
        &mut self,
        _: &mut Env,
        _: &mut Session,
        _: &mut Reply,
        args: &Args<'_>,
    ) -> Result<(), CmdError> {
        self.wish(words(args));
        Ok(())
    }

    fn replconf(
        &mut self,
        _: &mut Env,
        _: &mut Session,
        reply: &mut Reply,
        args: &Args<'_>,
    ) -> Result<(), CmdError> {
        self.wish(words(args));
        reply.ok();
        Ok(())
    }

    fn debug(&mut self, _: &mut Env, request: DebugRequest) -> Result<(), CmdError> {
        self.wish(format!("{request:?}"));
        Ok(())
    }

    fn migrate(&mut self, _: &Env, migration: &Migration<'_>) -> MigrationOutcome {
        let head = [migration.login, migration.commands].concat();
        self.wish(format!(
            "transfer to {}:{} within {:?}, db {}: {}",
            String::from_utf8_lossy(migration.host),
            String::from_utf8_lossy(migration.port),
            migration.timeout,
            migration.db,
            String::from_utf8_lossy(&head).replace("\r\n", " "),
        ));
        self.migrations.pop().unwrap_or_default()
    }

    fn flushed_all(&mut self, _: &mut Env) {
        self.wish("flushed all");
    }

    fn lazy_free_pending(&self) -> usize {
        0
    }

    fn give_up_buffers(&mut self) {}

    fn client_sizes(&self, env: &Env) -> Option<Vec<ClientSizes>> {
        let sizes = ClientSizes {
            bytes_below: 1 << 15,
            clients: 2,
            bytes: 4000,
        };
        (env.config.maxmemory_clients != ClientsMemory::Bytes(0)).then(|| vec![sizes])
    }

    /// A hundred bytes a key.
    fn used_memory(&self, env: &Env) -> usize {
        env.keyspace.len() * 100
    }

    fn free(&mut self, garbage: Garbage, lazily: bool) {
        self.wish(format!("free {} keys lazily={lazily}", garbage.objects()));
    }

    fn resume(&mut self, env: &mut Env, client: u64) {
        self.with_other(env, client, blocking::resume);
    }

    fn unblock(&mut self, env: &mut Env, client: u64, refusal: Option<&CmdError>) -> bool {
        self.with_other(env, client, |ctx| blocking::end_wait(ctx, refusal))
    }

    fn deliver(&mut self, env: &mut Env, current: &Session, reply: &mut Reply) {
        env.outbox.drain(|to, message| {
            if to == current.id {
                return message.write(reply, current.subscriptions.is_some());
            }
            let mut push = Reply::new(Protocol::Resp3);
            message.write(&mut push, false);
            let text = String::from_utf8_lossy(push.as_bytes()).into_owned();
            self.delivered.push((to, text));
        });
    }

    fn log(&self, _: log::Level, text: &str) {
        self.logged.borrow_mut().push(text.to_owned());
    }
}

fn words(args: &Args<'_>) -> String {
    let words: Vec<_> = args.iter().map(String::from_utf8_lossy).collect();
    words.join(" ")
}
