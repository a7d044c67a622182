//! The write phase's first part: what the feed has goes to the increment, and to the disk.

use std::io;
use std::time::Duration;

use super::file::{Aof, State};
use super::increment::{ShortWrite, Sync, write_all};
use crate::base::disk::{Disk, DiskFile};
use crate::base::errno::os_text;
use crate::commands::env::Env;
use crate::config::Appendfsync;
use crate::engine::runtime::{FileOf, Runtime};
use crate::engine::world::{Job, World};

/// A sync is asked for this often (`appendfsync everysec`).
const SYNC_PERIOD_MS: u64 = 1000;
/// So long a write waits for a sync that runs.
const POSTPONED_MS_MAX: u64 = 2000;
/// A write beside a sync that takes longer than this is slow, and for so long others are not tried.
const SLOW_WRITE_NS: u64 = 20_000_000;
const SLOW_PERIOD_MS: u64 = 60_000;
/// After a failure, a write is tried again this often.
const RETRY_PERIOD_MS: u64 = 100;

/// Why a write comes now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Occasion {
    /// The tick ends.
    Tick,
    /// Something follows that needs it to be written, and cannot wait.
    Forced,
}

impl<W: World> Runtime<W> {
    /// Writes what the feed has and sees to it that it becomes durable when it has to be.
    ///
    /// # Errors
    ///
    /// What is promised cannot be kept: the server must not go on.
    #[inline]
    pub fn write_aof(&mut self, env: &mut Env) -> Result<(), String> {
        if let Some(fatal) = self.aof.fatal.take() {
            return Err(fatal);
        }
        match self.aof.increment {
            None => Ok(()),
            Some(_) => {
                env.settle_aof_place();
                self.write_increment(env, Occasion::Tick)
            }
        }
    }

    /// The same, now. What could not be written, or must not be since a sync has failed, is in the
    /// feed still.
    pub(super) fn write_increment(
        &mut self,
        env: &mut Env,
        occasion: Occasion,
    ) -> Result<(), String> {
        let aof: &mut Aof<FileOf<W>> = &mut self.aof;
        if aof.increment.is_none() {
            return Ok(());
        }
        env.aof.seal();
        if aof.trouble.has_lost_sync() {
            return Ok(());
        }
        let now_ms = env.now.mono_ms();
        if !env.aof.bytes().is_empty() {
            if occasion == Occasion::Tick && must_wait(aof, env, now_ms) {
                return Ok(());
            }
            let Some(increment) = &mut aof.increment else {
                return Ok(());
            };
            increment.postponed_ms = None;
            if aof.write_delay_us > 0 {
                self.world.sleep(Duration::from_micros(aof.write_delay_us));
            }
            let circumstances = match &increment.sync {
                Some(_) => "aof-write-pending-fsync",
                None if self.snapshots.is_running() => "aof-write-active-child",
                None => "aof-write-alone",
            };
            let start_ns = self.world.mono_ns();
            let bytes = env.aof.bytes();
            let result = write_all(&mut increment.file, bytes);
            let count = bytes.len();
            let spent_ns = self.world.mono_ns() - start_ns;
            if increment.sync.is_some() && spent_ns > SLOW_WRITE_NS {
                increment.slow_until_ms = now_ms + SLOW_PERIOD_MS;
            }
            env.note_latency(circumstances, spent_ns);
            env.note_latency("aof-write", spent_ns);
            env.stats.aof_ns += spent_ns;
            match result {
                Ok(()) => {
                    let was_synced = increment.sync_asked_bytes == increment.bytes;
                    increment.bytes += count as u64;
                    env.aof.written(count);
                    if !env.aof.take_has_data() && was_synced {
                        // Nobody was promised anything of comments.
                        increment.sync_asked_bytes = increment.bytes;
                    }
                    self.note_written(env);
                }
                Err(short) => return self.note_short_write(env, &short),
            }
        }
        let increment = self.aof.increment.as_ref();
        if increment.is_none_or(|increment| increment.sync_asked_bytes == increment.bytes) {
            return Ok(());
        }
        self.sync_as_promised(env)
    }

    fn note_written(&mut self, env: &mut Env) {
        if self.aof.trouble.write.take().is_some() {
            self.aof.trouble.logged_ms = None;
            log::info!("AOF write error looks solved, Redis can write again.");
            self.refresh_gates(env);
        }
    }

    /// Not all could be written: the rest stays in the feed.
    fn note_short_write(&mut self, env: &mut Env, short: &ShortWrite) -> Result<(), String> {
        let now_ms = env.now.mono_ms();
        let aof = &mut self.aof;
        let may_log = aof.trouble.may_log(now_ms);
        let reason = os_text(&short.error);
        if let Some(increment) = &mut aof.increment
            && short.written > 0
        {
            if may_log {
                log::warn!(
                    "Short write while writing to the AOF file: (nwritten={}, expected={})",
                    short.written,
                    env.aof.bytes().len()
                );
            }
            if let Err(e) = increment.file.truncate(increment.bytes) {
                if may_log {
                    log::warn!(
                        "Could not remove short write from the append-only file.  Redis may \
                         refuse to load the AOF the next time it starts.  ftruncate: {}",
                        os_text(&e)
                    );
                }
                // The next write goes on in the middle of that command.
                increment.bytes += short.written as u64;
                env.aof.written(short.written);
            }
        } else if may_log {
            log::warn!("Error writing to the AOF file: {reason}");
        }
        if env.config.appendfsync == Appendfsync::Always {
            return Err(
                "Can't recover from AOF write error when the AOF fsync policy is 'always'. \
                 Exiting..."
                    .to_owned(),
            );
        }
        self.aof.trouble.tried_ms = now_ms;
        self.aof.trouble.write = Some(reason);
        self.refresh_gates(env);
        Ok(())
    }

