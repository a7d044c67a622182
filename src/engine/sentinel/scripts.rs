//! The programs that the Sentinel runs to have somebody notified.

use crate::base::errno::os_text;
use crate::commands::env::Env;
use crate::engine::path_of;
use crate::engine::runtime::Runtime;
use crate::engine::world::World;
use crate::sentinel::{ScriptEnd, ScriptId};
use crate::sys::process::Exit;

impl<W: World> Runtime<W> {
    pub(super) fn run_script(
        &mut self,
        env: &mut Env,
        script: ScriptId,
        path: &[u8],
        args: &[String],
    ) {
        match self.world.spawn(&path_of(path), args) {
            Ok(pid) => {
                self.sentinel.scripts.by_pid.insert(pid, script);
                self.sentinel.scripts.pids.insert(script, pid);
                if let Some(sentinel) = &mut env.sentinel {
                    sentinel.on_script_started(script, pid, env.now);
                }
            }
            Err(e) => tell_end(env, script, ScriptEnd::NotStarted(os_text(&e))),
        }
    }

    /// One that has ended meanwhile is not killed: its number may be another process's.
    pub(super) fn kill_script(&mut self, script: ScriptId) {
        if let Some(pid) = self.sentinel.scripts.pids.get(&script) {
            self.world.kill_program(*pid);
        }
    }

    /// A child has ended. `false` if it was none of these programs.
    pub(in crate::engine) fn on_script_exited(
        &mut self,
        env: &mut Env,
        pid: i32,
        exit: Exit,
    ) -> bool {
        let Some(script) = self.sentinel.scripts.by_pid.remove(&pid) else {
            return false;
        };
        self.sentinel.scripts.pids.remove(&script);
        let end = match exit {
            Exit::Code(status) => ScriptEnd::Exit(status),
            Exit::Signal(signal) => ScriptEnd::Signal(signal),
        };
        tell_end(env, script, end);
        true
    }
}

fn tell_end(env: &mut Env, script: ScriptId, end: ScriptEnd) {
    if let Some(sentinel) = &mut env.sentinel {
        sentinel.on_script_ended(script, end, env.now);
    }
}
