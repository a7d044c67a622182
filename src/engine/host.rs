//! What commands ask of the server, carried out: the runtime's side of [`Host`].
//!
//! Each method is thin; the work is in the file of its topic.

use super::apply::describe_listeners;
use super::describe::describe_master;
use super::loading::Loader;
use super::rates::Measure;
use super::runtime::Runtime;
use super::shutdown::Asker;
use super::snapshot::SnapshotPurpose;
use super::world::{Socket, Transport, World};
use crate::base::time::Now;
use crate::commands::env::Env;
use crate::commands::error::CmdError;
use crate::commands::garbage::Garbage;
use crate::commands::gates::PauseMode;
use crate::commands::host::{
    ClientFilter, ClientSizes, DebugRequest, Host, Leaving, Migration, MigrationOutcome,
    RewriteRequest, ServerFacts, ShutdownOptions,
};
use crate::commands::scripting::busy::Verdict;
use crate::commands::session::{Kind, Session};
use crate::config::{Apply, MasterAddress, Reason, Settings};
use crate::replication::{
    Closed, Contents, FailoverRequest, ReplconfReply, Replicaof, SyncClient, SyncReply, SyncRequest,
};
use crate::resp::args::Args;
use crate::resp::writer::Reply;

/// The refusal of a second snapshot.
const SAVING: CmdError = CmdError::Fixed("ERR Background save already in progress");

impl<W: World> Runtime<W> {
    /// What `INFO` shows, with the allocator's figures as of the last round of periodic work.
    pub fn facts_of_late(&self, env: &Env) -> ServerFacts {
        let replicas = env.replication.source().count();
        let held = self.clients.held_count();
        let work = self.world.work();
        let memory_of = self.clients.memory_by_kind();
        ServerFacts {
            executable: self.world.executable().display().to_string(),
            config_file: env
                .config_file
                .as_ref()
                .map_or(String::new(), |p| p.display().to_string()),
            run_id: self.run_id.clone(),
            tcp_port: env.config.main_port(),
            started_mono_ms: self.started_mono_ms,
            mode: match env.sentinel {
                Some(_) => "sentinel",
                None => "standalone",
            },
            supervised: self.world.supervised(),
            shutdown_in_ms: self.shutdown.time_left_ms(env.now),
            connected_clients: self.clients.len() - replicas,
            max_input_buffer: self.clients.input_peak.get(),
            max_output_buffer: self.clients.output_peak.get(),
            blocked_clients: env.waiters.len() + held,
            handshakes_pending: self.arriving.len(),
            handshakes_failed: self.arriving.failed,
            clients_memory: memory_of.clients,
            replicas_memory: memory_of.replicas,
            stream_spilled_bytes: self.link.waiting.bytes(),
            snapshot: self.snapshots.facts(env.now),
            aof: self.aof_facts(env),
            loading: self.loader.as_ref().map(Loader::facts),
            ops_per_second: self.rates.per_second(Measure::Commands),
            input_bytes_per_second: self.rates.per_second(Measure::Input) as f64,
            output_bytes_per_second: self.rates.per_second(Measure::Output) as f64,
            input_repl_bytes_per_second: self.rates.per_second(Measure::ReplicationInput) as f64,
            output_repl_bytes_per_second: self.rates.per_second(Measure::ReplicationOutput) as f64,
            loop_cycles_per_second: self.rates.per_second(Measure::LoopTurns),
            loop_duration_us: {
                let turns = self.rates.per_second(Measure::LoopTurns);
                self.rates
                    .per_second(Measure::LoopBusy)
                    .checked_div(turns)
                    .unwrap_or(0)
            },
            lazy_free_pending: work.pending,
            lazy_freed: work.freed,
            listeners: describe_listeners(&env.config),
            migrate_connections: self.peers.len(),
            memory: self.memory,
            startup_memory: self.startup_memory,
        }
    }
}

impl<W: World> Host for Runtime<W> {
    fn now(&self, _: &Env) -> Now {
        self.world.now()
    }

