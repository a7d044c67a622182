//! A script that runs: how its commands are asked for and carried out.
//!
//! They go through the same [`call`] as any command, as a session of their own, within the
//! execution unit of the command that runs the script. The gates are the dispatcher's, but once a
//! script has written none stops it half-way; and they are asked here, since a script that is
//! refused something goes on with the error.

use super::busy::{BusyScript, ScriptKind, Verdict};
use super::host::ScriptHost;
use crate::commands::acl::{refusal, request};
use crate::commands::call::call;
use crate::commands::context::{CmdResult, Command, Ctx};
use crate::commands::error::CmdError;
use crate::commands::row::Flags;
use crate::commands::session::Session;
use crate::commands::unit::operations::Audience;
use crate::resp::args::Args;
use crate::resp::writer::{Protocol, Reply};

/// Memory of a reply is kept for the next one up to this size.
const REPLY_BYTES_KEPT_MAX: usize = 64 << 10;

/// What a script may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permissions {
    /// Nothing may be written.
    pub read_only: bool,
    /// Memory is no reason to refuse anything.
    pub allow_oom: bool,
}

/// What a script is called.
#[derive(Clone, Copy)]
pub struct Title<'a> {
    /// What it is.
    pub kind: ScriptKind,
    /// By which name its users know it.
    pub name: &'a str,
    /// The command that runs it.
    pub command: &'a Args<'a>,
}

/// A script that runs.
pub struct Run<'a, 'c> {
    ctx: &'a mut Ctx<'c>,
    title: Title<'a>,
    /// When it began.
    started_ns: u64,
    /// In which its commands run.
    session: Session,
    reply: Reply,
    permissions: Permissions,
    /// It has written, or tried to.
    has_written: bool,
}

impl<'a, 'c> Run<'a, 'c> {
    /// A script that a command runs.
    pub fn new(ctx: &'a mut Ctx<'c>, title: Title<'a>, permissions: Permissions) -> Run<'a, 'c> {
        let caller = &ctx.session;
        let mut session = Session::of_user(caller.id, caller.kind, caller.user.clone());
        session.db = ctx.session.db;
        session.no_touch = ctx.session.no_touch;
        session.in_script = true;
        let reply_bytes = std::mem::take(&mut ctx.env.scripts.reply_bytes);
        Run {
            title,
            // That was just before, and costs nothing to know.
            started_ns: ctx.env.last_command_end_ns,
            ctx,
            session,
            reply: Reply::with_buf(reply_bytes, Protocol::Resp2),
            permissions,
            has_written: false,
        }
    }

    /// The protocol in which its commands reply.
    pub fn protocol(&self) -> Protocol {
        self.session.protocol
    }

    /// Whether a command may run.
    fn admit(&self, command: &Command) -> Result<(), CmdError> {
        let (env, flags) = (&*self.ctx.env, command.flags);
        // These would leave something of their client's behind in the script's session.
        let of_client = Flags::RUNS_CODE
            .union(Flags::RUNS_QUEUE)
            .union(Flags::NOT_QUEUED)
            .union(Flags::IN_SUBSCRIBED_STATE);
        let may_call = env.scripts.may_call_all && !flags.intersects(of_client);
        if flags.contains(Flags::NOSCRIPT) && !may_call {
            return Err(CmdError::err(
                "This Redis command is not allowed from script",
            ));
        }
        if env.gates.stale && !flags.contains(Flags::STALE) {
            return Err(CmdError::err(
                "Can not execute the command on a stale replica",
            ));
        }
        let may_write = Flags::WRITE.union(Flags::MAY_REPLICATE);
        if self.permissions.read_only && flags.intersects(may_write) {
            let text = "Write commands are not allowed from read-only scripts.";
            return Err(CmdError::err(text));
        }
        let obeyed = self.session.must_be_obeyed();
        if self.has_written || obeyed {
            return Ok(());
        }
        let gates = &env.gates;
        if flags.contains(Flags::WRITE) {
            if gates.replica && gates.read_only {
                return Err(CmdError::ReadOnly);
            }
            if gates.snapshots_fail {
                return Err(CmdError::SnapshotsFail);
            }
            if gates.aof_fails {
                return Err(CmdError::AofFails(env.persistence.aof_failure.clone()));
            }
            if gates.replicas_missing {
                return Err(CmdError::NoReplicas);
            }
        }
        if flags.contains(Flags::DENYOOM) && !self.permissions.allow_oom && env.is_out_of_room() {
            return Err(CmdError::OutOfMemory);
        }
        Ok(())
    }

