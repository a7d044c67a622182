//! What `DEBUG` asks of the server.

use std::hint::black_box;
use std::time::Duration;

use super::reply_room::Fitting;
use super::runtime::Runtime;
use super::world::{ProcessEnd, World};
use crate::commands::debug::NOT_RESTARTED;
use crate::commands::env::Env;
use crate::commands::error::CmdError;
use crate::commands::host::{DebugRequest, PeakReset};
use crate::config::{Extent, rewrite_file};

impl<W: World> Runtime<W> {
    /// Carries out what `DEBUG` asks for.
    pub fn carry_out_debug(
        &mut self,
        env: &mut Env,
        request: DebugRequest,
    ) -> Result<(), CmdError> {
        match request {
            DebugRequest::Sleep(us) => self.world.sleep(Duration::from_micros(us)),
            DebugRequest::ActiveExpire(on) => self.active_expire = on,
            DebugRequest::PauseCron(on) => self.cron_paused = on,
            DebugRequest::ReplyBufferPeakReset(when) => {
                self.clients.fitting.peak_reset_ms = match when {
                    PeakReset::Never => None,
                    PeakReset::Default => Some(Fitting::DEFAULT_PEAK_RESET_MS),
                    PeakReset::AfterMs(ms) => Some(ms),
                };
            }
            DebugRequest::ReplyBufferResizing(on) => self.clients.fitting.on = on,
            DebugRequest::Reload { save, flush, merge } => {
                if save && self.save_now(env).is_err() {
                    return Err(CmdError::Fixed(
                        "ERR Error trying to save the DB, check server logs.",
                    ));
                }
                if flush {
                    self.empty_all(env, false);
                }
                if let Err(e) = self.load_whole(env, merge) {
                    log::warn!("{e}");
                    return Err(CmdError::Fixed(
                        "ERR Error trying to load the RDB dump, check server logs.",
                    ));
                }
                log::info!("DB reloaded by DEBUG RELOAD");
            }
            DebugRequest::LoadAof => self.reload_aof(env)?,
            DebugRequest::AofFlushSleep(us) => self.aof.write_delay_us = us,
            DebugRequest::Segfault => return Err(self.world.end_process(ProcessEnd::Segfault)),
            DebugRequest::Panic => panic!("called by DEBUG PANIC"),
            DebugRequest::Assert => panic!("assertion failed: called by DEBUG ASSERT"),
            DebugRequest::OutOfMemory => {
                black_box(Vec::<u8>::with_capacity(isize::MAX as usize));
            }
            DebugRequest::Exit => return Err(self.world.end_process(ProcessEnd::Exit(1))),
            DebugRequest::Restart { graceful, delay_ms } => {
                self.world.sleep(Duration::from_millis(delay_ms));
                return self.restart(env, graceful);
            }
        }
        Ok(())
    }

    /// Replaces this process by a fresh one of the same executable and arguments.
    fn restart(&mut self, env: &mut Env, graceful: bool) -> Result<(), CmdError> {
        if graceful {
            if let Some(file) = env.config_file.clone()
                && let Err(e) =
                    rewrite_file(&file, &env.config, &env.users.lines(), Extent::Changed)
            {
                log::warn!("Can't restart: configuration rewrite process failed: {e}");
                return Err(NOT_RESTARTED);
            }
            if let Some(pid) = self.snapshots.pid() {
                self.remove_temporary(env, pid);
            }
            // The process ends whatever the file says to it, as with `SHUTDOWN FORCE`.
            let _ = self.close_aof(env, true);
            if !env.config.save.0.is_empty() && self.save_now(env).is_err() {
                return Err(NOT_RESTARTED);
            }
        }
        self.world.stop_listening();
        Err(self.world.end_process(ProcessEnd::Restart))
    }
}