    fn facts(&mut self, env: &Env) -> ServerFacts {
        self.memory = self.world.memory();
        self.facts_of_late(env)
    }

    fn save(&mut self, env: &mut Env) -> Result<(), CmdError> {
        if self.snapshots.is_saving() {
            return Err(SAVING);
        }
        self.save_now(env).map_err(|_| CmdError::Fixed("ERR"))
    }

    fn bgsave(&mut self, env: &mut Env, schedule: bool) -> Result<&'static str, CmdError> {
        if self.snapshots.is_saving() {
            return Err(SAVING);
        }
        // A snapshot of this instant would hold half of a transaction.
        if self.snapshots.is_running() && schedule || env.unit.is_nested() {
            self.snapshots.scheduled = true;
            return Ok("Background saving scheduled");
        }
        if self.snapshots.is_running() {
            return Err(CmdError::err(
                "Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE \
                 SCHEDULE in order to schedule a BGSAVE whenever possible.",
            ));
        }
        match self.start_snapshot(env, SnapshotPurpose::Save, Contents::All) {
            Ok(()) => Ok("Background saving started"),
            Err(_) => Err(CmdError::Fixed("ERR")),
        }
    }

    fn rewrite_aof(&mut self, env: &mut Env) -> RewriteRequest {
        self.request_rewrite(env)
    }

    fn shutdown(
        &mut self,
        env: &mut Env,
        client: u64,
        options: ShutdownOptions,
    ) -> Result<Leaving, CmdError> {
        self.begin_shutdown(env, Asker::Client(client), options)
    }

    fn abort_shutdown(&mut self, env: &mut Env) -> Result<(), CmdError> {
        self.stop_shutdown(env)
    }

    fn reset_rates(&mut self) {
        self.rates = super::rates::Rates::default();
        self.world.reset_work();
    }

    fn apply_config(
        &mut self,
        env: &mut Env,
        hook: Apply,
        settings: &Settings,
    ) -> Result<(), Reason> {
        self.apply(env, hook, settings)
    }

    fn config_changed(&mut self, env: &mut Env) {
        self.after_config(env);
        self.renew_own(env);
    }

    fn describe_clients(&self, env: &Env, current: &Session, filter: &ClientFilter) -> Vec<u8> {
        let mut lines = Vec::new();
        for id in self.clients.ids_in_order(filter) {
            let Some(key) = self.clients.key_of(id) else {
                continue;
            };
            let conn = &self.clients[key];
            let session = conn.session.as_deref().unwrap_or(current);
            // One that is over is only waiting to be swept out.
            if !session.activity.is_over() && matches(filter, session, current.id) {
                lines.extend(self.clients.describe_lent(key, session, env).into_bytes());
                lines.push(b'\n');
            }
        }
        if let Some(master) = self.link.session()
            && matches(filter, master, current.id)
        {
            let last_interaction_ms = self.link.stream.last_interaction_ms();
            lines.extend(describe_master(master, last_interaction_ms, env).into_bytes());
            lines.push(b'\n');
        }
        lines
    }

    fn kill_clients(
        &mut self,
        env: &mut Env,
        current: &mut Session,
        filter: &ClientFilter,
    ) -> usize {
        let current_id = current.id;
        let is_meant = |session: &Session| matches(filter, session, current_id);
        let mut killed = self.close_those(env, current, &is_meant);
        if self
            .link
            .session()
            .is_some_and(|master| matches(filter, master, current_id))
        {
            self.lose_master(env, Closed::Lost("connection lost".to_owned()));
            killed += 1;
        }
        killed
    }

    fn close_clients(
        &mut self,
        env: &mut Env,
        current: &mut Session,
        is_so: &dyn Fn(&Session) -> bool,
    ) {
        self.close_those(env, current, is_so);
    }

    fn pause(&mut self, env: &mut Env, mode: PauseMode, until_mono_ms: u64) {
        self.pauses.begin(mode, until_mono_ms);
        self.refresh_gates(env);
    }

    fn unpause(&mut self, env: &mut Env) {
        self.pauses.end();
        self.refresh_gates(env);
    }

    fn replicaof(
        &mut self,
        env: &mut Env,
        current: &Session,
        target: Option<MasterAddress>,
    ) -> Result<&'static str, CmdError> {
        let client = match self.clients.key_of(current.id) {
            Some(key) => self.clients.describe_lent(key, current, env),
            None => current.client().addr.clone(),
        };
        let answer = match &target {
            None => {
                self.drive(env, |r, e, out| r.replicaof_no_one(&client, e, out));
                "OK"
            }
            Some(master) => {
                let (host, port) = (master.host.as_str(), master.port);
                let answer = self.drive(env, |r, e, out| r.replicaof(host, port, &client, e, out));
                // One who says again what is refused knows what it means.
                let insists = answer == Replicaof::Following || env.replication.refuses_lineage();
                if insists && is_by_hand(current) {
                    self.drive(env, |r, e, out| r.open_lineage_guard(e, out));
                }
                match answer {
                    Replicaof::Following => {
                        // What clients wait for may never come from the new master.
                        self.end_all_waits(env);
                        "OK"
                    }
                    Replicaof::AlreadyFollowing => {
                        return Ok("OK Already connected to specified master");
                    }
                }
            }
        };
        env.config.replicaof = target;
        Ok(answer)
    }

    fn failover(&mut self, env: &mut Env, request: FailoverRequest<'_>) -> Result<(), CmdError> {
        self.drive(env, |r, e, out| r.begin_failover(request, e, out))
            .map_err(CmdError::err)
    }

    fn abort_failover(&mut self, env: &mut Env) -> bool {
        self.drive(env, |r, e, out| r.abort_failover(e, out))
    }

    fn psync(
        &mut self,
        env: &mut Env,
        session: &mut Session,
        reply: &mut Reply,
        args: &Args<'_>,
    ) -> Result<(), CmdError> {
        let Some(key) = self.clients.key_of(session.id) else {
            return Ok(());
        };
        let request = match args.len() {
            1 => SyncRequest::Sync,
            _ => SyncRequest::Psync {
                id: &args[1],
                offset: &args[2],
                option: args.get(3),
            },
        };
        let client = SyncClient {
            id: session.id,
            ip: peer_ip(&session.client().addr),
            description: &self.clients.describe_lent(key, session, env),
            has_pending_output: !reply.is_empty(),
        };
        // The machine's answer is sent as an action, behind what is in the reply: nothing.
        let was = self.clients[key].replica.replace(session.id);
        let answer = self.drive(env, |r, e, out| r.on_sync(&client, request, e, out));
        match answer {
            SyncReply::Ignored => Ok(()),
            SyncReply::Accepted => {
                session.kind = Kind::Replica;
                if env.config.repl_disable_tcp_nodelay {
                    self.clients[key].socket.set_nodelay(false);
                }
                Ok(())
            }
            SyncReply::Refused(text) => {
                self.clients[key].replica = was;
                Err(CmdError::Text(text.into_bytes()))
            }
        }
    }

    fn replconf(
        &mut self,
        env: &mut Env,
        session: &mut Session,
        reply: &mut Reply,
        args: &Args<'_>,
    ) -> Result<(), CmdError> {
        let argv: Vec<&[u8]> = args.iter_from(1).collect();
        let id = session.id;
        let answer = self.drive(env, |r, e, out| r.on_replconf(id, &argv, e, out));
        match answer {
            ReplconfReply::Ok => reply.ok(),
            ReplconfReply::OkWith(extensions) => {
                reply.simple([b"OK ", &extensions.text()[..]].concat());
            }
            ReplconfReply::Line(text) => reply.simple(text),
            ReplconfReply::Silent => {}
            ReplconfReply::Error(text) => return Err(CmdError::Text(text)),
        }
        Ok(())
    }

    fn debug(&mut self, env: &mut Env, request: DebugRequest) -> Result<(), CmdError> {
        self.carry_out_debug(env, request)
    }

    fn migrate(&mut self, env: &Env, migration: &Migration<'_>) -> MigrationOutcome {
        let transport = Transport::encrypted(env.config.tls_cluster);
        self.peers
            .migrate(migration, transport, env.now, &mut self.world)
    }

    fn flushed_all(&mut self, env: &mut Env) {
        if env.is_replaying {
            // That was done when the keys went.
            return;
        }
        self.call_off_snapshot();
        if !env.config.save.0.is_empty() {
            // A failure is in the log; the keys are gone all the same.
            let _ = self.save_now(env);
        }
    }

    fn free(&mut self, garbage: Garbage, lazily: bool) {
        self.free_garbage(garbage, lazily);
    }

    fn lazy_free_pending(&self) -> usize {
        self.world.work().pending
    }

    fn give_up_buffers(&mut self) {
        self.clients.pool.drop_large();
    }

    fn client_sizes(&self, env: &Env) -> Option<Vec<ClientSizes>> {
        self.clients.sizes(env)
    }

    fn used_memory(&self, _: &Env) -> usize {
        self.world.used_memory()
    }

    fn resume(&mut self, env: &mut Env, client: u64) {
        self.resume_client(env, client);
    }

    fn unblock(&mut self, env: &mut Env, client: u64, refusal: Option<&CmdError>) -> bool {
        !env.waiters.awaits_answer(client) && self.end_wait(env, client, refusal)
    }

    fn serve_while_busy(&mut self, env: &mut Env) -> Verdict {
        self.serve_others(env)
    }

    fn deliver(&mut self, env: &mut Env, current: &Session, reply: &mut Reply) {
        self.clients.deliver_messages(env, Some((current, reply)));
    }

    fn log(&self, level: log::Level, text: &str) {
        log::log!(level, "{text}");
    }
}