    /// Whether the user who runs the script may run a command.
    fn admit_user(&mut self, command: &Command, args: &Args<'_>) -> CmdResult {
        if self.session.user.is_unrestricted() {
            return Ok(());
        }
        // In the name of the client, whose connection is described in the log.
        refusal::admit_in_script(self.ctx, command, args)
    }

    fn own_ctx(&mut self) -> Ctx<'_> {
        Ctx {
            env: self.ctx.env,
            session: &mut self.session,
            reply: &mut self.reply,
            table: self.ctx.table,
            host: self.ctx.host,
        }
    }

    /// Whether it has run for too long. If so, others are told from now on.
    fn is_busy(&mut self) -> bool {
        let env = &mut *self.ctx.env;
        if env.scripts.busy.is_some() {
            return true;
        }
        let threshold_ms = env.config.busy_reply_threshold;
        let ms = env.clock.ns().saturating_sub(self.started_ns) / 1_000_000;
        if threshold_ms == 0 || ms < threshold_ms {
            return false;
        }
        let Title {
            kind,
            name,
            command,
        } = self.title;
        let text = format!(
            "Slow script detected: still in execution after {ms} milliseconds. You can try killing \
             the script using the {} command. Script name is: {name}.",
            kind.killer()
        );
        self.ctx.host.log(log::Level::Warn, &text);
        env.gates.busy = Some(kind);
        env.scripts.busy = Some(BusyScript {
            kind,
            name: name.to_owned(),
            command: command.iter().map(<[u8]>::to_vec).collect(),
            started_ns: self.started_ns,
            has_written: false,
            is_obeyed: self.session.must_be_obeyed(),
            is_killed: false,
        });
        true
    }

    /// Counts a refusal.
    fn refuse(&mut self, command: Option<&Command>, error: &CmdError) -> Vec<u8> {
        let text = error.text().into_owned();
        self.ctx.env.stats.count_error(&text);
        if let Some(command) = command {
            self.ctx.env.stats.commands[command.id].rejected += 1;
        }
        text
    }
}

impl Drop for Run<'_, '_> {
    /// Nobody has to wait any longer.
    fn drop(&mut self) {
        if self.reply.capacity() <= REPLY_BYTES_KEPT_MAX {
            self.ctx.env.scripts.reply_bytes = self.reply.take_buf();
        }
        self.ctx.env.scripts.busy = None;
        self.ctx.env.gates.busy = None;
    }
}

impl ScriptHost for Run<'_, '_> {
    fn call(&mut self, args: &mut Args<'_>) -> Result<(), Vec<u8>> {
        let Some(command) = self.ctx.table.find(args) else {
            let error = CmdError::err("Unknown Redis command called from script");
            return Err(self.refuse(None, &error));
        };
        if !command.accepts(args.len()) {
            let error = CmdError::err("Wrong number of args calling Redis command from script");
            return Err(self.refuse(Some(command), &error));
        }
        let admitted = self.admit(command);
        if let Err(error) = admitted.and_then(|()| self.admit_user(command, args)) {
            return Err(self.refuse(Some(command), &error));
        }
        self.has_written |= command.flags.contains(Flags::WRITE);
        if self.reply.capacity() > REPLY_BYTES_KEPT_MAX {
            self.reply.take_buf();
        }
        self.reply.clear();
        self.reply.protocol = self.session.protocol;
        call(&mut self.own_ctx(), command, args);
        Ok(())
    }

    fn reply(&self) -> &[u8] {
        self.reply.as_bytes()
    }

    fn may_run(&mut self, args: &Args<'_>) -> Option<bool> {
        let command = self.ctx.table.find(args)?;
        let user = &self.session.user;
        if user.is_unrestricted() {
            return Some(true);
        }
        let scratch = &mut self.ctx.env.acl_scratch;
        Some(request::check(user, command, args, scratch).is_ok())
    }

    fn set_protocol(&mut self, protocol: Protocol) {
        self.session.protocol = protocol;
    }

    fn set_audience(&mut self, audience: Audience) {
        self.ctx.env.unit.set_audience(audience);
    }

    fn interrupt(&mut self) -> Verdict {
        if !self.is_busy() {
            return Verdict::GoOn;
        }
        if let Some(script) = &mut self.ctx.env.scripts.busy {
            script.has_written = self.has_written;
        }
        let verdict = self.ctx.host.serve_while_busy(self.ctx.env);
        let busy = &self.ctx.env.scripts.busy;
        if busy.as_ref().is_some_and(|script| script.is_killed) {
            let text = "Lua script killed by user with SCRIPT KILL.";
            self.ctx.host.log(log::Level::Info, text);
            return Verdict::KILLED;
        }
        verdict
    }

    fn log(&self, level: log::Level, text: &str) {
        self.ctx.host.log(level, text);
    }
}