    /// Has the increment brought to disk when the policy wants it.
    fn sync_as_promised(&mut self, env: &mut Env) -> Result<(), String> {
        if env.config.no_appendfsync_on_rewrite && self.snapshots.is_running() {
            return Ok(());
        }
        match env.config.appendfsync {
            Appendfsync::No => Ok(()),
            Appendfsync::Always => {
                let start_ns = self.world.mono_ns();
                let result = self.sync_now(env);
                let spent_ns = self.world.mono_ns() - start_ns;
                env.note_latency("aof-fsync-always", spent_ns);
                env.stats.aof_ns += spent_ns;
                result.map_err(|e| cannot_sync(&e))
            }
            Appendfsync::Everysec => {
                self.sync_soon(env);
                Ok(())
            }
        }
    }

    /// Waits until all that is written is on disk.
    pub(super) fn sync_now(&mut self, env: &mut Env) -> io::Result<()> {
        let offset = env.replication.identity().offset();
        let Some(increment) = &mut self.aof.increment else {
            return Ok(());
        };
        increment.file.sync_data()?;
        increment.sync_asked_bytes = increment.bytes;
        increment.sync_asked_ms = env.now.mono_ms();
        // Whatever another thread still does for it is less than this was.
        increment.sync = None;
        increment.synced_offset = offset;
        self.tell_synced(env);
        Ok(())
    }

    /// Asks another thread for a sync, if the last one is long enough ago.
    fn sync_soon(&mut self, env: &mut Env) {
        let now_ms = env.now.mono_ms();
        let aof = &mut self.aof;
        let Some(increment) = &mut aof.increment else {
            return;
        };
        if increment.sync.is_some() || now_ms < increment.sync_asked_ms + SYNC_PERIOD_MS {
            return;
        }
        // Who shares an open file with us would be told in our place that its sync has failed.
        let Ok(file) = self.world.disk().open(&increment.path) else {
            return match self.sync_now(env) {
                Ok(()) => {}
                Err(e) => self.note_failed_sync(env, &e),
            };
        };
        increment.sync_asked_ms = now_ms;
        aof.last_request += 1;
        let request = aof.last_request;
        increment.sync_asked_bytes = increment.bytes;
        increment.sync = Some(Sync {
            request,
            bytes: increment.bytes,
            offset: env.replication.identity().offset(),
        });
        self.world.submit(Job::Sync { request, file });
    }

    /// A sync that was asked for has ended.
    pub fn on_synced(&mut self, env: &mut Env, request: u64, result: io::Result<()>) {
        let Some(increment) = &mut self.aof.increment else {
            return;
        };
        let Some(sync) = increment.sync.take_if(|sync| sync.request == request) else {
            return;
        };
        match result {
            Ok(()) => {
                debug_assert!(sync.bytes <= increment.bytes);
                increment.synced_offset = sync.offset;
                self.tell_synced(env);
            }
            Err(e) => self.note_failed_sync(env, &e),
        }
    }

    /// The file on disk is complete up to a later place in our stream.
    fn tell_synced(&mut self, env: &mut Env) {
        if self.aof.state == State::On
            && !self.aof.trouble.is_behind()
            && let Some(increment) = &self.aof.increment
        {
            env.persistence.fsynced_offset = Some(increment.synced_offset);
        }
    }

    pub(super) fn note_failed_sync(&mut self, env: &mut Env, e: &io::Error) {
        let reason = os_text(e);
        log::warn!("Fail to fsync the AOF file: {reason}");
        self.aof.trouble.sync = Some(reason);
        // What the sync was about may be lost without another word: periodic work has all of it
        // written anew.
        self.refresh_gates(env);
    }
}

/// Why a server must not go on that cannot sync what it is to sync before it replies.
pub(super) fn cannot_sync(e: &io::Error) -> String {
    format!(
        "Can't persist AOF for fsync error when the AOF fsync policy is 'always': {}. Exiting...",
        os_text(e)
    )
}

/// Whether the write waits: for a sync that runs, or since the last try has just failed.
fn must_wait<F>(aof: &mut Aof<F>, env: &Env, now_ms: u64) -> bool {
    let Some(increment) = &mut aof.increment else {
        return true;
    };
    let always = env.config.appendfsync == Appendfsync::Always;
    if aof.trouble.write.is_some() && !always {
        return now_ms < aof.trouble.tried_ms + RETRY_PERIOD_MS;
    }
    if increment.sync.is_none() || env.config.appendfsync != Appendfsync::Everysec {
        return false;
    }
    // What replicas get before it is in the file is what a server that is killed lacks afterwards,
    // and costs each of them a full sync. So the write waits only where it would take long.
    if env.aof.followed_end().is_some() && now_ms >= increment.slow_until_ms {
        return false;
    }
    let since = *increment.postponed_ms.get_or_insert(now_ms);
    if now_ms < since + POSTPONED_MS_MAX {
        return true;
    }
    aof.delayed_syncs += 1;
    log::info!(
        "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without \
         waiting for fsync to complete, this may slow down Redis."
    );
    false
}