impl<W: World> Runtime<W> {
    /// Closes the connections of clients that are so, and says how many. The current client hears
    /// the end of its command.
    fn close_those(
        &mut self,
        env: &mut Env,
        current: &mut Session,
        is_so: &dyn Fn(&Session) -> bool,
    ) -> usize {
        let mut closed = 0;
        for key in self.clients.keys() {
            match self.clients[key].session.as_deref() {
                Some(session) if is_so(session) && !session.activity.is_over() => {
                    self.clients.close_now(key);
                    closed += 1;
                }
                Some(_) => {}
                None if is_so(current) => {
                    current.activity.close_after_replies();
                    closed += 1;
                }
                None => {}
            }
        }
        self.forget_gone(env);
        closed
    }
}

/// Whether an operator speaks. A Sentinel gives its connections names that begin so, and what it
/// says it says because it sees an answering master, whatever that has lost.
fn is_by_hand(session: &Session) -> bool {
    !session.client().name.starts_with(b"sentinel-")
}

/// The address part of `ip:port`; a Unix socket has none.
fn peer_ip(addr: &str) -> Option<&str> {
    let (ip, port) = addr.rsplit_once(':')?;
    if port == "0" && ip.starts_with('/') {
        return None;
    }
    Some(ip.trim_start_matches('[').trim_end_matches(']'))
}

fn matches(filter: &ClientFilter, session: &Session, current: u64) -> bool {
    let ids = filter
        .ids
        .as_ref()
        .is_none_or(|ids| ids.contains(&session.id));
    let addr = filter
        .addr
        .as_ref()
        .is_none_or(|a| a == session.client().addr.as_bytes());
    let local = filter
        .local_addr
        .as_ref()
        .is_none_or(|a| a == session.client().local_addr.as_bytes());
    let class = filter.class.is_none_or(|c| c.matches(session));
    let user = filter
        .user
        .as_ref()
        .is_none_or(|u| **u == *session.user.name() && session.kind != Kind::Master);
    let me = !filter.skip_me || session.id != current;
    ids && addr && local && class && user && me
}
